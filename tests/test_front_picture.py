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


def test_the_picture_is_written_of_no_test_well(draw, tmp_path):
    text = draw("--output", tmp_path / "new folder", "--wells", 8)
    assert "new folder/front.png" in text
    assert (tmp_path / "new folder" / "front.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit):
        draw("--output", tmp_path, "--wells", Config().test_wells[0])


def test_pictures_of_real_wells_are_refused(draw, tmp_path, monkeypatch):
    source = type("Real", (), {"simulated": False})
    monkeypatch.setattr(front_picture, "find_data", lambda: source)
    with pytest.raises(ValueError, match="theirs may not be published"):
        draw("--output", tmp_path)
    assert list(tmp_path.iterdir()) == []
