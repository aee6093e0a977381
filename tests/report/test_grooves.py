"""Lists of grooves, in rows and in metres."""

import numpy as np
import pandas as pd
import pytest

from helpers.report import grooves
from helpers.report.grooves import calls, engineers_report, groove_report, number_grooves, report_by_pieces
from helpers.report.pod import groove_shape
from helpers.whole_wells.prediction import groove_mask


def test_grooves_are_numbered_downwards_and_go_on_around_the_pipe():
    mask = np.zeros((40, 36), bool)
    mask[30:35, 3] = mask[2:8, 20] = True
    mask[10:16, 35] = mask[16:22, 0] = True
    labels = number_grooves(mask)
    assert (labels[4, 20], labels[12, 35], labels[20, 0], labels[32, 3]) == (1, 2, 2, 3)
    assert labels.max() == 3 and not labels[~mask].any()


@pytest.mark.parametrize("gap", [0, 1, 2, 3, 4])
def test_pieces_are_joined_over_a_gap_and_not_over_a_longer_one(gap):
    for missing, pieces in ((gap, 1), (gap + 1, 2)):
        mask = np.zeros((40, 36), bool)
        mask[5:10, 7] = mask[10 + missing : 20, 7] = True
        assert number_grooves(mask, gap).max() == pieces


def test_a_short_find_is_no_call():
    mask = np.zeros((60, 36), np.uint8)
    mask[5:14, 3] = 1  # 9 rows
    mask[20:30, 35] = mask[25:31, 0] = 1  # 11 rows, around the wrap
    found = calls(mask)
    assert found.max() == 1
    assert not found[:20].any() and (found[mask.astype(bool)][9:] == 1).all()


@pytest.fixture
def well() -> tuple[np.ndarray, np.ndarray]:
    """A wall of 0.01 with two grooves: one of 3 columns, 0.05 deep; one around the wrap, 0.02 deep."""
    mask = np.zeros((100, 72), np.uint8)
    mask[10:40, 17:20] = mask[60:70, [71, 0]] = 1
    thickness = np.full(mask.shape, 0.01, np.float32)
    thickness[10:40, 17:20] -= 0.05
    thickness[60:70, [71, 0]] -= 0.02
    thickness[20, 18] -= 0.03
    return mask, thickness


def test_a_report_measures_each_groove(well):
    probability = np.where(np.arange(100)[:, None] < 50, 0.9, 0.6) * np.ones_like(well[1])
    report = groove_report(*well, probability)
    first, second = report.loc[1], report.loc[2]
    assert (first["start_row"], first["end_row"], first["length_rows"]) == (10, 39, 30)
    assert first["azimuth_deg"] == pytest.approx(18.5 * 5)
    assert (first["width_columns"], first["width_deg"]) == (3, 15)
    assert (first["mean_loss"], first["max_loss"]) == pytest.approx((0.05 + 0.03 / 90, 0.08), rel=1e-4)
    assert (second["azimuth_deg"], second["width_columns"]) == (0, 2)
    assert second["mean_loss"] == pytest.approx(0.02, rel=1e-4)
    assert report["confidence"].tolist() == pytest.approx([0.9, 0.6])
    assert groove_report(*well)["confidence"].isna().all()


@pytest.mark.parametrize("columns", [36, 72])
@pytest.mark.parametrize("azimuth", [0, 180, 92.5, 360 - 2.5])
def test_a_groove_is_reported_where_it_was_planted(columns, azimuth):
    for turn in (-30, 0, 12, 45):
        mask = groove_shape((150, 72), row=20, azimuth=0, width=30, length=100, drift=turn) > 0.5
        found = groove_report(mask, np.zeros(mask.shape)).loc[1, "drift_deg"]
        assert found == pytest.approx(turn, abs=1)
    mask = groove_shape((100, columns), row=20, azimuth=azimuth, width=30, length=60) > 0.5
    report = groove_report(mask, np.zeros(mask.shape))
    off = (report.loc[1, "azimuth_deg"] - azimuth + 180) % 360 - 180
    # a groove is whole columns: where it lies askew to them, its middle is up to half a column off
    on_the_grid = azimuth * columns / 360 % 0.5 == 0
    assert abs(off) <= (1e-6 if on_the_grid else 180 / columns)
    assert 0 <= report.loc[1, "azimuth_deg"] < 360


@pytest.mark.parametrize("columns", [36, 72])
def test_the_background_is_the_sound_wall_within_two_rows_and_65_degrees(columns):
    mask = np.zeros((40, columns), np.uint8)
    thickness = np.random.default_rng(0).normal(0, 0.02, mask.shape)
    mask[10:24, 0] = mask[20:30, 5:8] = 1
    away = 360 / columns * np.minimum(np.arange(columns), columns - np.arange(columns))
    losses = []
    for row in range(10, 24):
        near = (np.abs(np.arange(40) - row) <= 2)[:, None] & (away <= 65) & (mask == 0)
        losses.append(thickness[near].mean() - thickness[row, 0])
    first = groove_report(mask, thickness).loc[1]
    assert (first["mean_loss"], first["max_loss"]) == pytest.approx((np.mean(losses), np.max(losses)))


