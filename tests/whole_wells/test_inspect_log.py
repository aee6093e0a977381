"""From a log to a report, from the command line."""

import subprocess
import sys

import inspect_log
import numpy as np
import pandas as pd
import pytest
import torch
from dliswriter import DLISFile, enums

from helpers.config import PROJECT_ROOT, Config
from helpers.files import DataError
from helpers.models.well_resunet import WellResUNet
from helpers.synthetic import simulate_sound_wall
from helpers.whole_wells.pod import groove_shape
from helpers.whole_wells.well_files import save_well

STEP = 0.0381


class DeepPixels(WellResUNet):
    """Sure of a groove where a pixel lies more than one and a half units below the mean."""

    def forward(self, images):
        return -75 * (images / 1.5 + 1) + 0 * self.head.bias


@pytest.fixture
def inspect(monkeypatch, capsys):
    def run(*arguments: str, config: Config = Config()) -> str:
        monkeypatch.setenv("CORROSEG_DATA", "simulated")
        monkeypatch.setattr(inspect_log, "load_model", lambda *_: (DeepPixels(), config))
        monkeypatch.setattr(sys, "argv", ["inspect_log.py", *arguments])
        inspect_log.main()
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def grooved():
    """A quiet wall with two grooves: rows 100 to 171 at 90° and 400 to 439 at 200°."""
    wall = simulate_sound_wall(600, 9)[:, ::2] * 0.1
    wall -= 0.06 * groove_shape(wall.shape, 100, 90, 40, 72)
    return (wall - 0.06 * groove_shape(wall.shape, 400, 200, 40, 40)).astype(np.float32)


def write_dlis(path, thickness, depth):
    file = DLISFile()
    logical = file.add_logical_file()
    logical.add_origin("ORIGIN")
    channels = [
        logical.add_channel("DEPT", data=depth, units="m"),
        logical.add_channel("THBK", data=thickness, units="in"),
    ]
    logical.add_frame("FRAME", channels=channels, index_type=enums.FrameIndexType.BOREHOLE_DEPTH)
    file.write(str(path), output_chunk_size=2**20)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda wall: 25.4 * (wall + 0.45), r"100% of the pixels .*inches"),
        (lambda wall: wall + 0.2, r"median .* 0\.20.*mean of each row"),
        (lambda wall: np.repeat(wall, 2, axis=1)[:, :40], "40 columns.*36 or 72"),
    ],
    ids=["millimetres", "thickness", "columns"],
)
def test_a_well_in_another_form_is_refused(inspect, tmp_path, grooved, changed, said):
    np.save(tmp_path / "well.npy", changed(grooved).astype(np.float32))
    with pytest.raises(DataError, match=f"well.npy.*{said}"):
        inspect(str(tmp_path / "well.npy"), "--output", str(tmp_path / "report"))
    assert not (tmp_path / "report" / "report.html").exists()


def test_a_log_becomes_a_report_in_metres(inspect, tmp_path, grooved):
    write_dlis(tmp_path / "well.dlis", grooved, 1500 + STEP * np.arange(600))
    text = inspect(
        str(tmp_path / "well.dlis"), "--output", str(tmp_path / "report"), "--inner-diameter", "220"
    )
    assert "well.dlis: 600 rows of 36 azimuths" in text and "2 grooves" in text
    table = pd.read_csv(tmp_path / "report" / "grooves.csv")
    assert list(table) == [
        "groove", "top_m", "bottom_m", "length_m", "azimuth_deg", "drift_deg_per_m", "width_deg", "width_mm",
        "mean_loss_mm", "max_loss_mm", "confidence", "detection_probability",
    ]  # fmt: skip
    assert table["top_m"].tolist() == pytest.approx([1500 + 100 * STEP, 1500 + 400 * STEP], abs=4 * STEP)
    assert table["bottom_m"].tolist() == pytest.approx([1500 + 172 * STEP, 1500 + 440 * STEP], abs=4 * STEP)
    assert table["azimuth_deg"].tolist() == pytest.approx([90, 200], abs=3)
    assert table["width_mm"].tolist() == pytest.approx(table["width_deg"] / 360 * np.pi * 220, rel=1e-3)
    assert table["max_loss_mm"].tolist() == pytest.approx([0.06 * 25.4] * 2, rel=0.15)
    assert table["detection_probability"].between(0, 1).all()
    assert sorted(file.name for file in (tmp_path / "report").iterdir()) == [
        "grooves.csv", "probability.npy", "report.html", "thickness.npy",
    ]  # fmt: skip


