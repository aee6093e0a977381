"""Logs in DLIS, written by dliswriter from simulated wells: what may come, and what is refused."""

import builtins

import numpy as np
import pytest
from dliswriter import DLISFile, enums

from helpers.files import DataError
from helpers.synthetic import simulate_sound_wall
from helpers.whole_wells import logs
from helpers.whole_wells.logs import around_the_pipe, read_log, resample

STEP = 0.0381  # metres between two rows


@pytest.fixture(scope="module")
def wall():
    return simulate_sound_wall(300, 9)[:, ::2].copy()  # (300, 36)


@pytest.fixture
def write(tmp_path):
    def to_file(*frames, name="well.dlis"):
        """Each frame a dict: its channels, name -> (values, unit), the index first."""
        file = DLISFile()
        logical = file.add_logical_file()
        logical.add_origin("ORIGIN")
        for number, frame in enumerate(frames):
            channels = [
                logical.add_channel(channel, data=values, units=unit)
                for channel, (values, unit) in frame["channels"].items()
            ]
            index = frame.get("index", enums.FrameIndexType.BOREHOLE_DEPTH)
            logical.add_frame(f"FRAME-{number}", channels=channels, index_type=index)
        file.write(str(tmp_path / name), output_chunk_size=2**20)  # by default 4 GiB, all of it allocated
        return tmp_path / name

    return to_file


def frame(values, unit="in", depth=None, depth_unit="m", name="THBK", **others):
    depth = 1000 + STEP * np.arange(len(values)) if depth is None else depth
    return {"channels": {"DEPT": (depth, depth_unit), name: (values, unit)}, **others}


def read(path, **options):
    log = read_log(path, path.with_suffix(".npy"), **options)
    return np.load(log.path, allow_pickle=False), log


def test_deviations_and_depths_come_back_as_they_were_written(write, wall):
    well, log = read(write(frame(wall)))
    assert well.dtype == np.float32 and np.array_equal(well, wall)
    assert log.depth == pytest.approx(1000 + STEP * np.arange(300))
    assert log.notes == ()


def test_a_log_is_read_in_pieces(write, wall, monkeypatch):
    path, seen = write(frame(wall)), []
    whole, _ = read(path)
    monkeypatch.setattr(logs, "PIECE", 5000)
    pieces, _ = read(path, progress=lambda done, rows: seen.append((done, rows)))
    assert np.array_equal(pieces, whole)
    assert len(seen) > 5 and seen[-1] == (300, 300)


def test_the_channel_is_named_and_its_unit_counts(write, wall):
    path = write(frame(wall * 25.4, "mm", name="WALL"))
    well, _ = read(path, channel="WALL")
    assert well == pytest.approx(wall, abs=1e-6)
    with pytest.raises(DataError, match=r"well\.dlis: expected a channel THBK, found DEPT, WALL"):
        read(path)


def test_an_unknown_unit_is_refused_until_it_is_named(write, wall):
    path = write(frame(wall, None))
    with pytest.raises(DataError, match="channel THBK has the unit None, expected one of.*unit="):
        read(path)
    well, _ = read(path, unit="in")
    assert np.array_equal(well, wall)


def test_a_channel_in_two_frames_must_be_chosen(write, wall):
    path = write(frame(wall), frame(wall + 0.01))
    with pytest.raises(DataError, match="frame FRAME-0 of logical file 0, frame FRAME-1 of logical file 0"):
        read(path)
    well, _ = read(path, frame="FRAME-1")
    assert well == pytest.approx(wall + 0.01)


def test_a_channel_in_two_logical_files_must_be_chosen(write, wall):
    first, second = write(frame(wall)), write(frame(wall + 0.01), name="second.dlis")
    label = 80  # bytes of the storage unit's label, which a file has once
    first.write_bytes(first.read_bytes() + second.read_bytes()[label:])
    with pytest.raises(DataError, match="frame FRAME-0 of logical file 0, frame FRAME-0 of logical file 1"):
        read(first)
    well, _ = read(first, logical_file=1)
    assert well == pytest.approx(wall + 0.01)


def test_absent_values_are_not_measured(write, wall):
    spoiled = wall.copy()
    spoiled[5, 3], spoiled[6, 4], spoiled[7, 5] = -999.25, np.nan, -9999
    well, _ = read(write(frame(spoiled)))
    expected = wall.copy()
    expected[[5, 6, 7], [3, 4, 5]] = np.nan
    assert np.array_equal(well, expected, equal_nan=True)


def test_thickness_becomes_the_deviation_from_each_rows_mean(write, wall):
    thickness = 0.4 + wall
    thickness[10, 0] = -999.25
    well, log = read(write(frame(thickness * 25.4, "mm")))
    expected = thickness.astype(float)
    expected[10, 0] = np.nan
    expected -= np.nanmean(expected, axis=1, keepdims=True)
    assert well == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert "each row's mean was taken off" in " ".join(log.notes)


def test_a_log_upwards_is_turned_round(write, wall, monkeypatch):
    depth = 1000 + STEP * np.arange(300)
    path = write(frame(wall[::-1].copy(), depth=depth[::-1].copy()))
    well, log = read(path)
    assert np.array_equal(well, wall)
    assert log.depth == pytest.approx(depth)
    assert "logged upwards" in " ".join(log.notes)


