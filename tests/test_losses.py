import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.special import expit

from helpers.losses import LOSSES, bce, dice_bce, focal, lovasz_hinge, over_outputs, soft_iou, tversky

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def random_case(seed: int = 0, share: float = 0.2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    masks = (torch.rand((4, 1, 9, 11), generator=generator) < share).float()
    return 3 * torch.randn((4, 1, 9, 11), generator=generator), masks


def bce_of_an_image(z, t) -> float:
    return -(t * np.log(expit(z)) + (1 - t) * np.log(expit(-z))).mean()


def dice_bce_of_an_image(z, t) -> float:
    p = expit(z)
    return bce_of_an_image(z, t) + 1 - (2 * (p * t).sum() + 1) / ((p**2).sum() + (t**2).sum() + 1)


def focal_of_an_image(z, t) -> float:
    right = np.where(t, expit(z), expit(-z))
    return (-((1 - right) ** 2) * np.log(right)).mean()


def tversky_of_an_image(z, t) -> float:
    p = expit(z)
    tp, fp, fn = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
    return 1 - (tp + 1) / (tp + 0.3 * fp + 0.7 * fn + 1)


def soft_iou_of_an_image(z, t) -> float:
    p = expit(z)
    return 1 - ((p * t).sum() + 1) / ((p + t - p * t).sum() + 1)


def lovasz_of_an_image(z, t) -> float:
    """The extension as an integral, over all levels, of 1 - IoU if the pixels above the level were wrong."""
    errors = np.maximum(1 - z * (2 * t - 1), 0)
    levels = np.unique([0, *errors])
    wrong = errors >= levels[1:, None]
    iou = ((t == 1) & ~wrong).sum(axis=1) / ((t == 1) | wrong).sum(axis=1)
    return (np.diff(levels) * (1 - iou)).sum()


DEFINITIONS = {
    bce: bce_of_an_image,
    dice_bce: dice_bce_of_an_image,
    focal: focal_of_an_image,
    tversky: tversky_of_an_image,
    soft_iou: soft_iou_of_an_image,
    lovasz_hinge: lovasz_of_an_image,
}


@given(st.integers(0, 1000))
def test_losses_are_the_means_of_their_definitions_over_images(seed):
    logits, masks = random_case(seed)
    images = [part.flatten(1).double().numpy() for part in (logits, masks)]
    for loss, definition in DEFINITIONS.items():
        expected = np.mean([definition(z, t) for z, t in zip(*images, strict=True)])
        assert loss(logits, masks).item() == pytest.approx(expected, rel=1e-5)


@every_loss
def test_the_truth_costs_nothing_a_shrug_less_than_its_opposite_and_a_step_lowers_the_loss(loss):
    logits, masks = random_case()
    masks[0] = 0  # one image without a groove
    truth = 2 * masks - 1
    assert loss(100 * truth, masks).item() == pytest.approx(0, abs=1e-6)
    assert loss(-10 * truth, masks) > loss(0 * truth, masks) > loss(10 * truth, masks)
    before = loss(logits.requires_grad_(), masks)
    (gradient,) = torch.autograd.grad(before, logits)
    assert gradient.abs().sum() > 0
    assert loss(logits - 0.1 * gradient, masks) < before
    assert loss(logits.half(), masks).item() == loss(logits.half().float(), masks).item()
    for kind in (torch.uint8, torch.bool, torch.int64):
        assert loss(logits, masks.to(kind)).item() == before.item()


@every_loss
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_the_gradient_is_finite_at_extreme_logits_and_on_empty_masks(loss, share, size):
    logits, masks = random_case(share=share)
    logits = (size * logits).requires_grad_()
    loss(logits, masks).backward()
    assert torch.isfinite(logits.grad).all()


@every_loss
def test_unknown_pixels_have_no_say_in_any_loss(loss):
    logits, masks = random_case()
    logits.requires_grad_()
    masks[:, :, 4:] = torch.nan
    other = logits.detach().clone()
    other[:, :, 4:] = 9.0
    known, elsewhere = loss(logits, masks), loss(other, masks)
    assert known.item() == elsewhere.item()
    known.backward()
    assert torch.equal(logits.grad[:, :, 4:], torch.zeros_like(logits.grad[:, :, 4:]))
    assert logits.grad[:, :, :4].any()
    logits.grad = None
    nothing_known = loss(logits, torch.full_like(logits, torch.nan))
    nothing_known.backward()
    assert nothing_known.item() == pytest.approx(0, abs=1e-6) and not logits.grad.any()


@pytest.mark.parametrize("loss", [bce, focal])
def test_a_mean_over_pixels_counts_known_pixels_only(loss):
    """Half unknown, BCE of a shrug stays ln 2, and is not half of it."""
    logits, masks = random_case()
    masks[:, :, 4:] = torch.nan
    torch.testing.assert_close(loss(logits, masks), loss(logits[:, :, :4], masks[:, :, :4]))
    assert bce(torch.zeros_like(logits), masks).item() == pytest.approx(np.log(2))


def test_a_network_with_several_outputs_is_charged_the_mean_of_them():
    logits, masks = random_case()
    each = [bce(logits, masks), bce(2 * logits, masks)]
    torch.testing.assert_close(over_outputs(bce)((logits, 2 * logits), masks), sum(each) / 2)
    assert over_outputs(bce)(logits, masks) == each[0]
