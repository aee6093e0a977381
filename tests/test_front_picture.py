"""The picture of the front page."""

import sys

import front_picture
import matplotlib.pyplot as plt
import pytest

from helpers.config import Config


@pytest.fixture
def draw(monkeypatch, capsys):
    def run(*arguments) -> str:
        monkeypatch.setenv("CORROSEG_DATA", "simulated")
        monkeypatch.setattr(sys, "argv", ["front_picture.py", *map(str, arguments)])
        front_picture.main()
        plt.close("all")
        return capsys.readouterr().out

    return run


def test_the_picture_is_written(draw, tmp_path):
    text = draw("--output", tmp_path / "new folder", "--wells", 8)
    assert "new folder/front.png" in text
    assert (tmp_path / "new folder" / "front.png").read_bytes().startswith(b"\x89PNG")


def test_no_picture_of_a_test_well_is_drawn(draw, tmp_path, capsys):
    with pytest.raises(SystemExit):
        draw("--output", tmp_path, "--wells", Config().test_wells[0])
    assert "invalid choice" in capsys.readouterr().err


def test_pictures_of_real_wells_are_refused(draw, tmp_path, monkeypatch):
    source = type("Real", (), {"simulated": False})
    monkeypatch.setattr(front_picture, "find_data", lambda: source)
    with pytest.raises(ValueError, match="theirs may not be published"):
        draw("--output", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_told_before_anything_is_done(draw, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "front.png").mkdir()
    with pytest.raises(ValueError, match=r"front\.png: could not be written"):
        draw("--output", tmp_path / "file")
    with pytest.raises(ValueError, match=r"front\.png: expected the name of a file to write"):
        draw("--output", tmp_path)
