"""The weights that ship with the project, and the command that goes on from them."""

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import predict
import pretrain
import pytest
import torch
import train_wells

from helpers.config import Config
from helpers.data import DataSource, read_labels
from helpers.data.dataset import as_images
from helpers.data.wells import parse_name, wells_of
from helpers.files import DataError
from helpers.metrics import count_pixels, summarise
from helpers.training.checkpoint import load_model
from helpers.training.runs import resume_run, save_last, start_run
from helpers.whole_wells.prediction import WEIGHTS, predict_patches, predict_well


@pytest.fixture(scope="module")
def shipped():
    return load_model(WEIGHTS)


def test_they_are_small_know_their_config_and_find_grooves_without_any_training(shipped, simulated):
    model, config = shipped
    assert WEIGHTS.stat().st_size < 3e6 and not model.training
    assert (config.value_std, config.threshold) == (Config().value_std, Config().threshold)
    images, _, truth = simulated
    names = images.index[wells_of(images) == 13]
    found = predict_patches(model, images.loc[names]) >= 0.5
    assert summarise(count_pixels(found, as_images(truth.loc[names])))["dice"] > 0.8


@pytest.fixture
def folder(tmp_path, simulated):
    """Well 12 as files."""
    images = simulated[0]
    (tmp_path / "images").mkdir()
    for name in images.index[wells_of(images) == 12]:
        pixels = images.loc[name].to_numpy(np.float32).reshape(36, 36)
        np.save(tmp_path / "images" / f"{name}.npy", pixels)
    return tmp_path / "images"


@pytest.fixture
def call(monkeypatch, tmp_path, simulated, capsys):
    """Run the command on these labels and images, by default eight patches of each training and validation
    well, with runs in a temporary folder; return what it printed."""
    images, labels, _ = simulated
    kept = np.isin(wells_of(images), Config().train_wells + Config().val_wells)
    kept &= np.array([parse_name(name)[1] < 8 for name in images.index])
    few = labels[kept], images[kept]
    source = DataSource(tmp_path, simulated=True, labels="simulated labels", seed=0)

    def run(*arguments, data=few, source=source) -> str:
        monkeypatch.setattr(train_wells, "find_data", lambda: source)
        monkeypatch.setattr(train_wells, "load_data", lambda *_: data)
        where = () if "--resume" in arguments else ("--runs", tmp_path / "runs")
        monkeypatch.setattr(sys, "argv", ["train_wells.py", *map(str, (*arguments, *where))])
        train_wells.main()
        return capsys.readouterr().out

    return run


def own_wells(simulated, *numbers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels and images of four patches of 72 columns with a groove under each of these numbers."""
    images, labels, _ = simulated
    there = [f"well_7_patch_{row}" for row in range(4 * len(numbers))]
    names = [f"well_{well}_patch_{row}" for well in numbers for row in range(4)]
    return tuple(frame.loc[there].set_axis(names) for frame in (labels, images))


def run_in(tmp_path) -> Path:
    (folder,) = (tmp_path / "runs").glob("corrosion_*")
    return folder


def test_one_command_goes_on_from_them_and_leaves_weights_for_masks(call, tmp_path, folder, monkeypatch):
    said = call("--epochs", 1)
    run_folder = run_in(tmp_path)
    model, _ = load_model(path := run_folder / "whole_wells.safetensors")
    assert "Validation wells 3, 9: Dice 0." in said
    assert "The network has learned from none of them" in said
    monkeypatch.setattr(sys, "argv", ["x", str(folder), str(tmp_path / "y.csv"), "--model", str(path)])
    predict.main()
    assert len(read_labels(tmp_path / "y.csv")) == 4
    before, last = load_model(WEIGHTS)[0].state_dict(), resume_run(run_folder).model.state_dict()
    assert any(not torch.equal(before[name], tensor) for name, tensor in last.items())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, (before[name] + last[name]) / 2)


def test_a_new_run_begins_with_them(call):
    def first(run, *_):
        shipped = load_model(WEIGHTS)[0].state_dict()
        assert all(torch.equal(shipped[name], tensor) for name, tensor in run.model.state_dict().items())
        raise KeyboardInterrupt

    with patch.object(train_wells, "fit", first), pytest.raises(KeyboardInterrupt):
        call("--epochs", 1)


def test_a_resumed_run_knows_what_it_learned_from(call, tmp_path, simulated):
    """Whatever the command line says; and nothing is trained again in a finished one."""
    data = own_wells(simulated, 7, 8, 16)
    said = call("--epochs", 1, "--every-well", "--val-wells", 8, "--seed", 3, data=data)
    folder = run_in(tmp_path)
    assert "The network has learned from wells 8: no measure of new wells" in said
    assert call("--resume", folder, data=data).splitlines()[-1] == said.splitlines()[-1]
    assert len(resume_run(folder).history) == 1
    for option in ("--epochs 2", "--seed 0", "--train-wells 7", "--val-wells 7 8", "--every-well"):
        with pytest.raises(ValueError, match=f"{option.split()[0]}: the run in .*{folder.name} has its own"):
            call("--resume", folder, *option.split(), data=data)
    with pytest.raises(DataError, match=r"other train and val images or masks"):
        call("--resume", folder, data=(data[0], data[1] + 0.001))
    save_last(run := start_run("unet", Config(runs_dir=tmp_path)))
    with pytest.raises(DataError, match="expected a run of train_wells.py, found one of .*unet"):
        call("--resume", run.folder)


def test_it_learns_from_wells_of_any_number_and_any_width(call, tmp_path, simulated):
    data = own_wells(simulated, 3, 17, 18)
    options = ["--epochs", 1, "--val-wells", 17]
    told = r"no patch of wells \[1, 6, .*has wells \[3, 17, 18\].*--train-wells"
    with pytest.raises(DataError, match=told):
        call(*options, data=data)
    assert not (tmp_path / "runs").exists()
    said = call(*options, "--train-wells", 3, 18, data=data)
    assert "Validation wells 17: Dice" in said
    assert resume_run(run_in(tmp_path)).config.train_wells == (3, 18)


def test_it_says_which_wells_a_score_is_of(call, tmp_path, simulated):
    labels, images = own_wells(simulated, 3, 4, 16)
    ruined = images.copy()
    ruined.iloc[:4] = -999.25
    options = ["--epochs", 1, "--train-wells", 16, "--columns", 72]
    said = call(*options, "--val-wells", 3, 4, data=(labels, ruined))
    assert "Wells 3 have no usable pixel: nothing is learned from them, nor judged" in said
    assert "Validation wells 4: Dice" in said
    with pytest.raises(DataError, match="usable pixels to learn and to judge by, wells 3 have none"):
        call(*options, "--val-wells", 3, data=(labels, ruined))
    sound = labels.copy()
    sound.iloc[4:8] = 0
    said = call(*options, "--val-wells", 3, 4, data=(sound, ruined))
    assert "Validation wells 4: no groove is labelled there, so there is no Dice" in said


def test_the_script_that_makes_them_writes_weights_that_load(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    for name in ("MORE_WELLS", "MORE_EPOCHS"):
        monkeypatch.setattr(pretrain, name, 1)
    path = tmp_path / "new.safetensors"
    monkeypatch.setattr(sys, "argv", ["x", "--wells", "1", "--epochs", "1", "--output", str(path)])
    pretrain.main()
    model, config = load_model(path)
    assert config.batch_size == 32
    assert np.isfinite(predict_well(model, np.zeros((40, 36), np.float32))).all()
    assert "Validation wells, simulated wells, clean truth: {'dice': 0." in capsys.readouterr().out
