"""The command lines under experiments/."""

import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
import train
from stripes import stripes

from helpers.config import PROJECT_ROOT
from helpers.data import DataSource
from helpers.data.dataset import SegmentationDataset, make_loader
from helpers.data.transforms import flip_transform
from helpers.training.runs import resume_run

KEPT = sorted((PROJECT_ROOT / "experiments").glob("*_simulated.csv"))
# No table, and those that lack rows: variants or candidates that came later
INCOMPLETE = ("final_test_record", "final_test", "augmentation")


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
def test_a_study_that_is_complete_has_nothing_to_do_and_changes_nothing(kept, monkeypatch, tmp_path):
    """So a killed one goes on where it was; and each kept CSV is what its script makes today."""
    script = kept.stem.removesuffix("_simulated")
    if script in INCOMPLETE:
        return
    monkeypatch.setattr("common.machine", lambda: pd.read_csv(kept)["machine"].iloc[0])
    for path in KEPT + list(kept.parent.glob("*.journal")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    output = tmp_path / kept.name
    command = shlex.split(pd.read_csv(kept)["command"].iloc[0])[2:]
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *command, "--output", str(output)])
    monkeypatch.setattr("torch.set_num_threads", Mock())  # of the process, so of the other tests too
    monkeypatch.setattr(
        "helpers.training.loop.train_one_epoch", Mock(side_effect=AssertionError("it trains"))
    )
    runpy.run_path(str(PROJECT_ROOT / "experiments" / f"{script}.py"), run_name="__main__")
    assert (tmp_path / kept.name).read_bytes() == kept.read_bytes()


def test_an_output_that_cannot_be_written_is_told_before_the_training(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "experiments/leak.py", "--output", str(tmp_path / "file" / "study.csv")]
    done = subprocess.run(command, cwd=PROJECT_ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{tmp_path / 'file' / 'study.csv'}: could not be written" in done.stderr


# --- experiments/train.py, on a few patches ------------------------------------------------------------


@pytest.fixture
def few_patches(config, monkeypatch):
    """The script's pipeline, on 16 patches whose order and augmentation follow from the seed."""
    seeds = []

    def prepare(folder, config, transform=None):
        seeds.append(config.seed)
        dataset = SegmentationDataset.__new__(SegmentationDataset)
        dataset.images, dataset.masks = stripes(16)
        dataset.names = [f"well_1_patch_{number}" for number in range(len(dataset.images))]
        dataset.transform = flip_transform()
        parts = {"train": True, "val": False, "test": False}
        return dict.fromkeys(parts, dataset), {
            part: make_loader(dataset, 8, shuffle) for part, shuffle in parts.items()
        }

    monkeypatch.setattr(train, "data_preparation_pipeline", prepare)
    monkeypatch.setattr(train, "find_data", lambda: DataSource(config.raw_dir, True, "simulated labels"))
    return seeds


def call(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    train.main()


def the_run(runs: Path) -> Path:
    (folder,) = runs.iterdir()
    return folder


def test_a_finished_run_gets_more_epochs_and_no_setting_but_its_own(few_patches, monkeypatch, tmp_path):
    call(monkeypatch, "--epochs", "1", "--seed", "3", "--runs", str(tmp_path))
    folder = the_run(tmp_path)
    others = {"seed": "4", "model": "resunet", "loss": "focal", "patience": "2", "learning-rate": "1"}
    for name, value in others.items():
        with pytest.raises(ValueError, match=f"--{name}: the run in .*{folder.name} has its own"):
            call(monkeypatch, "--resume", str(folder), "--epochs", "1", f"--{name}", value)
    with pytest.raises(ValueError, match="say how many epochs to add"):
        call(monkeypatch, "--resume", str(folder))
    call(monkeypatch, "--resume", str(folder), "--epochs", "2")
    assert len(resume_run(folder).history) == 3
    assert set(few_patches) == {3}  # the data too are made with the run's own seed


def test_every_setting_of_the_config_can_be_given(few_patches, monkeypatch, tmp_path):
    options = ["--learning-rate", "0.01", "--val-wells", "3", "9", "--patience", "2", "--value-std", "0.04"]
    call(monkeypatch, "--epochs", "1", "--runs", str(tmp_path), *options)
    config = resume_run(the_run(tmp_path)).config
    assert (config.learning_rate, config.val_wells) == (0.01, (3, 9))
    assert (config.patience, config.value_std) == (2, 0.04)
