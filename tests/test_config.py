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


PAIRS = [(0.9, 0.3), (0, 0.9), (0.3, 1), (0.3, np.nan)]


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"seed": seed}, f"seed of 0 or more, found {seed}") for seed in (-1, np.int64(-3))]
    + [({"likely": a, "sure": b}, f"0 < likely <= sure < 1, found {a} and {b}") for a, b in PAIRS]
    + [({"threshold": one}, f"threshold between 0 and 1, found {one}") for one in (0, 1, np.nan)]
    + [({"value_std": one}, f"value_std above 0, found {one}") for one in (0, -1, np.inf)],
)
def test_impossible_settings_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        Config(**settings)