def test_the_page_needs_no_network_and_says_all(inspect, tmp_path, grooved):
    spoiled = grooved.copy()
    spoiled[300:320] = -999.25
    write_dlis(tmp_path / "well.dlis", spoiled[::-1].copy(), (1500 + STEP * np.arange(600))[::-1].copy())
    inspect(str(tmp_path / "well.dlis"), "--output", str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "http" not in page.split("The network</h2>")[0].replace("data:image", "")
    assert page.count("<img") == 2 and 'src="data:image/png;base64,' in page
    assert "Grooves (2)" in page and "top, m" in page and "1,500.00" not in page
    assert "logged upwards" in page and "720 of 21,600 pixels (3.33%)" in page
    assert f"{1500 + 300 * STEP:.2f} m to {1500 + 319 * STEP:.2f} m" in page
    assert "a90/95" in page and "Model card" in page and "Signature" in page


def test_a_well_as_npy_and_one_of_the_challenge_are_told_in_rows(inspect, tmp_path, grooved):
    save_well(grooved, tmp_path / "well.npy")
    inspect(str(tmp_path / "well.npy"), "--output", str(tmp_path / "a"))
    assert pd.read_csv(tmp_path / "a" / "grooves.csv")["top_row"].tolist() == pytest.approx([100, 400], abs=4)
    text = inspect("--well", "2", "--output", str(tmp_path / "b"))
    assert "well 2, simulated wells: 1,116 rows of 72 azimuths" in text
    assert len(pd.read_csv(tmp_path / "b" / "grooves.csv")) > 0


def test_no_groove_is_a_result(inspect, tmp_path):
    save_well(np.zeros((100, 36), np.float32), tmp_path / "well.npy")
    assert "0 grooves" in inspect(str(tmp_path / "well.npy"), "--output", str(tmp_path))
    assert "No groove was found" in (tmp_path / "report.html").read_text()
    assert len(pd.read_csv(tmp_path / "grooves.csv")) == 0


def test_a_threshold_of_ones_own_has_no_curve(inspect, tmp_path, grooved):
    save_well(grooved, tmp_path / "well.npy")
    inspect(str(tmp_path / "well.npy"), "--output", str(tmp_path), "--threshold", "0.9")
    assert "detection_probability" not in (tmp_path / "grooves.csv").read_text()
    assert "Not measured for this network" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("threshold", ["0", "1", "-1", "nan"])
def test_an_impossible_threshold_is_refused(inspect, tmp_path, threshold):
    with pytest.raises(ValueError, match="threshold between 0 and 1, found"):
        inspect("--well", "2", "--output", str(tmp_path), "--threshold", threshold)


def test_a_network_of_patches_is_refused(inspect, tmp_path, monkeypatch):
    monkeypatch.setattr(inspect_log, "load_model", lambda *_: (torch.nn.Identity(), Config()))
    monkeypatch.setattr(sys, "argv", ["inspect_log.py", "--well", "2", "--output", str(tmp_path)])
    with pytest.raises(ValueError, match="expected a network for whole wells, found Identity"):
        inspect_log.main()


def test_a_log_that_cannot_be_read_leaves_an_earlier_report(inspect, tmp_path):
    (tmp_path / "report.html").write_text("earlier")
    (tmp_path / "broken.dlis").write_bytes(b"no log" * 100)
    with pytest.raises(DataError, match=r"broken\.dlis: expected a DLIS file"):
        inspect(str(tmp_path / "broken.dlis"), "--output", str(tmp_path))
    assert (tmp_path / "report.html").read_text() == "earlier"


@pytest.mark.slow
def test_an_output_that_cannot_be_written_is_told_before_anything_is_done(tmp_path):
    (tmp_path / "file").touch()
    script = PROJECT_ROOT / "experiments" / "inspect_log.py"
    command = [sys.executable, script, "none.dlis", "--output", tmp_path / "file"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "could not be written" in ended.stderr and ended.stderr.count("\n") == 1
