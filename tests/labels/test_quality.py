import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from helpers.data.wells import frame_from_well
from helpers.labels.defects import defects_per_patch, width_changes
from helpers.labels.quality import known_defects, label_issues, most_suspicious, rank_labels
from helpers.labels.ribbons import find_holes, find_slips, ribbon_rows


def ribbon(rows: int, columns: int, start: int, width: int) -> np.ndarray:
    mask = np.zeros((rows, columns), np.uint8)
    mask[:, np.arange(start, start + width) % columns] = 1
    return mask


@given(st.integers(0, 35))
def test_a_hole_is_found_wherever_the_groove_is(turn):
    mask = ribbon(20, 36, 10, 4)
    mask[5:8, 11] = 0
    holes = find_holes(np.roll(mask, turn, axis=1))
    assert np.argwhere(np.roll(holes, -turn, axis=1)).tolist() == [[5, 11], [6, 11], [7, 11]]


def test_a_notch_and_a_large_island_are_no_holes():
    mask = ribbon(20, 36, 10, 4)
    mask[5:8, 10] = 0
    assert not find_holes(mask).any()
    mask = ribbon(20, 36, 5, 20)
    mask[5:15, 8:16] = 0
    assert not find_holes(mask, largest=79).any() and find_holes(mask, largest=80).sum() == 80


def test_a_ribbon_is_followed_around_the_wrap():
    mask = np.zeros((12, 36), np.uint8)
    for row in range(12):
        mask[row, [(30 + row) % 36, (31 + row) % 36, (32 + row) % 36]] = 1
    rows = ribbon_rows(mask)
    assert rows["row"].tolist() == list(range(12)) and set(rows["width"]) == {3}
    assert np.diff(rows["centre"]).tolist() == pytest.approx([1] * 11)
    assert rows["centre"][0] % 36 == pytest.approx(31)
    two = ribbon_rows(ribbon(3, 36, 2, 2) | ribbon(3, 36, 20, 5))
    assert two.groupby("groove")["width"].first().tolist() == [2, 5]


def test_nothing_drawn_is_no_ribbon_and_has_not_slipped():
    empty = np.zeros((72, 36), np.uint8)
    assert ribbon_rows(empty).empty and find_slips(empty, empty).empty


def test_a_change_of_width_must_hold_on_both_sides_and_a_hole_is_none():
    parts = [(15, 4), (15, 3), (4, 4), (15, 3)]
    mask = np.vstack([ribbon(rows, 36, 10, width) for rows, width in parts])
    mask[3:6, 11] = 0
    assert width_changes(mask, hold=10).tolist() == [15]
    assert len(width_changes(mask, hold=4)) == 3


def metal_loss(rows: int, columns: int, centre: np.ndarray) -> np.ndarray:
    distance = (np.arange(columns) - centre[:, None] + columns / 2) % columns - columns / 2
    noise = np.random.default_rng(0).normal(0, 0.003, (rows, columns))
    return (noise - 0.04 * np.exp(-0.5 * (distance / 1.5) ** 2)).astype(np.float32)


@pytest.mark.parametrize("slip", [-1, 1, 2])
@pytest.mark.parametrize("middle", [17.0, 0.0])
def test_a_slipped_stretch_is_found_with_its_direction(slip, middle):
    thickness = metal_loss(200, 36, np.full(200, middle))
    mask = ribbon(200, 36, int(middle) - 1, 3)
    mask[80:130] = np.roll(mask[80:130], slip, axis=1)
    found = find_slips(mask, thickness)
    assert len(found) == 1
    row = found.iloc[0]
    assert abs(row["start_row"] - 80) < 15 and abs(row["end_row"] - 129) < 15
    assert row["columns"] == pytest.approx(-slip, abs=0.5)
    assert find_slips(mask, thickness, least=80).empty


def test_a_staircase_that_follows_the_groove_has_not_slipped():
    centre = 10 + np.arange(200) / 40
    mask = np.zeros((200, 36), np.uint8)
    for row, column in enumerate(np.rint(centre).astype(int)):
        mask[row, column - 1 : column + 2] = 1
    assert find_slips(mask, metal_loss(200, 36, centre)).empty


