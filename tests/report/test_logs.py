"""Logs in DLIS, written by dliswriter from simulated wells: what may come, and what is refused."""

import os

import numpy as np
import pytest
from dliswriter import AttrSetup, DLISFile, enums

from groove_report import logs
from groove_report.logs import around_the_pipe, log_of_well, read_log, resample
from helpers.files import DataError
from helpers.whole_wells.simulation import simulate_sound_wall

STEP = 0.0381  # metres between two rows


@pytest.fixture(scope="module")
def wall():
    wall = simulate_sound_wall(300, 9)[:, ::2]
    return wall - wall.mean(axis=1, keepdims=True)  # (300, 36), as the challenge's: each row's mean is 0


@pytest.fixture
def write(tmp_path):
    def to_file(*frames, name="well.dlis", parameters=(), **origin):
        """Each frame a dict: its channels (name, values, unit, more), the index first."""
        file = DLISFile()
        logical = file.add_logical_file()
        logical.add_origin("ORIGIN", **origin)
        for parameter, value, unit in parameters:
            logical.add_parameter(parameter, values=AttrSetup(value, unit))
        for number, frame in enumerate(frames):
            channels = [
                logical.add_channel(channel, data=values, units=unit, long_name=more[0] if more else None)
                for channel, values, unit, *more in frame["channels"]
            ]
            index = frame.get("index", enums.FrameIndexType.BOREHOLE_DEPTH)
            logical.add_frame(f"FRAME-{number}", channels=channels, index_type=index)
        file.write(str(tmp_path / name), output_chunk_size=2**20)  # by default 4 GiB, all of it allocated
        return tmp_path / name

    return to_file


def frame(values, unit="in", depth=None, depth_unit="m", name="THBK", more=(), **others):
    depth = 1000 + STEP * np.arange(len(values)) if depth is None else depth
    return {"channels": [("DEPT", depth, depth_unit), (name, values, unit), *more], **others}


def read(path, **options):
    log = read_log(path, path.with_suffix(".npy"), **options)
    return np.load(log.path, allow_pickle=False), log


def close(wall):
    return pytest.approx(wall, abs=1e-6, nan_ok=True)


def test_deviations_and_depths_come_back_as_they_were_written_whatever_is_read_at_once(
    write, wall, monkeypatch
):
    path = write(frame(wall))
    well, log = read(path)
    assert well.dtype == np.float32 and well == close(wall)
    assert log.depth == pytest.approx(1000 + STEP * np.arange(300))
    assert len(log.notes) == 1 and "azimuths are the tool's own" in log.notes[0]
    monkeypatch.setattr(logs, "PIECE", 5000)
    assert np.array_equal(read(path)[0], well)


def test_a_channel_of_another_name_or_unit_must_be_named(write, wall):
    path = write(frame(wall * 25.4, "mm", name="WALL"))
    assert read(path, channel="WALL")[0] == close(wall)
    with pytest.raises(DataError, match=r"well\.dlis: expected one channel THBK.* with azimuths: WALL\."):
        read(path)
    path = write(frame(wall, None))
    with pytest.raises(DataError, match="channel THBK has the unit None, expected a length.*--unit"):
        read(path)
    assert read(path, unit="in")[0] == close(wall)


def test_a_channel_in_two_frames_or_logical_files_must_be_chosen(write, wall):
    frames, first, second = (
        write(frame(wall), frame(-wall)),
        write(frame(wall), name="first.dlis"),
        write(frame(-wall), name="second.dlis"),
    )
    # of the storage unit's label, 80 bytes, a file has one
    second.write_bytes(first.read_bytes() + second.read_bytes()[80:])
    for path, other, option in (
        (frames, "THBK.0.1 in frame FRAME-1.0.0 of logical file 0", {"frame": "FRAME-1"}),
        (second, "THBK.0.0 in frame FRAME-0.0.0 of logical file 1", {"logical_file": 1}),
    ):
        told = f"THBK.0.0 in frame FRAME-0.0.0 of logical file 0, {other}.*--frame"
        with pytest.raises(DataError, match=told):
            read(path)
        assert read(path, **option)[0] == close(-wall)


