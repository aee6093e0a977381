"""The picture of the front page."""

import matplotlib.pyplot as plt
import pytest

from docs import front_picture
from helpers.config import Config


def test_the_picture_is_written_of_simulated_wells_only_and_of_no_test_well(monkeypatch, tmp_path):
    assert not {*front_picture.WELLS} & {*Config().test_wells}
    monkeypatch.setenv("CORROSEG_DATA", "simulated")
    monkeypatch.setattr(front_picture, "FOLDER", tmp_path)
    monkeypatch.setattr(front_picture, "WELLS", (8,))
    front_picture.main()
    plt.close("all")
    assert (path := tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    path.unlink()
    monkeypatch.setattr(front_picture, "find_data", lambda: type("Real", (), {"simulated": False}))
    with pytest.raises(ValueError, match="theirs may not be published"):
        front_picture.main()
    assert list(tmp_path.iterdir()) == []
