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


def test_a_crop_turns_by_up_to_15_degrees_zooms_by_up_to_1_2_and_takes_the_mask_along():
    """As torchvision's RandomResizedCrop does not: it moves the mask by 0.4 pixel."""
    bar, columns, found = torch.zeros(1, 36, 36), torch.arange(36.0), []
    bar[..., 16:20] = 1
    for drawn in draws(augment_transform().transforms[2].transforms[0], pair(bar, bar), 300):
        image, mask = (part[0, 12:24] for part in drawn)
        middle, of_mask = ((part * columns).sum(1) / part.sum(1) for part in (image, mask))
        turn = np.arctan(np.polyfit(range(12), middle, 1)[0])
        found.append([turn, mask.sum() / 48 * np.cos(turn), (of_mask - middle).mean()])
    turns, zooms, offsets = np.transpose(found)
    assert 13 < np.degrees(np.abs(turns).max()) < 16 and abs(offsets.mean()) < 0.05
    assert 0.93 < zooms.min() < 1.05 and 1.15 < zooms.max() < 1.27


def test_sections_of_wells_are_rolled_twisted_and_brightened():
    line = torch.zeros(1, 144, 36)
    line[..., 0] = 1
    drawn = [image[0] for image, _ in draws(well_transform(), pair(line, line))]
    places = [image.argmax(1).tolist() for image in drawn]
    assert len({place[0] for place in places}) > 15 and len({image.max().item() for image in drawn}) > 30
    assert 10 < sum(len(set(place)) > 1 for place in places) < 30  # every other one


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
    found = [[torch.equal(image, one) for one in flips] for image, _ in draws(augment_transform(0.0), patch)]
    assert np.all(np.sum(found, axis=1) == 1) and np.all(np.sum(found, axis=0) > 3)  # each of the four
    _, *changes = augment_transform(0.5).transforms
    likely = {type(change.transforms[0]).__name__: change.p for change in changes}
    expected = {"RandomRoll": 0.5, "RandomAffine": 0.25, "GaussianBlur": 0.1, "PixelNoise": 0.15}
    assert likely == pytest.approx(expected | {"Brightness": 0.25})
    image, mask = normalize(Config(value_mean=0.01, value_std=0.5))(*patch)
    torch.testing.assert_close(image.as_subclass(Tensor), (patch[0].as_subclass(Tensor) - 0.01) / 0.5)
    assert torch.equal(mask, patch[1])


def test_a_numpy_function_gets_image_and_mask_and_what_it_draws_follows_from_torchs_seed(patch):
    darker, mask = NumpyTransform(lambda image, mask: (image - mask, mask.astype(bool)))(*patch)
    image, groove = (part.as_subclass(Tensor) for part in patch)
    assert torch.equal(darker, image - groove) and torch.equal(mask, groove)
    for wrong in (lambda image, mask: (image[1:], mask), lambda image, mask: (image, mask[None])):
        with pytest.raises(ValueError, match=r"image and mask of \(36, 36\) .*, found \((35|1, 36), 36\)"):
            NumpyTransform(wrong)(*patch)
    images = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        np.random.seed(7 + len(images))  # noqa: NPY002 - of no consequence
        noisy = NumpyTransform(lambda image, mask: (image + np.random.random(image.shape), mask))  # noqa: NPY002
        images.append(noisy(*patch)[0])
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])
