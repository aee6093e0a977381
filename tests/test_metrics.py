import pytest
import torch
from hypothesis import given, settings, strategies as st
from sklearn.metrics import precision_score, recall_score
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from helpers.metrics import (
    boundary_f1_from_counts,
    count_boundary,
    count_pixels,
    dice,
    iou,
    precision_from_counts,
    recall_from_counts,
    scores_per_well,
    summarise,
)

TARGET = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
PREDICTION = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])


def random_masks(seed: int, images: int = 24, share: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand((2, images, 1, 12, 12), generator=generator) < share
    masks[0, :3] = False  # predicted nothing
    masks[1, 2:5] = False  # nothing there; in image 2 both are empty
    return masks[0], masks[1]


def test_dice_of_cases_done_by_hand():
    torch.testing.assert_close(dice(PREDICTION, TARGET), torch.tensor([1, 2 / 3, 0, 1]))


def test_iou_of_cases_done_by_hand():
    torch.testing.assert_close(iou(PREDICTION, TARGET), torch.tensor([1, 1 / 2, 0, 1]))


def test_the_reviewed_dice_fails_where_both_masks_are_empty():
    def reviewed_dice(prediction, target, eps=1e-7):
        return 2 * (prediction * target).sum() / (prediction.sum() + target.sum() + eps)

    empty = torch.zeros(1, 4)
    assert reviewed_dice(empty, empty) == 0
    assert dice(empty, empty) == 1


def test_a_dice_averaged_over_batches_depends_on_them_and_ours_does_not():
    prediction, target = random_masks(0)

    def reviewed(size):
        pairs = zip(prediction.split(size), target.split(size), strict=True)
        return torch.stack([2 * (p & t).sum() / (p.sum() + t.sum() + 1e-7) for p, t in pairs]).mean().item()

    def ours(size):
        pairs = zip(prediction.split(size), target.split(size), strict=True)
        return summarise(torch.cat([count_pixels(p, t) for p, t in pairs]))

    assert reviewed(4) != pytest.approx(reviewed(7), abs=1e-3)
    assert ours(4) == ours(7) == ours(24)


@given(st.integers(0, 10_000), st.floats(0.01, 0.6))
def test_dice_over_all_pixels_is_torchmetrics_f1(seed, share):
    prediction, target = random_masks(seed, share=share)
    ours = summarise(count_pixels(prediction, target))["dice"]
    if prediction.any() or target.any():
        assert ours == pytest.approx(binary_f1_score(prediction.int(), target.int()).item(), abs=1e-6)


@given(st.integers(0, 10_000))
def test_dice_and_iou_of_an_image_are_torchmetrics(seed):
    prediction, target = random_masks(seed, share=0.3)
    grooved = slice(5, None)  # torchmetrics counts two empty masks in its own way
    pairs = [(p.int(), t.int()) for p, t in zip(prediction[grooved], target[grooved], strict=True)]
    f1 = torch.stack([binary_f1_score(p, t) for p, t in pairs])
    jaccard = torch.stack([binary_jaccard_index(p, t) for p, t in pairs])
    torch.testing.assert_close(dice(prediction, target)[grooved], f1)
    torch.testing.assert_close(iou(prediction, target)[grooved], jaccard)


def test_the_order_of_images_does_not_change_the_scores():
    prediction, target = random_masks(1)
    shuffled = torch.randperm(len(target), generator=torch.Generator().manual_seed(2))
    assert summarise(count_pixels(prediction, target)) == pytest.approx(
        summarise(count_pixels(prediction[shuffled], target[shuffled])), abs=1e-15
    )


def test_counts_stay_on_their_device():
    meta = torch.zeros((2, 1, 4, 4), dtype=torch.bool, device="meta")
    assert count_pixels(meta, meta).device.type == "meta"


def test_probabilities_are_refused():
    with pytest.raises(ValueError, match="prediction holds values other than 0 and 1.*threshold"):
        count_pixels(torch.tensor([[0.3, 0.9]]), torch.tensor([[0, 1]]))


def test_masks_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(2, 1\)"):
        dice(torch.zeros(1, 2), torch.zeros(2, 1))


def test_no_image_has_no_score():
    with pytest.raises(ValueError, match="No image"):
        summarise(torch.zeros(0, 3, dtype=torch.int64))


def test_scores_per_well_are_the_scores_of_its_patches_alone():
    prediction, target = random_masks(3)
    counts = count_pixels(prediction, target)
    names = [f"well_{2 + index % 2}_patch_{index}" for index in range(len(counts))]
    table = scores_per_well(counts, names)
    assert table.loc[3].to_dict() == {"patches": 12, **summarise(counts[1::2])}
    assert table["patches"].sum() == len(counts)


def test_scores_per_well_need_a_name_for_each_patch():
    with pytest.raises(ValueError, match="1 names and 2 counts"):
        scores_per_well(torch.zeros(2, 3), ["well_1_patch_0"])


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_precision_and_recall_are_scikit_learns(seed):
    prediction, target = random_masks(seed)
    counts = count_pixels(prediction, target)
    total = counts.sum(0)
    y, p = target.flatten().numpy(), prediction.flatten().numpy()
    assert precision_from_counts(total).item() == pytest.approx(precision_score(y, p, zero_division=1))
    assert recall_from_counts(total).item() == pytest.approx(recall_score(y, p, zero_division=1))
    per_image = [
        recall_score(a.flatten(), b.flatten(), zero_division=1)
        for a, b in zip(target, prediction, strict=True)
    ]
    torch.testing.assert_close(recall_from_counts(counts), torch.tensor(per_image, dtype=torch.float32))


def stripe(first: int, last: int) -> torch.Tensor:
    """A groove of whole columns from top to bottom."""
    mask = torch.zeros(1, 1, 12, 12, dtype=torch.bool)
    mask[..., first : last + 1] = True
    return mask


def test_a_groove_one_column_off_has_a_perfect_boundary_but_two_off_has_none():
    target = stripe(3, 5)
    f1 = [boundary_f1_from_counts(count_boundary(stripe(3 + k, 5 + k), target)).item() for k in range(3)]
    # by two columns, one of its two sides lies a column beside the other side of the true groove
    assert f1 == [1, 1, 0.5]
    assert [dice(stripe(3 + k, 5 + k), target).item() for k in range(3)] == pytest.approx([1, 2 / 3, 1 / 3])


def test_a_groove_has_no_boundary_where_it_leaves_the_image():
    counts = count_boundary(stripe(3, 6), stripe(3, 6))
    assert counts.tolist() == [[24, 24, 24, 24]]  # two sides of 12 rows, no ends


def test_boundaries_of_empty_masks_agree():
    empty, groove = torch.zeros(1, 1, 12, 12, dtype=torch.bool), stripe(3, 5)
    assert boundary_f1_from_counts(count_boundary(empty, empty)).item() == 1
    assert boundary_f1_from_counts(count_boundary(groove, empty)).item() == 0
    assert boundary_f1_from_counts(count_boundary(empty, groove)).item() == 0


def test_boundaries_of_a_batch_are_those_of_its_images():
    prediction, target = random_masks(3)
    one_by_one = [count_boundary(p[None], t[None]) for p, t in zip(prediction, target, strict=True)]
    assert torch.equal(count_boundary(prediction, target), torch.cat(one_by_one))


def test_boundaries_of_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"found \(2, 1, 3, 3\) and \(2, 3, 3\)"):
        count_boundary(torch.zeros(2, 1, 3, 3), torch.zeros(2, 3, 3))