@pytest.mark.parametrize(("added", "kind"), [(0, ""), (0.4, "the wall's thickness"), (-0.03, "a deviation")])
def test_what_was_measured_loses_its_rows_mean_and_nulls_are_absent(write, wall, added, kind):
    spoiled = wall + added
    spoiled[[5, 6, 7], [3, 4, 5]] = -999.25, np.nan, -9999
    well, log = read(write(frame(spoiled)))
    expected = wall.copy()
    expected[[5, 6, 7], [3, 4, 5]] = np.nan
    assert well == close(expected - np.nanmean(expected, axis=1, keepdims=True))
    said = " ".join(log.notes)
    assert (f"The channel is {kind}" in said) == ("row's mean was" in said) == bool(kind)


def replace_as_windows(source, target, replace=os.replace):
    """Windows refuses to replace a file that is memory-mapped."""
    if any(line.rstrip().endswith(os.path.realpath(target)) for line in open("/proc/self/maps")):
        raise PermissionError(13, "Access is denied")
    replace(source, target)


@pytest.mark.parametrize(
    ("unit", "metres"),
    [("ft", 0.3048), ("0.1 in", 0.00254), ("FEET", 0.3048), ("Meters", 1), ("1/10 IN", 0.00254)],
)
def test_depths_may_be_in_any_unit_that_the_field_writes(write, wall, unit, metres):
    _, log = read(write(frame(wall, depth=np.arange(300) / metres, depth_unit=unit)))
    assert log.depth == pytest.approx(np.arange(300.0))


def test_uneven_absent_and_returning_depths_are_told(write, wall):
    depth = 1000 + STEP * np.arange(300)
    depth[100:] += 2.0
    depth[50] = -999.25
    depth[200] -= 1.0
    _, log = read(write(frame(wall, depth=depth)))
    said = " ".join(log.notes)
    assert "1 absent or odd depths were filled" in said and "went back at 1 rows" in said
    assert "of 299 depth steps differ" in said and "the longest is 2.038 m" in said
    assert log.depth[50] == pytest.approx((depth[49] + depth[51]) / 2)


def test_elevations_are_turned_into_depths_and_absent_ones_are_known_in_any_unit(write, wall):
    elevation = -4000 - STEP / 0.3048 * np.arange(300)
    elevation[7] = -999.25
    _, log = read(write(frame(wall, depth=elevation, depth_unit="ft")))
    assert log.depth[0] == pytest.approx(4000 * 0.3048) and np.diff(log.depth) == pytest.approx(STEP)
    assert "1 absent or odd depths were filled" in log.notes[0] and "elevations" in log.notes[1]


@pytest.mark.parametrize("others", [{"index": None}, {"depth": np.full(300, 1000.0)}])
def test_without_a_depth_that_moves_places_are_rows(write, wall, others):
    _, log = read(write(frame(wall, **others)))
    assert log.depth is None and log.breaks == ()
    assert "unit m) gives no depth, so places are given in rows" in log.notes[0]


@pytest.mark.parametrize("azimuths, columns", [(24, 36), (40, 36), (60, 72), (180, 72)])
def test_other_azimuth_counts_are_resampled_around_the_pipe(write, azimuths, columns):
    angle = (np.arange(azimuths) + 0.5) / azimuths * 2 * np.pi
    rows = 0.03 * np.cos(angle + np.linspace(0, 3, 50)[:, None])
    well, log = read(write(frame(rows)))
    angle = (np.arange(columns) + 0.5) / columns * 2 * np.pi
    assert well.shape == (50, columns)
    assert well == pytest.approx(0.03 * np.cos(angle + np.linspace(0, 3, 50)[:, None]), abs=0.004)
    assert f"{azimuths} azimuths were resampled to {columns}" in " ".join(log.notes)


def test_a_sector_without_values_stays_without():
    values = np.ones((1, 72))
    values[0, :4] = np.nan
    values[0, 6] = np.nan
    found = resample(values, around_the_pipe(72, 36))
    assert np.isnan(found[0]).tolist() == [True, True] + [False] * 34  # half of one is enough
    assert np.nanmax(found) == pytest.approx(1) and np.nanmin(found) == pytest.approx(1)


