"""The groove report from the command line."""

import re
import subprocess
import sys
from dataclasses import replace

import inspect_well
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers.config import PROJECT_ROOT, Config
from helpers.files import DataError

COLUMNS = ["groove", "start_row", "end_row", "length_rows", "azimuth_deg", "width_columns", "width_deg"]
COLUMNS += ["mean_loss", "max_loss", "confidence"]


class DeepPixels(nn.Module):
    """Sure of a groove where a pixel lies more than so many of the config's units below the mean."""

    def __init__(self, units: float):
        super().__init__()
        self.units = nn.Parameter(torch.tensor(units))

    def forward(self, images):
        return -75 * (images / self.units + 1)


@pytest.fixture
def inspect(monkeypatch, capsys):
    def run(*arguments: str, units: float = 1.5, config: Config = Config()) -> str:
        monkeypatch.setenv("CORROSEG_DATA", "simulated")
        monkeypatch.setattr(inspect_well, "load_model", lambda path: (DeepPixels(units), config))
        monkeypatch.setattr(sys, "argv", ["inspect_well.py", "--model", "model.pt", *arguments])
        inspect_well.main()
        return capsys.readouterr().out

    return run


def grooves_in(text: str) -> int:
    return int(re.search(r"Well \d+, \d+ rows: (\d+) grooves", text)[1])


def test_report_and_pod(inspect, tmp_path):
    path = tmp_path / "new folder" / "grooves.csv"
    text = inspect("--well", "2", "--output", str(path))
    report = pd.read_csv(path)
    assert list(report) == COLUMNS
    assert f"Well 2, 1116 rows: {len(report)} grooves" in text
    assert len(report) > 0 and (report["length_rows"] >= 10).all()
    directions = np.exp(1j * np.deg2rad(report["azimuth_deg"])).mean()
    azimuth, spread = (float(number) for number in re.search(r"Azimuth: (.*)° ± (.*)°", text).groups())
    assert azimuth == pytest.approx(np.rad2deg(np.angle(directions)) % 360, abs=0.06)
    assert spread == pytest.approx(np.rad2deg(np.sqrt(-2 * np.log(np.abs(directions)))), abs=0.06)
    assert "160 grooves planted, in 18 stretches of wall" in text
    a90, a90_95 = (float(re.search(rf"{name} ([\d.]+)", text)[1]) for name in ("a90", "a90/95"))
    assert 0.015 < a90 < 0.06 and a90 < a90_95  # the pattern of the wall helps some grooves and hides others


def test_no_groove_is_a_result_and_so_is_no_curve(inspect, tmp_path):
    path = tmp_path / "grooves.csv"
    text = inspect("--output", str(path), units=100.0)
    assert "Well 2, 1116 rows: 0 grooves" in text
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    assert "Probability of detection: 0 hits and 160 misses do not overlap" in text


def test_the_models_own_config_is_used(inspect):
    """A unit twice as large and half as many of them are the same depth; a bound cuts grooves away."""
    expected = inspect()
    assert inspect(units=0.75, config=Config(value_std=0.04)) == expected
    assert grooves_in(expected) != grooves_in(inspect(config=Config(outlier_threshold=-0.03)))


def test_the_threshold_is_the_models_and_may_be_overridden(inspect):
    expected = inspect()
    high = inspect(config=replace(Config(), threshold=1 - 1e-9))
    assert high != expected
    assert inspect("--threshold", "0.5", config=replace(Config(), threshold=1 - 1e-9)) == expected


@pytest.mark.parametrize("threshold", ["0", "1", "-1", "nan"])
def test_an_impossible_threshold_is_refused(inspect, threshold):
    with pytest.raises(ValueError, match="threshold between 0 and 1, found"):
        inspect("--threshold", threshold)


def test_a_well_that_is_not_there_is_named_and_an_earlier_report_stays(inspect, tmp_path):
    path = tmp_path / "grooves.csv"
    path.write_text("earlier")
    with pytest.raises(ValueError, match="no patch of well 99"):
        inspect("--well", "99", "--output", str(path))
    assert [file.name for file in tmp_path.iterdir()] == ["grooves.csv"] and path.read_text() == "earlier"


@pytest.mark.slow
def test_an_output_that_cannot_be_written_is_told_before_anything_is_done(tmp_path):
    """The model is not there either, but the output is looked at first; in one line, without a traceback."""
    script = PROJECT_ROOT / "experiments" / "inspect_well.py"
    command = [sys.executable, script, "--model", "none.pt", "--output", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{tmp_path}: expected the name of a file to write")
    assert ended.stderr.count("\n") == 1


def test_an_output_below_a_file_is_told(inspect, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="grooves.csv: could not be written: "):
        inspect("--output", str(tmp_path / "file" / "grooves.csv"))
