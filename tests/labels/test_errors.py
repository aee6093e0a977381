import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st

from helpers.data import COLUMNS
from helpers.data.preprocess import PreprocessData
from helpers.data.synthetic import RECIPES, _collar_rows
from helpers.data.wells import cut_well, patch_name, well_from_frame
from helpers.labels.calibration import (
    calibration_per_well,
    expected_calibration_error,
    reliability,
    threshold_curve,
)
from helpers.labels.errors import KINDS, confusion, count_kinds, drop_specks, groove_cases, kinds_by_size
from helpers.labels.places import (
    find_collars,
    row_roughness,
    score_zones,
    scores_per_joint,
    zones_of_well,
)

# ---------------------------------------------------------------- what became of a groove


def block(*grooves: tuple[slice, slice], shape=(36, 36)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for place in grooves:
        mask[place] = 1
    return mask


ROWS = slice(3, 33)  # 30 of them
GROOVE = block((ROWS, slice(10, 14)))  # 4 columns wide
FLAT = np.zeros((36, 36))


def kind_of(prediction: np.ndarray, truth: np.ndarray = GROOVE) -> list[str]:
    return confusion(truth, prediction, FLAT)["kind"].tolist()


@pytest.mark.parametrize(
    ("kind", "rows", "columns"),
    [
        ("found", ROWS, slice(10, 14)),
        ("found", ROWS, slice(11, 15)),  # off by one of four columns: less than a third
        ("missed", slice(3, 10), slice(10, 14)),  # 7 of 30 rows
        ("broken", slice(3, 11), slice(10, 14)),  # 8 of them
        ("broken", slice(3, 29), slice(10, 14)),  # 26
        ("found", slice(3, 30), slice(10, 14)),  # 27, nine tenths
        ("shifted", ROWS, slice(12, 16)),
        ("shifted", ROWS, slice(8, 12)),
        ("too wide", ROWS, slice(9, 15)),  # 6 columns for 4
        ("found", ROWS, slice(9, 14)),
        ("too narrow", ROWS, slice(11, 13)),
        ("found", ROWS, slice(11, 14)),
    ],
)
def test_a_groove_gets_the_name_of_its_rule(kind, rows, columns):
    assert kind_of(block((rows, columns))) == [kind]


def test_a_prediction_far_from_all_grooves_is_false_and_the_groove_missed():
    assert kind_of(block((ROWS, slice(25, 28)))) == ["missed", "false"]


def test_a_prediction_in_the_zone_is_no_false_groove():
    assert kind_of(block((ROWS, slice(16, 17)))) == ["shifted"]
    assert kind_of(block((ROWS, slice(18, 19)))) == ["missed", "false"]  # just outside


def test_without_grooves_there_are_no_cases():
    cases = confusion(FLAT, FLAT, FLAT)
    assert len(cases) == 0 and "kind" in cases


@given(st.integers(0, 35), st.sampled_from([slice(10, 14), slice(12, 16), slice(9, 15), slice(25, 28)]))
def test_the_azimuth_has_no_first_column(turn, columns):
    prediction = block((ROWS, columns))
    turned = confusion(np.roll(GROOVE, turn, 1), np.roll(prediction, turn, 1), FLAT)
    plain = confusion(GROOVE, prediction, FLAT)
    compared = ["kind", "rows", "width", "covered", "offset", "width_ratio"]
    pd.testing.assert_frame_equal(turned[compared], plain[compared])


def test_measures_of_a_groove():
    thickness = np.full((36, 36), 0.01)
    thickness[ROWS, 10:14] = -0.03
    case = confusion(GROOVE, block((ROWS, slice(10, 12))), thickness).iloc[0]
    assert (case["first_row"], case["rows"], case["width"]) == (3, 30, 4)
    assert case["contrast"] == pytest.approx(0.04)
    assert (case["covered"], case["offset"], case["width_ratio"]) == (1.0, -1.0, 0.5)
    assert case["angle"] == pytest.approx(0)


def test_the_angle_of_a_diagonal_groove():
    diagonal = np.zeros((36, 36))
    for row in range(36):
        diagonal[row, [(30 + row // 2) % 36, (31 + row // 2) % 36]] = 1  # around the wrap
    case = confusion(diagonal, diagonal, FLAT).iloc[0]
    assert case["angle"] == pytest.approx(np.degrees(np.arctan(0.5)), abs=0.3)
    assert case["kind"] == "found"


# ---------------------------------------------------------------- whole wells


def frame_of(well: int, image: np.ndarray) -> pd.DataFrame:
    patches = cut_well(image)
    names = pd.Index([patch_name(well, number) for number in range(len(patches))], name="patch")
    return pd.DataFrame(patches.reshape(len(patches), -1), names, COLUMNS)


def rough(rows: int, columns: int, collars: list[int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 0.003, (rows, columns))
    for start in collars:
        image[start : start + 3] += rng.normal(0, 0.05, (3, columns))
    return image.astype(np.float32)


def test_cases_of_a_wide_well_are_counted_once_for_both_twins_in_columns_of_36():
    truth, found = np.zeros((72, 72), np.uint8), np.zeros((72, 72), np.uint8)
    truth[:, 20:26] = 1
    found[36:, 20:26] = 1
    thickness = rough(72, 72, collars=[45])
    cases = groove_cases(frame_of(2, truth), frame_of(2, found), frame_of(2, thickness))
    assert cases["kind"].tolist() == ["missed", "found"]
    assert cases["block"].tolist() == [0, 1] and cases["first_row"].tolist() == [0, 36]
    assert cases["width"].tolist() == [3, 3]


def test_a_slope_of_a_wide_well_is_measured_in_columns_of_36():
    truth = np.zeros((36, 72), np.uint8)
    for row in range(36):
        truth[row, 10 + row : 14 + row] = 1
    cases = groove_cases(*[frame_of(2, truth)] * 2, frame_of(2, rough(36, 72, [])))
    assert cases["angle"][0] == pytest.approx(np.degrees(np.arctan(0.5)), abs=0.1)


def test_dropped_patches_have_no_cases():
    truth = frame_of(3, np.ones((72, 36), np.uint8)).iloc[1:]
    assert groove_cases(truth, truth, frame_of(3, rough(72, 36, [])).iloc[1:])["block"].tolist() == [1]


def test_kinds_are_counted_as_shares_of_the_true_grooves():
    kinds = ["found"] * 3 + ["missed"] + ["false"] * 2
    cases = pd.DataFrame({"well": [1] * 6 + [9], "kind": [*kinds, "false"]})
    table = count_kinds(cases)
    assert table.loc[1, ["grooves", "found", "missed", "broken", "false per 100"]].tolist() == [
        4,
        75,
        25,
        0,
        50,
    ]
    assert table.loc[9, "grooves"] == 0 and np.isnan(table.loc[9, "found"])
    assert list(table)[1:-1] == list(KINDS[:-1])


def test_groups_by_size_hold_all_true_grooves():
    cases = pd.DataFrame({"kind": ["found"] * 6 + ["missed"] * 2, "angle": [-4, 3, 2, -1, 5, 6, 7, np.nan]})
    table = kinds_by_size(cases, "angle", groups=2)
    assert table["grooves"].sum() == 7
    assert table.index.tolist() == ["1.0–3.0", "4.0–7.0"]
    assert table.loc["4.0–7.0", "missed"] == pytest.approx(25)
    assert table.loc["1.0–3.0", "missed"] == 0


def test_a_column_of_few_values_has_a_group_for_each():
    cases = pd.DataFrame({"kind": ["found", "found", "missed", "found"], "width": [2.5, 4.0, 2.5, 3.0]})
    table = kinds_by_size(cases, "width", groups=4)
    assert table["grooves"].to_dict() == {"2.5": 2, "3.0": 1, "4.0": 1}
    assert table.loc["2.5", "missed"] == 50


def test_specks_are_dropped_and_grooves_kept():
    mask = np.zeros((72, 36), np.uint8)
    mask[:3, 5], mask[10:12, 20:30] = 1, 1
    mask[20, 35] = mask[21, 0] = mask[22, 1] = 1  # three rows, around the wrap
    given = frame_of(3, mask)
    kept = drop_specks(given, least=3).to_numpy().reshape(72, 36)
    assert kept[:3, 5].all() and kept.sum() == 6
    assert drop_specks(given, least=1).equals(given) and given.to_numpy().sum() == mask.sum()


# ---------------------------------------------------------------- joints


def test_roughness_is_the_median_step_around_the_pipe():
    image = np.array([[0.0, 1.0, 0.0, 1.0], [0, 0, 0, 9], [np.nan] * 4])
    assert row_roughness(image).tolist()[:2] == [1.0, 4.5] and np.isnan(row_roughness(image)[2])


def test_collars_are_found_where_they_are():
    image = rough(400, 36, collars=[60, 220, 380])
    image[100, :3] = 0.4  # false echoes in one row are no collar
    image[150] = np.nan
    assert find_collars(image) == [(60, 62), (220, 222), (380, 382)]


def test_a_well_without_measurements_has_no_collars():
    assert find_collars(np.full((50, 36), np.nan)) == []


def test_nearly_all_collars_of_the_simulated_wells_are_found(simulated):
    images, labels, _ = simulated
    labels, images = PreprocessData().transform(labels, images)
    hits = found = true = 0
    for well, recipe in RECIPES.items():
        rows = recipe.patches * 36 // recipe.scale
        known = _collar_rows(rows, recipe.joint_rows, np.random.default_rng([0, well]))
        starts = [first for first, _ in find_collars(well_from_frame(images, well))]
        hits += sum(any(abs(start - row) <= 2 for start in starts) for row in known)
        found, true = found + len(starts), true + len(known)
    assert hits / true > 0.95 and hits / found > 0.95


# ---------------------------------------------------------------- places


def test_zones_of_a_patch_well():
    unusable = np.zeros((72, 36), bool)
    unusable[50, 0] = True
    zones = zones_of_well(rough(72, 36, []), unusable, margin=2)
    assert np.flatnonzero(zones["patch border"].all(axis=1)).tolist() == [0, 1, 34, 35, 36, 37, 70, 71]
    assert np.flatnonzero(zones["azimuth wrap"].all(axis=0)).tolist() == [0, 1, 34, 35]
    assert zones["repaired pixels"].sum() == 25 and zones["repaired pixels"][50, 35]
    assert not zones["collar"].any()


def test_a_zone_is_compared_with_the_rest_of_its_wells():
    truth, found = np.zeros((36, 36), np.uint8), np.zeros((36, 36), np.uint8)
    truth[:, 5] = 1
    found[18:, 5] = 1  # the upper half is missed
    upper = np.zeros((36, 36), bool)
    upper[:20] = True
    sound = frame_of(4, np.zeros((36, 36), np.uint8))
    table = score_zones(
        pd.concat([frame_of(3, truth), sound]),
        pd.concat([frame_of(3, found), sound]),
        {"upper": {3: upper, 4: upper}, "nowhere": {3: np.zeros_like(upper)}},
    )
    row = table.loc["upper"]
    assert (row["wells"], row["groove pixels"], row["worse inside"]) == (1, 20, 1)
    assert row["dice inside"] == pytest.approx(4 / 22) and row["dice outside"] == 1
    assert row["difference"] == pytest.approx(4 / 22 - 1)
    assert row["false inside, %"] == row["false outside, %"] == 0
    assert table.loc["nowhere", "wells"] == 0 and np.isnan(table.loc["nowhere", "dice inside"])


def test_false_grooves_in_a_zone_are_counted_in_wells_without_grooves_too():
    truth, found = np.zeros((36, 36), np.uint8), np.zeros((36, 36), np.uint8)
    found[0, :9] = 1
    top = np.zeros((36, 36), bool)
    top[0] = True
    row = score_zones(
        frame_of(9, np.tile(truth, 2)), frame_of(9, np.tile(found, 2)), {"top": {9: np.tile(top, 2)}}
    )
    assert row.loc["top", ["wells", "false inside, %", "false outside, %"]].tolist() == [0, 25, 0]


def test_joints_are_scored_apart():
    truth, found = np.zeros((216, 36), np.uint8), np.zeros((216, 36), np.uint8)
    truth[:, 5:8] = 1
    found[101:, 5:8] = 1
    thickness = rough(216, 36, collars=[100])
    thickness[truth > 0] -= 0.04
    table = scores_per_joint(frame_of(3, truth), frame_of(3, found), frame_of(3, thickness))
    assert table["joint"].tolist() == [0, 1] and table["rows"].tolist() == [100, 116]
    assert table["dice"][0] == 0 and table["dice"][1] > 0.99
    assert table["contrast"].tolist() == pytest.approx([0.04, 0.04], abs=0.002)


# ---------------------------------------------------------------- calibration


def test_reliability_of_known_pixels():
    p = np.array([0.05, 0.05, 0.35, 0.35, 0.35, 0.35, 1.0])
    t = np.array([0, 0, 1, 0, 0, 0, 1])
    table = reliability(p, t)
    assert table["predicted"].tolist() == pytest.approx([0.05, 0.35, 1.0])
    assert table["observed"].tolist() == pytest.approx([0, 0.25, 1.0])
    assert table["pixels"].tolist() == [2, 4, 1]
    assert expected_calibration_error(table) == pytest.approx((2 * 0.05 + 4 * 0.1) / 7)


def test_honest_probabilities_have_no_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    assert expected_calibration_error(reliability(p, rng.random(200_000) < p)) < 0.01
    assert expected_calibration_error(reliability(p, rng.random(200_000) < p**2)) > 0.15


def test_calibration_of_each_well_and_of_its_unsure_pixels():
    truth = frame_of(3, np.repeat([[0, 1]], 36, axis=0).repeat(18, axis=1))
    p = truth * 0.6 + 0.01
    table = calibration_per_well(p, truth)
    assert table.loc[3, "groove, %"] == 50
    assert table.loc[3, "unsure pixels, %"] == 50
    assert table.loc[3, "ECE"] == pytest.approx((0.01 + 0.39) / 2)
    assert table.loc[3, "bias, unsure"] == pytest.approx(-0.39)
    assert calibration_per_well(truth * 1.0, truth)["ECE, unsure"].isna().all()


def test_a_threshold_is_judged_by_the_masks_that_it_cuts():
    probabilities = torch.tensor([0.1, 0.3, 0.6, 0.8]).view(1, 1, 2, 2)
    masks = torch.tensor([0, 0, 1, 1]).view(1, 1, 2, 2)
    curve = threshold_curve(probabilities, masks)
    assert list(curve.index[curve["dice"] == 1]) == [0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    assert curve.loc[0.05, "dice"] == pytest.approx(2 / 3)
    assert curve.loc[0.95, "mean_iou"] == 0