@pytest.mark.parametrize("part", [0, 60, 200, 0.3, 0.97, None])
def test_a_truncated_or_foreign_file_is_one_clear_error(write, wall, part, tmp_path):
    path = write(frame(wall))
    content = path.read_bytes()
    part = int(part * len(content)) if part and part < 1 else part
    path.write_bytes(np.random.default_rng(0).bytes(5000) if part is None else content[:part])
    with pytest.raises(DataError, match=r"well\.dlis: expected a DLIS file, could not read it \(") as error:
        read(path)
    assert "\n" not in str(error.value) and not path.with_suffix(".npy").exists()
    with pytest.raises(DataError, match="none.dlis: expected a DLIS file"):
        read(tmp_path / "none.dlis")


def test_a_channel_without_azimuths_or_values_is_refused(write, wall):
    with pytest.raises(DataError, match=r"dimensions \[1\], expected 8 to 3,600 azimuths a row"):
        read(write(frame(wall[:, 0].copy())))
    with pytest.raises(DataError, match="no measured value in its 300 rows"):
        read(write(frame(np.full((300, 36), -999.25))))
    with pytest.raises(DataError, match="THBK, found none. No channel has azimuths.* name another file"):
        read(write(frame(wall[:, 0].copy(), name="GR")))


def test_an_error_leaves_no_half_a_well(write, wall, monkeypatch):
    path = write(frame(wall))

    def stop(values, weights):
        raise KeyboardInterrupt

    monkeypatch.setattr(logs, "resample", stop)
    with pytest.raises(KeyboardInterrupt):
        read(path)
    assert [file.name for file in path.parent.iterdir()] == ["well.dlis"]


@pytest.mark.parametrize(("null", "row"), [(-9999.25, 0), (0, 150), (1e30, 299), (0, 0), (1e30, 0)])
@pytest.mark.parametrize("upwards", [False, True])
def test_the_direction_is_that_of_the_steps_and_nulls_of_any_value_are_filled(
    write, wall, null, row, upwards, monkeypatch
):
    if os.path.exists("/proc/self/maps"):  # on Linux only
        monkeypatch.setattr(os, "replace", replace_as_windows)
    depth = 1000 + STEP * np.arange(300)
    spoiled = depth[::-1].copy() if upwards else depth.copy()
    spoiled[row] = null
    well, log = read(write(frame(wall[::-1].copy() if upwards else wall, depth=spoiled)))
    assert well == close(wall) and log.depth == pytest.approx(depth)
    assert ("logged upwards" in " ".join(log.notes)) == upwards
    assert "1 absent or odd depths were filled" in " ".join(log.notes) and log.breaks == ()