@pytest.fixture
def drawn() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels and truth of a narrow and of a wide well, of four blocks each; a block has one flaw at most."""
    narrow, wide = ribbon(144, 36, 10, 4), ribbon(144, 72, 40, 6)
    labels, wide_labels = narrow.copy(), wide.copy()
    labels[5:8, 11] = 0  # a hole
    labels[36:72] = np.roll(labels[36:72], 1, axis=1)  # slipped
    labels[72:108, 13] = 0  # too narrow by a column
    labels[108:] = 0  # overlooked
    wide_labels[100:103, 42] = 0
    return (
        pd.concat([frame_from_well(labels, 3), frame_from_well(wide_labels, 2)]),
        pd.concat([frame_from_well(narrow, 3), frame_from_well(wide, 2)]),
    )


def test_known_flaws_are_told_apart(drawn):
    known = known_defects(*drawn)
    kinds = known.loc[known.index.str.startswith("well_3"), ["overlooked", "width", "slipped", "hole"]]
    assert kinds.to_numpy().tolist() == [[0, 0, 0, 3], [0, 0, 36, 0], [0, 36, 0, 0], [36, 0, 0, 0]]
    assert known.loc["well_3_patch_3", "iou"] == 0
    assert known.loc["well_3_patch_2", "iou"] == 0.75
    assert known.loc["well_2_patch_0", "iou"] == 1
    # The hole of the wide well is in the even twin, but both share their rows
    assert known.loc[["well_2_patch_4", "well_2_patch_5"], "hole"].tolist() == [3, 3]


def test_defects_are_marked_per_patch(drawn):
    y, truth = drawn
    images = 0.01 - 0.05 * truth.astype(np.float32)
    marks = defects_per_patch(y, images)
    assert marks.index.equals(y.index)
    assert marks.index[marks["hole"]].tolist() == ["well_3_patch_0", "well_2_patch_4", "well_2_patch_5"]
    assert marks.index[marks["width change"]].tolist() == ["well_3_patch_1", "well_3_patch_2"]


@pytest.fixture
def labels_and_probability() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ten patches with a groove, which a good model knows; in the last two the label is wrong."""
    rng = np.random.default_rng(0)
    truth = pd.concat([frame_from_well(ribbon(288, 36, 8, 4), 3), frame_from_well(ribbon(72, 36, 20, 4), 4)])
    probability = (0.9 * truth + 0.05 + rng.normal(0, 0.02, truth.shape)).clip(0.001, 0.999)
    probability = probability.astype(np.float32)
    labels = truth.copy()
    labels.iloc[8] = 0  # overlooked
    labels.iloc[9] = truth.iloc[0]  # drawn elsewhere
    return labels, probability


def test_wrong_labels_come_first_in_both_rankings(labels_and_probability):
    labels, probability = labels_and_probability
    suspicion = rank_labels(labels, probability, label_issues(labels, probability))
    for ranking in suspicion:
        assert set(most_suspicious(suspicion[ranking], 0.2)) == {"well_4_patch_0", "well_4_patch_1"}
        assert most_suspicious(suspicion[ranking], 0.01)[0] == suspicion[ranking].idxmax()
    row = suspicion.loc["well_4_patch_0"]  # 144 groove pixels labelled as wall
    assert row["1 - Dice"] == 1
    assert 130 / 1296 < row["pixels flagged"] <= 144 / 1296


def test_flagged_pixels_are_pixels_with_wrong_labels(labels_and_probability):
    labels, probability = labels_and_probability
    wrong = ((probability >= 0.5) != labels.astype(bool)).to_numpy()
    flags = label_issues(labels, probability).to_numpy()
    assert not (flags & ~wrong).any()
    assert flags.sum() > 0.9 * wrong.sum()  # their number is estimated
    with pytest.raises(ValueError, match="same order"):
        label_issues(labels, probability.iloc[::-1])
