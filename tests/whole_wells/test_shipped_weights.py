"""The weights that ship with the project, and the command that goes on from them."""

import sys

import numpy as np
import predict
import pretrain
import pytest
import torch
import train_wells

from helpers.checkpoint import load_model
from helpers.config import Config
from helpers.data import DataSource, read_labels
from helpers.dataset import as_images
from helpers.files import DataError
from helpers.metrics import count_pixels, summarise
from helpers.runs import resume_run
from helpers.wells import well_from_frame, wells_of
from helpers.whole_wells.prediction import WEIGHTS, predict_patches, predict_well


@pytest.fixture(scope="module")
def shipped():
    return load_model(WEIGHTS)


def test_they_are_small_and_know_their_config(shipped):
    model, config = shipped
    assert WEIGHTS.stat().st_size < 3e6 and not model.training
    assert sum(parameter.numel() for parameter in model.parameters()) == 521_329
    assert (config.value_std, config.threshold) == (Config().value_std, Config().threshold)


def test_they_find_grooves_without_any_training(shipped, simulated):
    images, _, truth = simulated
    names = images.index[wells_of(images) == 13]
    found = predict_patches(shipped[0], images.loc[names]) >= 0.5
    assert summarise(count_pixels(found, as_images(truth.loc[names])))["dice"] > 0.8


def test_patches_are_cut_from_the_assembled_well_in_the_order_asked_for(shipped, simulated):
    images = simulated[0]
    names = images.index[wells_of(images) == 8][::-1]
    found = predict_patches(shipped[0], images.loc[names])
    assert found.shape == (len(names), 1, 36, 36)
    whole = predict_well(shipped[0], well_from_frame(images, 8))
    np.testing.assert_array_equal(found[-1, 0], whole[:36, ::2])  # patch 0: the even columns
    np.testing.assert_array_equal(found[-2, 0], whole[:36, 1::2])


@pytest.fixture
def folder(tmp_path, simulated):
    """Well 12 as files."""
    images = simulated[0]
    (tmp_path / "images").mkdir()
    for name in images.index[wells_of(images) == 12]:
        pixels = images.loc[name].to_numpy(np.float32).reshape(36, 36)
        np.save(tmp_path / "images" / f"{name}.npy", pixels)
    return tmp_path / "images"


def test_a_folder_of_patches_gets_masks_without_a_model_of_ones_own(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["predict.py", str(folder), str(tmp_path / "y.csv")])
    predict.main()
    masks = read_labels(tmp_path / "y.csv")
    assert len(masks) == 4 and masks.to_numpy().any()


def run_train_wells(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["train_wells.py", *map(str, arguments)])
    train_wells.main()


def test_one_command_goes_on_from_them_and_leaves_weights_a_card_and_masks(
    tmp_path, monkeypatch, folder, simulated
):
    images, labels, _ = simulated
    kept = np.isin(wells_of(images), Config().train_wells + Config().val_wells)
    kept &= np.array([int(name.rsplit("_", 1)[1]) < 4 for name in images.index])
    source = DataSource(tmp_path, simulated=True, labels="simulated labels", seed=0)
    monkeypatch.setattr(train_wells, "find_data", lambda: source)
    monkeypatch.setattr(train_wells, "load_data", lambda *_: (labels[kept], images[kept]))
    options = ["--epochs", 1, "--runs", tmp_path, "--images", folder, "--csv", tmp_path / "y.csv"]
    run_train_wells(monkeypatch, *options)
    (run_folder,) = tmp_path.glob("corrosion_*")
    model, _ = load_model(run_folder / "whole_wells.safetensors")
    card = (run_folder / "README.md").read_text()
    assert "1 epoch, seed 0" in card and "which it has not learned from" in card
    assert len(read_labels(tmp_path / "y.csv")) == 4
    before, last = load_model(WEIGHTS)[0].state_dict(), resume_run(run_folder).model.state_dict()
    assert any(not torch.equal(before[name], tensor) for name, tensor in last.items())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, (before[name] + last[name]) / 2)
    run_train_wells(monkeypatch, "--resume", run_folder)  # it is finished: nothing is trained again
    assert len(resume_run(run_folder).history) == 1


def test_it_learns_from_wells_of_any_number(tmp_path, monkeypatch, simulated):
    images, labels, _ = simulated
    names = [f"well_{well}_patch_{row}" for well in (16, 17, 18) for row in range(4)]
    frames = [frame.iloc[: len(names)].set_axis(names) for frame in (labels, images)]
    source = DataSource(tmp_path, simulated=True, labels="simulated labels", seed=0)
    monkeypatch.setattr(train_wells, "find_data", lambda: source)
    monkeypatch.setattr(train_wells, "load_data", lambda *_: frames)
    options = ["--epochs", 1, "--runs", tmp_path, "--val-wells", 17]
    with pytest.raises(
        DataError, match=r"no patch of wells \[1, 6, .*has wells \[16, 17, 18\].*--train-wells"
    ):
        run_train_wells(monkeypatch, *options)
    assert not list(tmp_path.glob("corrosion_*"))
    run_train_wells(monkeypatch, *options, "--train-wells", 16, 18)
    (run_folder,) = tmp_path.glob("corrosion_*")
    assert "It learned from wells 16, 18" in (run_folder / "README.md").read_text()
    run_train_wells(monkeypatch, *options, "--every-well")
    assert len(list(tmp_path.glob("corrosion_*"))) == 2


def test_images_without_a_place_for_their_masks_are_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run_train_wells(monkeypatch, "--images", "images")
    assert "--images and --csv belong together" in capsys.readouterr().err


def test_the_script_that_makes_them_writes_weights_that_load(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    monkeypatch.setattr(pretrain, "score_on_validation_wells", lambda *_: "scored")
    path = tmp_path / "new.safetensors"
    monkeypatch.setattr(sys, "argv", ["x", "--wells", "1", "--epochs", "1", "--output", str(path)])
    pretrain.main()
    model, config = load_model(path)
    assert config.batch_size == 32
    assert np.isfinite(predict_well(model, np.zeros((40, 36), np.float32))).all()
    assert "scored" in capsys.readouterr().out


def test_they_are_scored_on_the_validation_wells(shipped):
    text = pretrain.score_on_validation_wells(*shipped)
    assert text.startswith("Validation wells, simulated wells, clean truth: {'dice': 0.")