def test_rows_may_come_in_groups_of_one_depth_and_nulls_at_the_ends_go_on_by_the_usual_step(write, wall):
    depth = 1000 + STEP * 3 * (np.arange(300) // 3)
    _, log = read(write(frame(wall, depth=depth[::-1].copy())))
    assert log.depth == pytest.approx(depth) and log.breaks == ()
    depth = 1000 + STEP * np.arange(300)
    spoiled = depth.copy()
    spoiled[:20], spoiled[-20:] = 0, -999.25
    _, log = read(write(frame(wall, depth=spoiled)))
    assert log.depth == pytest.approx(depth) and "40 absent" in log.notes[0]


def test_an_index_and_a_channel_may_be_there_twice(write, wall):
    """The standard allows one name twice, with copy numbers; dliswriter does not."""
    depth = 1000 + STEP * np.arange(300)
    channels = [("DEPT", depth, "m"), ("DEPX", depth + 3, "m"), ("THBK", wall, "in"), ("THBX", -wall, "in")]
    path = write({"channels": channels})
    content = path.read_bytes().replace(b"\x00\x04DEPX", b"\x01\x04DEPT")
    path.write_bytes(content.replace(b"\x00\x04THBX", b"\x01\x04THBK"))
    told = r"THBK\.0\.0 in frame.*THBK\.0\.1 in frame.* Name one with --channel"
    with pytest.raises(DataError, match=told):
        read(path)
    for label, expected in (("THBK.0.0", wall), ("THBK.0.1", -wall)):
        well, log = read(path, channel=label)
        assert well == close(expected) and log.depth == pytest.approx(depth)


def test_an_index_that_is_not_described_is_one_sentence(write, wall):
    path = write(frame(wall))
    path.write_bytes(path.read_bytes().replace(b"\x04DEPT", b"\x04DEPX", 1))  # where it is described
    with pytest.raises(DataError, match="frame FRAME-0 refers to a channel that the file does not describe"):
        read(path)


def test_names_may_be_in_another_encoding(write, wall):
    path = write(frame(wall))
    path.write_bytes(path.read_bytes().replace(b"FRAME-0", b"FRAM\xc9-0").replace(b"THBK", b"TH\xdcK"))
    with pytest.raises(DataError, match="Channels with azimuths: THÜK"):
        read(path)
    well, _ = read(path, channel="THÜK", frame="FRAMÉ-0")
    assert well == close(wall)


@pytest.mark.parametrize(
    ("unit", "inches"),
    [("IN", 1), ("Inches", 1), ("0.1 in", 0.1), ("1/1000 in", 0.001), ("MILS", 0.001), ("MM", 1 / 25.4),
     ("millimeters", 1 / 25.4), ("um", 1 / 25400), ("cm", 1 / 2.54), ("m", 39.37007874), ("ft.", 12),
     ("%", None), ("psi", None), ("0.1", None), ("in/s", None)],
)  # fmt: skip
def test_units_are_read_as_the_field_spells_them_if_they_are_lengths(write, wall, unit, inches):
    if inches:
        assert read(write(frame(wall.astype(float) / inches, unit)))[0] == close(wall)
        return
    with pytest.raises(DataError, match=f"has the unit '{unit}', expected a length"):
        read(write(frame(wall, unit)))


def test_zeros_at_the_start_do_not_decide_what_a_channel_is(write, wall, monkeypatch):
    thickness = 0.4 + wall
    thickness[:180] = 0
    monkeypatch.setattr(logs, "PIECE", 5000)
    well, log = read(write(frame(thickness)))
    assert well[180:] == close(wall[180:]) and np.isnan(well[:180]).all()
    assert "the wall's thickness" in " ".join(log.notes)


@pytest.mark.parametrize("jump", [8.0, -3.0])
def test_the_log_breaks_where_rows_are_missing_or_the_tool_went_back(write, wall, jump):
    depth = 1000 + STEP * np.arange(300)
    depth[150:] += jump
    depth[200:] += 3 * STEP  # as short as this it goes on
    _, log = read(write(frame(wall, depth=depth)))
    assert log.breaks == (150,)
    assert f"elsewhere at {depth[149]:.2f} m / {depth[150]:.2f} m" in log.notes[-1]
    assert (f"went back at 1 rows, by {-jump - STEP:.2f} m" in " ".join(log.notes)) == (jump < 0)


def records(content):
    """The label of a DLIS file, then its visible records; dliswriter writes a row into each (2.3.6)."""
    yield content[:80]
    place = 80
    while place < len(content):
        stop = place + int.from_bytes(content[place : place + 2], "big")
        yield content[place:stop]
        place = stop


@pytest.mark.parametrize(("missing", "breaks"), [(4, ()), (25, (100,))])
def test_rows_that_a_file_has_lost_are_told(write, wall, missing, breaks):
    path = write(frame(wall, index=None))
    parts = list(records(path.read_bytes()))
    first = len(parts) - 300  # the rows stand last
    del parts[first + 100 : first + 100 + missing]
    path.write_bytes(b"".join(parts))
    well, log = read(path)
    assert well == close(np.delete(wall, range(100, 100 + missing), axis=0))
    assert f"{missing} rows are missing in the file" in " ".join(log.notes) and log.breaks == breaks


def test_the_wall_is_kept_as_it_was_measured_and_only_what_the_network_takes_ends_at_its_limit(write, wall):
    thickness = 0.47 + wall
    thickness[100:150, 5:8] = 0.12  # of 0.47: a loss of 74 %
    for name, values in (("THBK", thickness), ("T2BK", thickness - 0.47)):
        well, log = read(write(frame(values, name=name)), channel=name, nominal=0.47)
        measured = np.load(log.measured, allow_pickle=False)
        assert log.is_wall == (name == "THBK") and measured.shape == well.shape
        assert measured == close(values) and measured.dtype == np.float32
        assert well[100:150, 5:8] == close(np.full((50, 3), -0.25)) and np.nanmin(well) == -0.25
        assert "150 pixels lie over 0.25 inch below" in " ".join(log.notes)


def test_a_well_as_an_array_is_kept_whole_too(wall, tmp_path):
    spoiled = wall.copy()
    spoiled[10], spoiled[20, :3] = -0.6, -999.25
    log = log_of_well(spoiled, tmp_path / "thickness.npy", 0.5)
    well, measured = (np.load(path, allow_pickle=False) for path in (log.path, log.measured))
    assert (well[10] == -0.25).all() and measured[10] == close(np.full(36, -0.6)) and log.nominal == 0.5
    for image in (well, measured):
        assert np.isnan(image[20, :3]).all() and image[100:] == close(wall[100:])


def test_what_the_file_says_of_its_well_and_its_casing_is_told(write, wall):
    parameters = [("THNO", 11.99, "mm"), ("CSIZ", 9.625, "in"), ("CASG", "L80", None), ("DFD", 8.4, "g/cm3")]
    origin = {"well_name": "206/05a-3", "field_name": " Fulla ", "company": "", "run_number": 2}
    _, log = read(write(frame(0.47 + wall), parameters=parameters, **origin))
    assert log.header == dict(Well="206/05a-3", Field="Fulla", Run="2", Casing="9.625 in, L80")
    assert log.nominal == pytest.approx(11.99 / 25.4, abs=1e-4)
    assert "Nominal thickness: 11.99 mm, from the file's parameter THNO." in log.notes
    assert read(write(frame(0.47 + wall), parameters=parameters), nominal=0.5)[1].nominal == 0.5
    two = [("THNO", 0.4, "in"), ("NOMINAL-THICKNESS", 0.47, "in")]
    _, log = read(write(frame(0.47 + wall), parameters=two))
    assert log.nominal is None and "several nominal thicknesses, 10.16 mm, 11.94 mm" in " ".join(log.notes)
    assert log.header == {"Field": "WILDCAT"}  # the standard's word for none


def test_thickness_minus_the_nominal_one_becomes_the_wall(write, wall):
    one = {
        "channels": [("DEPT", np.arange(300.0), "m"), ("T2BK", wall - 0.03, "in", "Thickness Minus Nominal")]
    }
    path = write(one, parameters=[("THNO", 0.47, "in")])
    well, log = read(path, channel="T2BK")
    assert well == close(wall) and log.is_wall
    assert np.load(log.measured) == close(wall + 0.44)


@pytest.mark.parametrize(("azimuths", "columns"), [(36, 36), (180, 72)])
def test_a_straight_groove_comes_out_straight_where_the_tool_turned(write, monkeypatch, azimuths, columns):
    monkeypatch.setattr(logs, "PIECE", 40 * azimuths)  # read in several pieces
    rows, middle = np.arange(300), 100.0  # degrees from the high side
    bearing = (350 - 1.4 * rows) % 360  # a turn in ten metres
    angle = (np.arange(azimuths) + 0.5) * 360 / azimuths + bearing[:, None]  # from the high side
    wall = 0.47 - 0.1 * (np.abs((angle - middle + 180) % 360 - 180) < 20)
    bearing[100:103] = -999.25
    path = write(frame(wall, more=[("RB", bearing, "deg")]))
    for options, straight in ({}, True), ({"bearing": "none"}, False), ({"bearing": "RB"}, True):
        well, log = read(path, **options)
        turned = np.exp(1j * np.deg2rad((np.arange(columns) + 0.5) * 360 / columns))
        found = np.rad2deg(np.angle((well < -0.04) @ turned)) % 360
        assert (np.abs(found - middle).max() <= 360 / columns) == straight
        assert ("by the relative bearing RB" in " ".join(log.notes)) == straight
    with pytest.raises(DataError, match="channel THBK has no AZ .--bearing. beside it in frame FRAME-0"):
        read(path, bearing="AZ")


def test_a_bearing_that_jumps_as_in_a_vertical_well_is_doubted(write, wall):
    bearing = np.random.default_rng(0).uniform(0, 2 * np.pi, 300)
    _, log = read(write(frame(wall, more=[("RB", bearing, "rad")])))
    assert "It jumps by 9" in log.notes[0] and "--bearing none" in log.notes[0]
    well, log = read(write(frame(wall, more=[("RB", np.full(300, -999.25), "deg")])))
    assert well == close(wall) and "No relative bearing was used" in log.notes[0]