@pytest.mark.parametrize("columns", [36, 72])
def test_the_middle_of_a_wide_groove_is_measured(columns):
    mask, thickness = np.zeros((60, columns), np.uint8), np.zeros((60, columns))
    mask[10:50, : columns // 4] = 1  # 90°
    thickness[10:50, : columns // 4] = -0.05
    thickness[20:40, columns // 8] = -0.1
    assert groove_report(mask, thickness).loc[1, "max_loss"] == pytest.approx(0.1)


def test_what_cannot_be_one_well_is_refused():
    with pytest.raises(ValueError, match=r"at least 1 row and 2 columns.*\(36, 1\)"):
        groove_report(np.ones((36, 1)), np.zeros((36, 1)))
    with pytest.raises(ValueError, match=r"\(36, 36\).*\(72, 36\)"):
        groove_report(np.zeros((36, 36)), np.zeros((72, 36)))


@pytest.mark.parametrize("broken", [-999.25, -999.0, 999.25, 1e25, np.nan, np.inf])
def test_what_was_not_measured_is_no_loss(well, broken):
    """Telemetry writes -999.25 where it has no value; as a thickness, it would be the deepest groove."""
    mask, thickness = well
    assert groove_report(mask, 0 * thickness + broken)[["mean_loss", "max_loss"]].isna().all(axis=None)
    thickness[25, 18] = thickness[25, 25] = broken  # in the groove, and in the sound wall beside it
    first = groove_report(mask, thickness).loc[1]
    assert first["max_loss"] == pytest.approx(0.08, rel=1e-4)
    assert first["mean_loss"] == pytest.approx(0.05 + 0.03 / 89, rel=1e-3)


@pytest.mark.parametrize("rows", [20, 100, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_a_report_by_pieces_is_that_of_the_whole_well(rows, seed, monkeypatch):
    monkeypatch.setattr(grooves, "ROWS", rows)
    rng = np.random.default_rng(seed)
    probability = np.zeros((600, 36), np.float32)
    for _ in range(12):
        row, column, length = rng.integers(590), rng.integers(36), rng.integers(2, 60)
        probability[row : row + length, column : column + 3] = rng.uniform(0.2, 1)
    thickness = rng.normal(0, 0.02, probability.shape).astype(np.float32)
    thickness[rng.random(thickness.shape) < 0.01] = np.nan
    whole = groove_report(calls(groove_mask(probability)) > 0, thickness, probability)
    pd.testing.assert_frame_equal(report_by_pieces(thickness, probability), whole)


def test_an_engineers_report_is_in_metres_and_millimetres(well):
    report = groove_report(*well)
    depth = 2000 + 0.05 * np.arange(100)
    first = engineers_report(report, depth, inner_diameter=200).loc[1]
    assert (first["top_m"], first["bottom_m"], first["length_m"]) == pytest.approx((2000.475, 2001.975, 1.5))
    assert first["width_mm"] == pytest.approx(15 / 360 * np.pi * 200)
    assert first["max_loss_mm"] == pytest.approx(0.08 * 25.4, rel=1e-4)
    assert first["drift_deg_per_m"] == pytest.approx(0, abs=1e-6)
    in_rows = engineers_report(report)
    assert in_rows.loc[1, ["top_row", "bottom_row", "length_rows"]].tolist() == [10, 39, 30]
    assert "width_mm" not in in_rows
    depth[35:] -= 0.3  # a small step back within a groove leaves its top above its bottom
    first = engineers_report(report, depth).loc[1]
    assert (first["top_m"], first["bottom_m"]) == pytest.approx((2000.475, 2001.725))


@pytest.mark.parametrize("jump", [50.0, -1.0])  # metres are missing, or the tool went back
def test_a_groove_ends_where_the_log_breaks_off_and_no_length_is_negative(well, jump):
    mask, thickness = well
    depth = 2000 + 0.05 * np.arange(100)
    depth[25:] += jump
    report = report_by_pieces(thickness, mask.astype(float), breaks=[25])
    table = engineers_report(report, depth)
    assert report["start_row"].tolist() == [10, 25, 60]
    assert table["length_m"].tolist() == pytest.approx([0.75, 0.75, 0.5])
    assert table["top_m"].tolist() == pytest.approx([2000.475, 2001.225 + jump, 2002.975 + jump])


def test_a_report_of_no_groove_has_the_columns_of_one_with_grooves(well):
    none = report_by_pieces(np.zeros((50, 36)), np.zeros((50, 36)))
    some = groove_report(*well)
    for depth in (None, np.arange(100.0)):
        tables = [engineers_report(report, depth, 200, pod=np.sqrt) for report in (none, some)]
        assert tables[0].empty and tables[0].dtypes.equals(tables[1].dtypes)
