"""Lists of grooves, in rows and in metres."""

import numpy as np
import pandas as pd
import pytest

from groove_report import grooves
from groove_report.grooves import (
    calls,
    engineers_report,
    find_calls,
    groove_report,
    number_grooves,
    report_by_pieces,
)
from groove_report.pod import groove_shape
from helpers.whole_wells.prediction import groove_mask
from helpers.whole_wells.simulation import simulate_sound_wall


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
    assert (first["mean_loss"], first["max_loss"]) == pytest.approx((0.05, 0.05), rel=1e-4)
    assert (first["least"], first["width_spread"]) == pytest.approx((-0.04, 0), abs=1e-6)
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
@pytest.mark.parametrize(("percent", "width"), [(5, 20), (10, 20), (30, 20), (75, 20), (30, 60), (75, 60)])
def test_loss_is_right_from_5_to_75_percent_with_collars_and_false_echoes(columns, percent, width):
    """Both within 10 %, though the network marks wall beside a narrow groove, and half of a wide one."""
    rng = np.random.default_rng(percent)
    wall = 0.4 + 0.15 * simulate_sound_wall(600, 9, seed=percent)[:, :: 72 // columns].astype(float)
    lost = 0.004 * percent * groove_shape(wall.shape, 150, 200, width, length=300)
    wall -= lost
    wall[250:254] += rng.normal(0, 0.06, (4, columns))  # a collar
    wall[rng.random(wall.shape) < 0.002] = 0.05  # false echoes
    mask = lost > 0.002 * percent * (0.6 if width == 20 else 1.6)
    numbers = np.zeros(wall.shape, int)
    report, _ = report_by_pieces(wall, 0.95 * mask, numbers=numbers)
    mean = lost[lost > 0.002 * percent].mean() if width == 20 else lost[numbers > 0].mean()
    assert report["mean_loss"].item() == pytest.approx(mean, rel=0.1)
    assert report["max_loss"].item() == pytest.approx(lost.max(), rel=0.1)
    assert report["least"].item() == pytest.approx(0.4 - lost.max(), abs=0.02)


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
    assert (first["mean_loss"], first["max_loss"]) == pytest.approx((0.05, 0.05), rel=1e-4)


def test_the_largest_loss_of_a_faint_groove_in_a_rough_wall_is_not_below_its_mean(well):
    report = groove_report(well[0], well[1] + np.random.default_rng(0).normal(0, 0.02, well[1].shape))
    assert (report["max_loss"] >= report["mean_loss"]).all()


@pytest.mark.parametrize("rows", [20, 100, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_a_report_by_pieces_is_that_of_the_whole_well(rows, seed, monkeypatch):
    monkeypatch.setattr(grooves, "ROWS", rows)
    rng = np.random.default_rng(seed)
    probability = np.zeros((600, 36), np.float32)
    for _ in range(12):
        row, column, length = rng.integers(590), rng.integers(36), rng.integers(2, 60)
        probability[row : row + length, column : column + 3] = rng.uniform(0.2, 1)
    thickness = rng.normal(0, 0.002, probability.shape) - 0.025 * (probability > 0)
    thickness[rng.random(thickness.shape) < 0.01] = np.nan
    whole = groove_report(calls(groove_mask(probability)) > 0, thickness, probability)
    numbers = np.zeros(probability.shape, int)
    report, left_out = report_by_pieces(thickness, probability, numbers=numbers)
    pd.testing.assert_frame_equal(report, whole, rtol=0.01)  # what is sound is told from a piece's spread
    assert np.array_equal(numbers, calls(groove_mask(probability))) and left_out.empty


def test_a_wide_deep_groove_is_called_in_one_piece_though_the_network_is_not_sure():
    """It marks the two edges of a groove of 90°, as networks do that learned from narrow ones."""
    wall = simulate_sound_wall(300, 9)[:, ::2].astype(float)
    wall[100:200, 9:18] -= 0.1
    probability = np.zeros(wall.shape)
    probability[100:200, [9, 10, 16, 17]] = 0.5
    probability[250:280, 30] = 0.5  # of sound wall
    labels = find_calls(probability, wall)
    assert labels.max() == 1 and np.array_equal(np.argwhere(labels).min(axis=0), (100, 9))
    assert (labels[102:198, 9:18] == 1).mean() > 0.98 and not labels[250:].any()
    report, left_out = report_by_pieces(wall, probability)
    assert left_out.empty and report["mean_loss"].item() == pytest.approx(0.1, rel=0.08)


def test_what_lost_nothing_or_little_beside_missing_measurements_is_left_out():
    wall, probability = np.random.default_rng(0).normal(0, 0.003, (300, 36)), np.zeros((300, 36))
    for rows, column, loss in ((20, 3, -0.02), (80, 12, 0.01), (140, 12, 0.04), (200, 30, 0.01)):
        probability[rows : rows + 30, column : column + 3] = 0.95
        wall[rows : rows + 30, column : column + 3] -= loss
    wall[80:170, 15:20] = np.nan
    report, left_out = report_by_pieces(wall, probability)
    assert report["start_row"].tolist() == [140, 200] and left_out["start_row"].tolist() == [20, 80]


def test_an_engineers_report_is_in_metres_and_millimetres(well):
    report = groove_report(*well)
    depth = 2000 + 0.05 * np.arange(100)
    first = engineers_report(report, depth, inner_diameter=200).loc[1]
    assert (first["top_m"], first["bottom_m"], first["length_m"]) == pytest.approx((2000.475, 2001.975, 1.5))
    assert first["width_mm"] == pytest.approx(15 / 360 * np.pi * 200)
    assert (first["top_ft"], first["bottom_ft"]) == pytest.approx((2000.475 / 0.3048, 2001.975 / 0.3048))
    assert first["max_loss_mm"] == pytest.approx(0.05 * 25.4, rel=1e-4) and first["kind"] == "groove-like"
    assert first["drift_deg_per_m"] == pytest.approx(0, abs=1e-6)
    in_rows = engineers_report(report)
    assert in_rows.loc[1, ["top_row", "bottom_row", "length_rows"]].tolist() == [10, 39, 30]
    assert not {"width_mm", "remaining_mm", "penetration_pct"} & set(in_rows)
    for wall, is_wall in ((0.4, False), (0.01, True)):  # 0.4 is the nominal thickness, or -0.04 was measured
        both = engineers_report(report, nominal=0.4, is_wall=is_wall).loc[
            1, ["remaining_mm", "penetration_pct"]
        ]
        left = wall - 0.05
        assert both.tolist() == pytest.approx([left * 25.4, 100 - left / 0.004], rel=1e-3)
    depth[35:] -= 0.3  # a small step back within a groove leaves its top above its bottom
    first = engineers_report(report, depth).loc[1]
    assert (first["top_m"], first["bottom_m"]) == pytest.approx((2000.475, 2001.725))


@pytest.mark.parametrize("jump", [50.0, -1.0])  # metres are missing, or the tool went back
def test_a_groove_ends_where_the_log_breaks_off_and_no_length_is_negative(well, jump):
    mask, thickness = well
    depth = 2000 + 0.05 * np.arange(100)
    depth[25:] += jump
    report, _ = report_by_pieces(thickness, mask.astype(float), breaks=[25])
    table = engineers_report(report, depth)
    assert report["start_row"].tolist() == [10, 25, 60]
    assert table["length_m"].tolist() == pytest.approx([0.75, 0.75, 0.5])
    assert table["top_m"].tolist() == pytest.approx([2000.475, 2001.225 + jump, 2002.975 + jump])


def test_a_report_of_no_groove_has_the_columns_of_one_with_grooves(well):
    none, _ = report_by_pieces(np.zeros((50, 36)), np.zeros((50, 36)))
    some = groove_report(*well)
    for depth in (None, np.arange(100.0)):
        tables = [engineers_report(report, depth, 200, np.sqrt, 0.4) for report in (none, some)]
        assert tables[0].empty and tables[0].dtypes.equals(tables[1].dtypes)


def test_a_long_or_even_find_is_groove_like_and_a_patch_is_area_like():
    """In mm 650 times as long as wide, and 31 times, of a real width; without them, in rows and degrees."""
    masks = np.zeros((3, 1100, 72), bool)
    masks[0, 20:1080, 10:14] = True
    masks[0, 20:1080:2, 14:16] = True  # uneven, but long
    masks[1, 20:70, 10:22] = True  # short, but even
    rows, columns = np.indices((1100, 72))
    masks[2] = ((rows - 60) / 50) ** 2 + ((columns - 20) / 10) ** 2 < 1
    reports = pd.concat([groove_report(mask, np.where(mask, -0.05, 0.0)) for mask in masks])
    for options in ({}, {"depth": 0.0381 * np.arange(1100), "inner_diameter": 220}):
        assert list(engineers_report(reports, **options)["kind"]) == ["groove-like"] * 2 + ["area-like"]
