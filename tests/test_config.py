"""Settings are plain Python values, whatever they came as, so that a checkpoint can hold them."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from helpers.config import Config


def test_numpy_numbers_and_arrays_become_plain_numbers_and_tuples():
    config = Config(
        learning_rate=np.geomspace(1e-4, 1e-2, 3)[1],
        seed=np.int64(1),
        dropout=np.float32(0.25),
        train_wells=np.setdiff1d([1, 2, 3], [2]),
        val_wells=[np.int64(3), 9],
    )
    assert config.train_wells == (1, 3) and config.val_wells == (3, 9)
    values = [config.learning_rate, config.seed, config.dropout, *config.train_wells, *config.val_wells]
    assert [type(value) for value in values] == [float, int, float, int, int, int, int]
    json.dumps(asdict(config), default=str)  # nothing that JSON, or a safe checkpoint, does not know
    assert hash(config) == hash(Config(**asdict(config)))


def test_folders_may_be_given_as_text(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert Config(runs_dir="somewhere").runs_dir == Path("somewhere")
    assert Config(raw_dir="~/wells").raw_dir == Path("/home/me/wells")


@pytest.mark.parametrize("seed", [-1, np.int64(-3)])
def test_a_negative_seed_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed of 0 or more, found {seed}"):
        Config(seed=seed)


@pytest.mark.parametrize(("likely", "sure"), [(0.9, 0.3), (0, 0.9), (0.3, 1), (0.3, np.nan)])
def test_impossible_thresholds_of_a_well_are_refused(likely, sure):
    with pytest.raises(ValueError, match=f"0 < likely <= sure < 1, found {likely} and {sure}"):
        Config(likely=likely, sure=sure)
