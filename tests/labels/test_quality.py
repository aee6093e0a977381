import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from labels import bootstrapped_bce, correct_by_model, unseen_probabilities
from small_wells import frame_of

from experiments.folds import probabilities_on
from helpers.labels.defects import annotator_styles, defects_per_patch, width_changes
from helpers.labels.quality import known_defects, label_issues, most_suspicious, rank_labels
from helpers.labels.ribbons import find_holes, find_slips, ribbon_rows
from helpers.losses import bce
from helpers.models import build_model

# ---------------------------------------------------------------- systematic errors


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


def test_two_grooves_in_a_row_are_two_ribbons():
    rows = ribbon_rows(ribbon(3, 36, 2, 2) | ribbon(3, 36, 20, 5))
    assert rows.groupby("groove")["width"].first().tolist() == [2, 5]


def test_nothing_drawn_is_no_ribbon_has_not_slipped_and_has_no_style():
    empty = np.zeros((72, 36), np.uint8)
    assert ribbon_rows(empty).empty and find_slips(empty, empty).empty
    assert style_of(empty).isna().all()


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
        pd.concat([frame_of(3, labels), frame_of(2, wide_labels)]),
        pd.concat([frame_of(3, narrow), frame_of(2, wide)]),
    )


def test_known_flaws_are_told_apart(drawn):
    known = known_defects(*drawn)
    assert known[known.index.str.startswith("well_3")][
        ["overlooked", "width", "slipped", "hole"]
    ].to_numpy().tolist() == [[0, 0, 0, 3], [0, 0, 36, 0], [0, 36, 0, 0], [36, 0, 0, 0]]
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


# ---------------------------------------------------------------- styles


def style_of(mask: np.ndarray) -> pd.Series:
    well = 3 if mask.shape[1] == 36 else 2
    return annotator_styles(frame_of(well, mask)).loc[well]


def test_styles_of_a_straight_ribbon_and_of_an_unsteady_hand():
    style = style_of(ribbon(72, 72, 70, 6))
    assert style["width, columns of 36"] == 3 and style["same width for, rows"] == 72
    parts = [(10, 10, 3), (10, 11, 3), (42, 10, 3), (10, 10, 4)]
    mask = np.vstack([ribbon(rows, 36, start, width) for rows, start, width in parts])
    mask[5, 11] = 0
    style = style_of(mask)
    assert style["steps per 100 rows"] == pytest.approx(300 / 72)  # two of a column, one of half a column


# ---------------------------------------------------------------- rankings


@pytest.fixture
def labels_and_probability() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ten patches with a groove, which a good model knows; in the last two the label is wrong."""
    rng = np.random.default_rng(0)
    truth = pd.concat([frame_of(3, ribbon(288, 36, 8, 4)), frame_of(4, ribbon(72, 36, 20, 4))])
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


def test_suspects_are_corrected_where_pixels_were_flagged(labels_and_probability):
    labels, probability = labels_and_probability
    issues = label_issues(labels, probability)
    suspects = pd.Index(["well_4_patch_0"])
    corrected = correct_by_model(labels, issues, suspects)
    changed = corrected != labels
    assert (changed.loc[suspects] == issues.loc[suspects]).all(axis=None) and changed.to_numpy().sum() > 130
    assert not changed.drop(suspects).any(axis=None)


def test_probabilities_come_from_models_of_other_wells(monkeypatch):
    y = pd.concat([frame_of(well, ribbon(36, 36, 3 * well, 3)) for well in (11, 3, 4)])
    images = 0.01 - 0.05 * y.astype(np.float32)
    trained_on = []

    def train(y_train, *_):
        trained_on.append(sorted(set(y_train.index.str.split("_").str[1].astype(int))))
        return len(trained_on)

    monkeypatch.setattr("labels.train_on", train)
    monkeypatch.setattr("labels.probabilities_on", lambda model, seen: (seen * 0 + model).astype(np.float32))
    found = unseen_probabilities(y, images, epochs=1, seed=0, folds=2)
    assert trained_on == [[4], [3, 11]]
    assert found.index.equals(y.index) and found.iloc[:, 0].tolist() == [1, 1, 2]


def test_a_model_gives_a_frame_of_probabilities():
    images = frame_of(3, np.random.default_rng(0).normal(0, 0.02, (72, 36)).astype(np.float32))
    torch.manual_seed(0)
    model = build_model("unet")
    found = probabilities_on(model, images)
    assert found.index.equals(images.index) and found.to_numpy().dtype == np.float32
    x = torch.from_numpy(images.to_numpy()).view(2, 1, 36, 36) / 0.02
    expected = model(x).sigmoid().flatten(1).detach().numpy()
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-6)


# ---------------------------------------------------------------- a robust loss


def test_bootstrapping_mixes_label_and_answer():
    """So a confident contradiction pulls less than with BCE."""
    logits, masks = torch.tensor([[[[3.0, 3.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    mixed = bce(logits, torch.tensor([[[[1.0, 0.2]]]]))
    assert bootstrapped_bce(logits, masks, trust=0.8).item() == pytest.approx(mixed.item())
    assert bootstrapped_bce(logits, masks, trust=1.0).item() == pytest.approx(bce(logits, masks).item())