def test_depths_may_be_in_feet_or_tenths_of_an_inch(write, wall):
    for unit, metres in (("ft", 0.3048), ("0.1 in", 0.00254)):
        _, log = read(write(frame(wall, depth=np.arange(300) / metres, depth_unit=unit)))
        assert log.depth == pytest.approx(np.arange(300.0))


def test_uneven_absent_and_returning_depths_are_told(write, wall):
    depth = 1000 + STEP * np.arange(300)
    depth[100:] += 2.0
    depth[50] = -999.25
    depth[200] -= 1.0
    _, log = read(write(frame(wall, depth=depth)))
    said = " ".join(log.notes)
    assert "1 absent depths were filled" in said and "went back at 1 rows" in said
    assert "of 299 depth steps differ" in said and "the longest is 2.038 m" in said
    assert log.depth[50] == pytest.approx((depth[49] + depth[51]) / 2)


def test_elevations_are_turned_into_depths_and_absent_ones_are_known_in_any_unit(write, wall):
    elevation = -4000 - STEP / 0.3048 * np.arange(300)
    elevation[7] = -999.25
    _, log = read(write(frame(wall, depth=elevation, depth_unit="ft")))
    assert log.depth[0] == pytest.approx(4000 * 0.3048) and np.diff(log.depth) == pytest.approx(STEP)
    assert "1 absent depths were filled" in log.notes[0] and "elevations" in log.notes[1]


def test_without_a_depth_places_are_rows(write, wall):
    _, log = read(write(frame(wall, index=None)))
    assert log.depth is None and "given in rows" in " ".join(log.notes)


@pytest.mark.parametrize("azimuths, columns", [(24, 36), (40, 36), (60, 72), (180, 72)])
def test_other_azimuth_counts_are_resampled_around_the_pipe(write, azimuths, columns):
    angle = (np.arange(azimuths) + 0.5) / azimuths * 2 * np.pi
    rows = 0.03 * np.cos(angle + np.linspace(0, 3, 50)[:, None])
    well, log = read(write(frame(rows)))
    angle = (np.arange(columns) + 0.5) / columns * 2 * np.pi
    assert well.shape == (50, columns)
    assert well == pytest.approx(0.03 * np.cos(angle + np.linspace(0, 3, 50)[:, None]), abs=0.004)
    assert f"{azimuths} azimuths were resampled to {columns}" in " ".join(log.notes)


@pytest.mark.parametrize("azimuths, columns", [(36, 36), (24, 36), (100, 72)])
def test_resampling_keeps_each_rows_mean(azimuths, columns):
    values = np.random.default_rng(0).normal(size=(7, azimuths))
    found = resample(values, around_the_pipe(azimuths, columns))
    assert found.mean(axis=1) == pytest.approx(values.mean(axis=1))


def test_a_sector_without_values_stays_without():
    values = np.ones((1, 72))
    values[0, :4] = np.nan
    values[0, 6] = np.nan
    found = resample(values, around_the_pipe(72, 36))
    assert np.isnan(found[0]).tolist() == [True, True] + [False] * 34  # half of one is enough
    assert np.nanmax(found) == pytest.approx(1) and np.nanmin(found) == pytest.approx(1)


@pytest.mark.parametrize("part", [0, 60, 200, 0.3, 0.97])
def test_a_truncated_file_is_one_clear_error(write, wall, part):
    path = write(frame(wall))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content)) if 0 < part < 1 else part])
    with pytest.raises(
        DataError, match=r"well\.dlis: expected a DLIS file, (could not read it \(|found one without)"
    ) as error:
        read(path)
    assert "\n" not in str(error.value)
    assert not path.with_suffix(".npy").exists()


def test_foreign_and_missing_files_are_refused(tmp_path):
    (tmp_path / "image.dlis").write_bytes(np.random.default_rng(0).bytes(5000))
    for name in ("image.dlis", "none.dlis"):
        with pytest.raises(DataError, match=f"{name}: expected a DLIS file"):
            read(tmp_path / name)


def test_a_channel_without_azimuths_or_values_is_refused(write, wall):
    with pytest.raises(DataError, match="at least 8 azimuths a row, found dimensions"):
        read(write(frame(wall[:, 0].copy())))
    with pytest.raises(DataError, match="no measured value in its 300 rows"):
        read(write(frame(np.full((300, 36), -999.25))))


def test_an_error_leaves_no_half_a_well(write, wall, monkeypatch):
    path = write(frame(wall))
    monkeypatch.setattr(logs, "PIECE", 5000)

    def stop(done, rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(path, progress=stop)
    assert [file.name for file in path.parent.iterdir()] == ["well.dlis"]


def test_without_dlisio_it_says_what_to_install(write, wall, monkeypatch):
    path, plain = write(frame(wall)), builtins.__import__

    def without(name, *others):
        if name.startswith("dlisio"):
            raise ImportError(name)
        return plain(name, *others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match="pip install dlisio"):
        read(path)
