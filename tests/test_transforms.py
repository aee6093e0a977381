import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import Config
from helpers.data.transforms import (
    Brightness,
    NumpyTransform,
    PixelNoise,
    RandomRoll,
    augment_transform,
    flip_transform,
    normalize,
)
from helpers.whole_wells.sections import RandomTwist, well_transform

GEOMETRY = {"roll": RandomRoll(), "twist": RandomTwist(0.2)}
VALUES = {"noise": PixelNoise(0.1), "brightness": Brightness(0.5)}
WHOLE = {"flips": flip_transform(), "R2.5": augment_transform(), "wells": well_transform()}
RANDOM = {**GEOMETRY, **VALUES, **WHOLE}
every_random = pytest.mark.parametrize("transform", RANDOM.values(), ids=RANDOM.keys())


def pair(image: Tensor, mask: Tensor) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    return tv_tensors.Image(image), tv_tensors.Mask(mask)


@pytest.fixture
def patch():
    """A slanting groove of -0.05, and its mask, (1, 36, 36) each."""
    mask = torch.zeros(1, 36, 36)
    for row in range(36):
        mask[0, row, 8 + row // 3 : 12 + row // 3] = 1
    noise = torch.randn(mask.shape, generator=torch.Generator().manual_seed(0))
    return pair(-0.05 * mask + 0.002 * noise, mask)


def draws(transform: nn.Module, patch, count: int = 40) -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    return [tuple(part.as_subclass(Tensor) for part in transform(*patch)) for _ in range(count)]


@every_random
@pytest.mark.parametrize("size", [(36, 36), (40, 72)])
def test_shapes_and_types_stay_and_the_mask_stays_0_or_1(transform, size):
    torch.manual_seed(0)
    patch = pair(torch.rand(1, *size), (torch.rand(1, *size) > 0.5).float())
    before = [part.clone() for part in patch]
    for _ in range(10):
        image, mask = transform(*patch)
        assert (type(image), type(mask)) == (tv_tensors.Image, tv_tensors.Mask)
        assert (image.shape, image.dtype) == (mask.shape, mask.dtype) == ((1, *size), torch.float32)
        assert set(mask.unique().tolist()) <= {0, 1}
    assert all(map(torch.equal, before, patch))  # the input is not changed


@every_random
def test_each_call_draws_anew_and_follows_from_torchs_seed(transform, patch):
    first, again = ([image.numpy().tobytes() for image, _ in draws(transform, patch)] for _ in range(2))
    assert first == again and len(set(first)) >= 4


@pytest.mark.parametrize("transform", [*GEOMETRY.values(), flip_transform(), augment_transform()])
def test_image_and_mask_move_together(transform, patch):
    """Where the image is deep, there is the mask: of a groove without noise."""
    _, mask = patch
    for image, moved in draws(transform, pair(-mask, mask)):
        deep = image < 0.5 * image.min()
        assert (deep & moved.bool()).sum() > 0.75 * deep.sum()


def offset(transform: nn.Module) -> float:
    """Columns from the groove in the image to the groove in the mask, the mean of many draws."""
    groove, columns = torch.zeros(1, 36, 36), torch.arange(36.0)
    groove[..., 16:20] = 1
    places = [
        [(part.sum(dim=(0, 1)) * columns).sum() / part.sum() for part in drawn]
        for drawn in draws(transform, pair(groove, groove), 300)
    ]
    return torch.tensor([mask - image for image, mask in places]).mean().item()


def test_the_mask_is_not_shifted_against_the_image_as_torchvisions_crop_shifts_it(patch):
    """When this fails, torchvision's crop and brightness, which erases every groove, will do."""
    affine = augment_transform().transforms[2].transforms[0]
    assert isinstance(affine, v2.RandomAffine) and abs(offset(affine)) < 0.05
    assert offset(v2.RandomResizedCrop(36, scale=(0.7, 1.0), ratio=(0.8, 1.25))) > 0.3
    assert v2.functional.adjust_brightness(patch[0], 1.0).min() == 0


def test_a_roll_is_by_whole_columns_to_any_place(patch):
    found = set()
    for image, mask in draws(RandomRoll(), patch, 300):
        (columns,) = [by for by in range(36) if torch.equal(image, patch[0].roll(by, -1))]
        assert torch.equal(mask, patch[1].roll(columns, -1))
        found.add(columns)
    assert found == set(range(36))


def test_a_twist_rolls_each_row_in_proportion_to_its_distance_from_the_middle():
    rows = torch.zeros(1, 36, 36)
    rows[..., 0] = 1  # a vertical line
    slopes = []
    for image, mask in draws(RandomTwist(0.3), pair(rows, rows), 100):
        assert torch.equal(image, mask)
        moves = image[0].argmax(1)
        moves = torch.where(moves > 18, moves - 36, moves).double()
        slope, _ = np.polyfit(np.arange(36) - 17.5, moves, 1)
        np.testing.assert_allclose(moves, slope * (np.arange(36) - 17.5), atol=1.0)
        slopes.append(slope)
    assert -0.31 < min(slopes) < -0.2 and 0.2 < max(slopes) < 0.31


def test_noise_hits_up_to_the_share_of_pixels_and_invents_no_value():
    ramp = torch.arange(1296.0).view(1, 36, 36)  # no value twice
    noisy = torch.stack([image for image, _ in draws(PixelNoise(0.1), pair(ramp, ramp), 500)])
    share = (noisy != ramp).float().mean(dim=(1, 2, 3))
    assert 0.09 < share.max() < 0.12 and share.min() < 0.01
    assert share.mean().item() == pytest.approx(0.05, abs=0.005)
    assert torch.isin(noisy, ramp).all()


def test_brightness_scales_without_clipping(patch):
    factors = []
    for image, _ in draws(Brightness(0.5), patch, 200):
        factor = image / patch[0].as_subclass(Tensor)
        torch.testing.assert_close(factor, factor[..., :1, :1].expand_as(factor))
        factors.append(factor.mean().item())
    assert 0.49 < min(factors) < 0.6 and 1.4 < max(factors) < 1.51
    for transform in (*VALUES.values(), v2.GaussianBlur(9, sigma=(0.1, 1.75))):
        assert all(torch.equal(mask, patch[1]) for _, mask in draws(transform, patch))  # which never changes


def test_a_share_of_0_leaves_the_flips_alone_and_the_scale_is_the_configs(patch):
    flips = [patch[0].flip(axes) for axes in ((), (1,), (2,), (1, 2))]
    for image, _ in draws(augment_transform(0.0), patch):
        assert any(torch.equal(image, flipped) for flipped in flips)
    image, mask = normalize(Config(value_mean=0.01, value_std=0.5))(*patch)
    torch.testing.assert_close(image.as_subclass(Tensor), (patch[0].as_subclass(Tensor) - 0.01) / 0.5)
    assert torch.equal(mask, patch[1])


def test_what_a_numpy_function_draws_follows_from_torchs_seed(patch):
    images = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        np.random.seed(7 + len(images))  # noqa: NPY002 - of no consequence
        noisy = NumpyTransform(lambda image, mask: (image + np.random.random(image.shape), mask))  # noqa: NPY002
        images.append(noisy(*patch)[0])
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])
