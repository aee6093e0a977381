"""The groove report from the command line."""

import re
import sys

import pandas as pd
import pytest
import torch
from torch import nn

from helpers.config import PROJECT_ROOT

sys.path.insert(0, str(PROJECT_ROOT / "experiments"))

import inspect_well


class DeepPixels(nn.Module):
    """Calls every pixel a groove that lies 0.03 below the mean."""

    def __init__(self):
        super().__init__()
        self.steepness = nn.Parameter(torch.tensor(50.0))

    def forward(self, images):
        return -self.steepness * (images + 0.03 / 0.02)


@pytest.fixture
def inspect(monkeypatch, tmp_path, capsys):
    def run(*arguments: str) -> str:
        monkeypatch.setenv("CORROSEG_DATA", "simulated")
        monkeypatch.setattr(inspect_well, "load_model", lambda path: DeepPixels())
        monkeypatch.setattr(sys, "argv", ["inspect_well.py", "model.pt", *arguments])
        inspect_well.main()
        return capsys.readouterr().out

    return run


def test_report_and_probability_of_detection(inspect, tmp_path):
    path = tmp_path / "grooves.csv"
    text = inspect("--well", "2", "--output", str(path))
    report = pd.read_csv(path, index_col="groove")
    assert f"Well 2, 1116 rows: {len(report)} grooves" in text
    assert len(report) > 0 and (report["length_rows"] >= 10).all()
    a90 = float(re.search(r"a90 ([\d.]+)", text)[1])
    assert 0.015 < a90 < 0.045  # the pattern of the wall helps some grooves and hides others


def test_a_well_that_is_not_there_is_named(inspect):
    with pytest.raises(ValueError, match="no patch of well 99"):
        inspect("--well", "99")
