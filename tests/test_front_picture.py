"""The picture of the front page."""

import re
import sys
from dataclasses import replace

import front_picture
import pytest
import torch
from torch import nn

from helpers.config import Config


class DeepPixels(nn.Module):
    """A groove where a pixel lies more than so many of the config's units below the mean."""

    def __init__(self, units: float):
        super().__init__()
        self.units = nn.Parameter(torch.tensor(units))

    def forward(self, images):
        return -75 * (images / self.units + 1)


@pytest.fixture
def draw(monkeypatch, capsys):
    def run(*arguments: str, units: float = 1.0, config: Config = Config()) -> str:
        monkeypatch.setenv("CORROSEG_DATA", "simulated")
        monkeypatch.setattr(front_picture, "load_model", lambda path: (DeepPixels(units), config))
        monkeypatch.setattr(sys, "argv", ["front_picture.py", "model.pt", *arguments])
        front_picture.main()
        return capsys.readouterr().out

    return run


@pytest.mark.slow
def test_a_picture_is_written_with_the_models_own_config(draw, config, tmp_path):
    path = tmp_path / "new folder" / "front.png"
    expected = draw("--output", str(path), config=config)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert 0.1 < float(re.search(r"'dice': ([\d.]+)", expected)[1]) < 1
    assert draw("--output", str(path), units=0.5, config=replace(config, value_std=0.04)) == expected
    assert draw("--output", str(path), config=replace(config, threshold=1 - 1e-9)) != expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("front.jpg", "front.jpg: expected the name of a picture that ends in .png"),
        ("folder.png", "folder.png: expected the name of a file to write"),
        ("file/front.png", "front.png: could not be written"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_anything_is_done(draw, tmp_path, name, message):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=message):
        draw("--output", str(tmp_path / name))
