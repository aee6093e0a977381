import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from helpers.metrics import count_pixels, dice, iou, scores_per_well, summarise

TARGET = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
PREDICTION = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])


def random_masks(seed: int, images: int = 24, share: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand((2, images, 1, 12, 12), generator=generator) < share
    masks[0, :3] = False  # predicted nothing
    masks[1, 2:5] = False  # nothing there; in image 2 both are empty
    return masks[0], masks[1]


def test_dice_and_iou_of_cases_done_by_hand():
    """The last: two empty masks agree, where the reviewed formula gives 0."""
    torch.testing.assert_close(dice(PREDICTION, TARGET), torch.tensor([1, 2 / 3, 0, 1]))
    torch.testing.assert_close(iou(PREDICTION, TARGET), torch.tensor([1, 1 / 2, 0, 1]))
    probabilities = torch.where(PREDICTION == 1, 0.5, 0.4)  # whatever reaches 0.5 is found
    torch.testing.assert_close(dice(probabilities, TARGET), dice(PREDICTION, TARGET))
    assert count_pixels(PREDICTION[1], TARGET[1]).tolist() == [[1, 0, 1]]  # one image, flattened


def test_scores_do_not_depend_on_batches_nor_on_the_order_of_images():
    prediction, target = random_masks(0)
    shuffled = torch.randperm(len(target), generator=torch.Generator().manual_seed(2))

    def scores(size, order=slice(None)):
        pairs = zip(prediction[order].split(size), target[order].split(size), strict=True)
        return summarise(torch.cat([count_pixels(p, t) for p, t in pairs]))

    assert scores(4) == scores(7) == scores(24)
    assert scores(7, shuffled) == pytest.approx(scores(24), abs=1e-15)


@given(st.integers(0, 10_000), st.floats(0.1, 0.6))
@settings(max_examples=25)
def test_scores_of_an_image_and_over_all_pixels_are_torchmetrics_and_scikit_learns(seed, share):
    prediction, target = random_masks(seed, share=share)
    counts = count_pixels(prediction, target)
    y, p = target.flatten().int(), prediction.flatten().int()
    assert summarise(counts)["dice"] == pytest.approx(binary_f1_score(p, y).item(), abs=1e-6)
    grooved = slice(5, None)  # torchmetrics counts two empty masks in its own way
    pairs = [(a.int(), b.int()) for a, b in zip(prediction[grooved], target[grooved], strict=True)]
    f1 = torch.stack([binary_f1_score(*pair) for pair in pairs])
    jaccard = torch.stack([binary_jaccard_index(*pair) for pair in pairs])
    torch.testing.assert_close(dice(prediction, target)[grooved], f1)
    torch.testing.assert_close(iou(prediction, target)[grooved], jaccard)


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (lambda: count_pixels(torch.tensor([[0.3, 0.9]]), torch.tensor([[0, 1]])), "prediction.*threshold"),
        (lambda: dice(torch.zeros(1, 2), torch.zeros(2, 1)), r"\(1, 2\) and \(2, 1\)"),
        (lambda: iou(torch.tensor([[0.5, 3.0]]), torch.tensor([[0, 1]])), "found 0.5 to 3. Are they logits"),
        (lambda: dice(torch.tensor([[-3.0, 1]]), torch.tensor([[0, 1]])), "found -3 to 1. Are they logits"),
        (lambda: dice(torch.tensor([[0, 1]]), torch.tensor([[0.3, 0.9]])), "target holds values other than"),
        (lambda: summarise(torch.zeros(0, 3, dtype=torch.int64)), "No image"),
        (lambda: scores_per_well(torch.zeros(2, 3), ["well_1_patch_0"]), "1 names and 2 counts"),
    ],
)
def test_what_cannot_be_scored_is_refused(score, told):
    with pytest.raises(ValueError, match=told):
        score()


def test_a_part_without_a_groove_has_no_dice_and_one_whose_grooves_are_missed_a_dice_of_0():
    """Of no groove, one false pixel would decide between 0 and 1."""
    assert summarise(torch.tensor([[0, 5, 7]])) == {"dice": 0.0, "mean_iou": 0.0}
    for false in (0, 1):
        scores = summarise(torch.tensor([[0, false, 0], [0, 0, 0]]))
        assert math.isnan(scores["dice"]) and scores["mean_iou"] == 1 - false / 2


def test_scores_per_well_are_the_scores_of_its_patches_alone():
    prediction, target = random_masks(3)
    counts = count_pixels(prediction, target)
    names = [f"well_{12 + index % 2}_patch_{index}" for index in range(len(counts))]
    table = scores_per_well(counts, names)
    assert table.loc[13].to_dict() == {"patches": 12, **summarise(counts[1::2])}
    assert table["patches"].sum() == len(counts)
