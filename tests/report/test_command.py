"""From a log to a report, from the command line."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from dliswriter import DLISFile, enums

from groove_report import command, logs
from groove_report.grooves import engineers_report, groove_report
from groove_report.page import write_page
from groove_report.pod import groove_shape
from helpers.config import PROJECT_ROOT, Config
from helpers.files import DataError
from helpers.models.well_resunet import WellResUNet
from helpers.whole_wells.simulation import simulate_sound_wall
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
        monkeypatch.setattr(command, "load_model", lambda *_: (DeepPixels(), config))
        monkeypatch.setattr(sys, "argv", ["python -m groove_report", *arguments])
        command.main()
        return capsys.readouterr().out

    return run


def sound_wall() -> np.ndarray:
    return (simulate_sound_wall(600, 9)[:, ::2] * 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def grooved():
    """A quiet wall with two grooves: rows 100 to 171 at 90° and 400 to 439 at 200°."""
    wall = sound_wall() - 0.06 * groove_shape((600, 36), 100, 90, 40, 72)
    return (wall - 0.06 * groove_shape(wall.shape, 400, 200, 40, 40)).astype(np.float32)


def write_dlis(path, thickness, depth, unit="in"):
    file = DLISFile()
    logical = file.add_logical_file()
    logical.add_origin("ORIGIN")
    channels = [
        logical.add_channel("DEPT", data=depth, units="m"),
        logical.add_channel("THBK", data=thickness, units=unit),
    ]
    logical.add_frame("FRAME", channels=channels, index_type=enums.FrameIndexType.BOREHOLE_DEPTH)
    file.write(str(path), output_chunk_size=2**20)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda wall: 25.4 * (wall + 0.45), r"100% of the pixels .*inches"),
        (lambda wall: wall + 0.2, r"median .* 0\.20.*mean of each row"),
        (lambda wall: np.repeat(wall, 2, axis=1)[:, :40], "40 columns.*36 or 72"),
        (lambda wall: 0.0254 * wall, r"half of the values lie within 0\.000.*unit"),
        (lambda wall: 0 * wall, r"half of the values lie within 0\.00000"),
    ],
    ids=["millimetres", "thickness", "columns", "metres", "zeros"],
)
def test_a_well_in_another_form_is_refused(inspect, tmp_path, grooved, changed, said):
    np.save(tmp_path / "well.npy", changed(grooved).astype(np.float32))
    with pytest.raises(DataError, match=f"well.npy.*{said}"):
        inspect(str(tmp_path / "well.npy"), "--output", str(tmp_path / "report"))
    assert not list((tmp_path / "report").iterdir())


def test_a_unit_labelled_wrongly_is_refused_and_an_unusual_spread_told_where_the_report_is_signed(
    inspect, tmp_path, grooved
):
    for values, label in ((1, "mm"), (0.0254, "mm"), (25.4, "um")):
        write_dlis(tmp_path / "well.dlis", (0.395 + grooved) * values, 1500 + STEP * np.arange(600), label)
        with pytest.raises(DataError, match=r"well\.dlis: (half of the values|\d+% of the pixels).*--unit"):
            inspect(str(tmp_path / "well.dlis"), "--output", str(tmp_path))
    save_well(grooved / 5, tmp_path / "well.npy")
    text = inspect(str(tmp_path / "well.npy"), "--output", str(tmp_path))
    for said in (text, (tmp_path / "report.html").read_text()):
        assert "Is the unit right? Half of the values lie within 0.00" in said


def test_a_log_becomes_a_report_in_metres(inspect, tmp_path, grooved):
    write_dlis(tmp_path / "well.dlis", grooved, 1500 + STEP * np.arange(600))
    text = inspect(
        str(tmp_path / "well.dlis"), "--output", str(tmp_path / "report"), "--inner-diameter", "220"
    )
    assert "well.dlis: 600 rows of 36 azimuths" in text and "2 grooves" in text
    table = pd.read_csv(tmp_path / "report" / "grooves.csv")
    assert list(table) == [
        "groove", "top_m", "bottom_m", "length_m", "top_ft", "bottom_ft", "azimuth_deg", "drift_deg_per_m",
        "width_deg", "width_mm", "kind", "mean_loss_mm", "max_loss_mm", "confidence", "detection_probability",
    ]  # fmt: skip
    assert table["top_m"].tolist() == pytest.approx([1500 + 100 * STEP, 1500 + 400 * STEP], abs=4 * STEP)
    assert table["bottom_m"].tolist() == pytest.approx([1500 + 172 * STEP, 1500 + 440 * STEP], abs=4 * STEP)
    assert table["azimuth_deg"].tolist() == pytest.approx([90, 200], abs=3)
    assert table["width_mm"].tolist() == pytest.approx(table["width_deg"] / 360 * np.pi * 220, rel=1e-3)
    assert table["max_loss_mm"].tolist() == pytest.approx([0.06 * 25.4] * 2, rel=0.15)
    assert table["detection_probability"].between(0, 1).all()
    assert sorted(file.name for file in (tmp_path / "report").iterdir()) == [
        "grooves.csv", "measured.npy", "probability.npy", "report.html", "thickness.npy", "well.html",
    ]  # fmt: skip


def test_the_page_needs_no_network_and_says_all(inspect, tmp_path, grooved):
    spoiled = grooved.copy()
    spoiled[300:320] = -999.25
    write_dlis(tmp_path / "well.dlis", spoiled[::-1].copy(), (1500 + STEP * np.arange(600))[::-1].copy())
    inspect(str(tmp_path / "well.dlis"), "--output", str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "http" not in page.replace("data:image", "")
    assert page.count("<img") == 2 and 'src="data:image/png;base64,' in page
    assert "Grooves (2)" in page and "top, m" in page and "1,500.00" not in page
    assert "logged upwards" in page and "720 of 21,600 pixels (3.33%)" in page
    assert f"{1500 + 300 * STEP:.2f} m to {1500 + 319 * STEP:.2f} m" in page
    assert "a90/95" in page and "model card" in page and "walls simulated like" in page


def test_a_well_as_npy_and_one_of_the_challenge_are_told_in_rows(inspect, tmp_path, grooved):
    save_well(grooved, tmp_path / "well.npy")
    inspect(str(tmp_path / "well.npy"), "--output", str(tmp_path / "a"))
    assert pd.read_csv(tmp_path / "a" / "grooves.csv")["top_row"].tolist() == pytest.approx([100, 400], abs=4)
    text = inspect("--well", "2", "--output", str(tmp_path / "b"))
    assert "well 2, simulated wells: 1,116 rows of 72 azimuths" in text
    assert len(pd.read_csv(tmp_path / "b" / "grooves.csv")) > 0


def test_no_groove_is_a_result(inspect, tmp_path):
    save_well(sound_wall(), tmp_path / "well.npy")
    write_dlis(tmp_path / "well.dlis", sound_wall(), 1500 + STEP * np.arange(600))
    for log, first in (("well.npy", "top_row"), ("well.dlis", "top_m")):
        assert "0 grooves" in inspect(str(tmp_path / log), "--output", str(tmp_path))
        assert "No groove was found" in (tmp_path / "report.html").read_text()
        table = pd.read_csv(tmp_path / "grooves.csv")
        assert len(table) == 0 and list(table)[1] == first


def test_a_threshold_of_ones_own_has_no_curve_and_names_are_escaped(inspect, tmp_path, grooved):
    save_well(grooved / 5, tmp_path / "<b>.npy")
    inspect(str(tmp_path / "<b>.npy"), "--output", str(tmp_path), "--threshold", "0.9")
    assert "detection_probability" not in (tmp_path / "grooves.csv").read_text()
    page = (tmp_path / "report.html").read_text()
    assert "Not measured for this network" in page and "&lt;b&gt;.npy" in page and "<b>" not in page


def test_what_a_file_says_of_itself_is_text_on_the_page_and_no_html(tmp_path):
    wall, tag = sound_wall()[:100], "<script>alert(1)</script>"
    nothing, numbers = groove_report(np.zeros(wall.shape, bool), wall), np.zeros(wall.shape, int)
    log = replace(logs.log_of_well(wall, tmp_path / "well.npy"), notes=(f"The channel is called {tag}.",))
    facts = {"Log": tag, tag: "a fact"}
    table = engineers_report(nothing)
    write_page(tmp_path / "page.html", facts, table, (nothing, nothing), numbers, log, None)
    page = (tmp_path / "page.html").read_text()
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 5 and tag not in page


def test_a_log_of_the_walls_thickness_has_a_joint_tally_and_says_what_remains(inspect, tmp_path, grooved):
    wall = 0.4 + grooved
    wall[300:] -= 0.16  # uniform loss of 40 %, which the network cannot see
    wall[298:302] += np.random.default_rng(0).normal(0, 0.06, (4, 36))  # between two joints
    write_dlis(tmp_path / "well.dlis", wall, 1500 + STEP * np.arange(600))
    report = tmp_path / "report"
    options = "--inner-diameter 220 --nominal 10.16 --grade 552".split()
    inspect(str(tmp_path / "well.dlis"), "--output", str(report), *options)
    joints, grooves = (pd.read_csv(report / f"{name}.csv") for name in ("joints", "grooves"))
    lower = joints["top_m"] > 1500 + 300 * STEP
    assert 0 < lower.sum() < len(joints) and set(joints["class_pct"][~lower]) == {"0–20"}
    assert joints["mean_wall_mm"][lower].between(6, 6.2).all() and set(joints["class_pct"][lower]) == {
        "40–60"
    }
    assert joints["burst_mpa"].tolist() == pytest.approx(2 * 552 * joints["least_wall_mm"] / 240.32, rel=1e-3)
    assert grooves["remaining_mm"].tolist() == pytest.approx([0.34 * 25.4, 0.18 * 25.4], abs=0.35)
    assert grooves["penetration_pct"].tolist() == pytest.approx([15, 55], abs=4)
    page = (report / "report.html").read_text()
    assert page.index("2 grooves") < page.index("Signature") < page.index("Not assessed") < page.index("<dl>")
    assert "in joint" in page and page.count("<img") == 3 and "| |" not in page and "**" not in page
    write_dlis(tmp_path / "well.dlis", grooved, 1500 + STEP * np.arange(600))
    inspect(str(tmp_path / "well.dlis"), "--output", str(report))
    assert not (report / "joints.csv").exists()
    assert "the log gives no thickness" in (report / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [("--threshold 0 1 -1 nan", "0.001 to 0.999"), ("--inner-diameter -220 0 nan 8.5 inf", "50 to 1000")],
)
def test_an_impossible_number_is_refused(inspect, tmp_path, capsys, options, said):
    option, *values = options.split()
    for value in values:
        with pytest.raises(SystemExit):
            inspect("--well", "2", "--output", str(tmp_path), f"{option}={value}")
        assert f"argument {option}: expected {said}, found" in capsys.readouterr().err


def test_many_logs_get_a_folder_each_and_a_bad_one_stops_no_other(inspect, tmp_path, grooved):
    save_well(grooved, tmp_path / "a.npy")
    (tmp_path / "bad.dlis").write_bytes(b"no log")
    write_dlis(tmp_path / "c.dlis", sound_wall(), 1500 + STEP * np.arange(600))
    logs = [str(tmp_path / name) for name in ("a.npy", "bad.dlis", "c.dlis")]
    output = tmp_path / "reports"
    with pytest.raises(DataError, match=r"1 of 3 logs have no report: .*wells\.csv says why"):
        inspect(*logs, "--output", str(output))
    table = pd.read_csv(output / "wells.csv")
    assert table["folder"].tolist() == ["a", "bad", "c"]
    assert table["grooves"].tolist() == [2, pytest.approx(np.nan, nan_ok=True), 0]
    assert table["rows"].tolist() == [600, pytest.approx(np.nan, nan_ok=True), 600]
    assert table["deepest_loss_mm"][0] == pytest.approx(0.06 * 25.4, rel=0.3)
    assert table["outcome"].tolist() == ["report", table["outcome"][1], "report"]
    assert "bad.dlis: expected a DLIS file" in table["outcome"][1]
    assert (output / "a" / "report.html").is_file() and (output / "c" / "grooves.csv").is_file()
    inspect(logs[0], logs[0], "--output", str(output))
    assert pd.read_csv(output / "wells.csv")["folder"].tolist() == ["a-1", "a-2"]


def test_a_network_of_patches_is_refused(inspect, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "load_model", lambda *_: (torch.nn.Identity(), Config()))
    monkeypatch.setattr(sys, "argv", ["python -m groove_report", "--well", "2", "--output", str(tmp_path)])
    with pytest.raises(ValueError, match="expected a network for whole wells, found Identity"):
        command.main()


def test_a_gap_of_the_log_is_told_and_no_groove_goes_across(inspect, tmp_path, grooved):
    depth = 1500 + STEP * np.arange(600)
    depth[130:] += 50
    write_dlis(tmp_path / "well.dlis", grooved, depth)
    inspect(str(tmp_path / "well.dlis"), "--output", str(tmp_path))
    table, page = pd.read_csv(tmp_path / "grooves.csv"), (tmp_path / "report.html").read_text()
    assert len(table) == 3 and table["length_m"].between(0.3, 2).all()
    assert "goes on elsewhere at 1504.91 m / 1554.95 m" in page
    assert "Cut off where the log does not go on: groove 1, 2." in page


@pytest.mark.parametrize("name", ["thickness.npy", "probability.npy", "grooves.csv", "report.html"])
def test_a_report_never_overwrites_its_log(inspect, tmp_path, grooved, name):
    with open(tmp_path / name, "wb") as file:
        np.save(file, grooved)
    before = (tmp_path / name).read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    for log in (tmp_path / name, tmp_path / "link" / name):
        with pytest.raises(DataError, match=f"{name}: the report would overwrite it"):
            inspect(str(log), "--output", str(tmp_path))
    assert (tmp_path / name).read_bytes() == before


def test_what_fails_half_way_leaves_an_earlier_report_whole(inspect, tmp_path, grooved, monkeypatch):
    save_well(grooved, tmp_path / "a.npy")
    save_well(grooved[:300], tmp_path / "b.npy")
    report = tmp_path / "report"
    inspect(str(tmp_path / "a.npy"), "--output", str(report))
    before = {path.name: path.read_bytes() for path in report.iterdir()}

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "write_page", stop)
    with pytest.raises(KeyboardInterrupt):
        inspect(str(tmp_path / "b.npy"), "--output", str(report))
    assert {path.name: path.read_bytes() for path in report.iterdir()} == before


def test_a_damaged_log_is_read_or_is_one_sentence(tmp_path, grooved):
    """Three bytes of its descriptions are changed at random; some of these files make dlisio crash."""
    path = tmp_path / "well.dlis"
    write_dlis(path, grooved[:50], 1500 + STEP * np.arange(50))
    content, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, 1000, 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            command.read_apart(path, tmp_path / "well.npy")
        except DataError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert 10 < refused < 40


def test_a_crash_of_dlisio_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_opened", lambda source: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DataError, match=r"well\.dlis: .*reading it crashed.* Copy it again"):
        command.read_apart(tmp_path / "well.dlis", tmp_path / "well.npy")


@pytest.mark.parametrize("name", ["pipe.dlis", "pipe.npy", "none.dlis", "folder"])
def test_what_is_no_file_is_refused_at_once(inspect, tmp_path, name):
    os.mkfifo(tmp_path / "pipe.dlis")
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "folder").mkdir()
    for arguments in ([str(tmp_path / name)], ["--well", "2", "--model", str(tmp_path / name)]):
        with pytest.raises(DataError, match=name):
            inspect(*arguments, "--output", str(tmp_path / "report"))
    assert not (tmp_path / "report").exists()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be written"):
        inspect(str(tmp_path / "file"), "--output", str(tmp_path / "file"))


DOOR = """
import sys
from helpers.files import run_from_command_line
def fail(error):
    raise error
run_from_command_line({})
"""


@pytest.mark.parametrize(
    ("main", "shell", "code", "said"),
    [
        ("lambda: print('done')", "", 0, ""),
        ("lambda: fail(KeyboardInterrupt())", "", 130, "Stopped. No file is left half-written; start again."),
        ("lambda: open('x' * 300)", "", 1, "x" * 300 + ": File name too long."),
        ("lambda: fail(MemoryError())", "", 1, "There is not enough memory for this."),
        ("lambda: fail(ValueError('no log'))", "", 1, "no log"),
        ("lambda: [print(i) for i in range(9999)]", "| head -n 1 > /dev/null; exit ${PIPESTATUS[0]}", 1, ""),
        ("lambda: print('done')", "> /dev/full", 1, "No space left on device."),
    ],
)
def test_what_is_expected_at_the_door_is_one_sentence(main, shell, code, said):
    command = ["bash", "-c", f'"$0" -c "$1" {shell}', sys.executable, DOOR.format(main)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT)
    assert (ended.returncode, ended.stderr.strip()) == (code, said)
