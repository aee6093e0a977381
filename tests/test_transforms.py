import pytest
import torch
from torchvision.transforms import v2

from helpers.config import Config
from helpers.transforms import (
    Brightness,
    PixelNoise,
    augment_transform,
    blur,
    crop,
    eval_transform,
    flip_transform,
    rotation,
    to_tensors,
)

CONFIG = Config()
GEOMETRY = {"rotation": rotation(), "crop": crop(), "flips": flip_transform()}
VALUES = {"blur": blur(), "noise": PixelNoise(0.1), "brightness": Brightness(0.5)}
ALL = {**GEOMETRY, **VALUES, "augment": augment_transform(), "eval": eval_transform()}


@pytest.fixture
def pair():
    """A patch with a slanting groove of -0.05, and its mask."""
    mask = torch.zeros(1, 36, 36)
    for row in range(36):
        mask[0, row, 8 + row // 3 : 12 + row // 3] = 1
    generator = torch.Generator().manual_seed(0)
    return to_tensors(-0.05 * mask + 0.002 * torch.randn(mask.shape, generator=generator), mask)


@pytest.mark.parametrize("name", ALL)
def test_shape_and_dtype_stay(name, pair):
    image, mask = ALL[name](*pair)
    assert image.shape == mask.shape == (1, 36, 36)
    assert image.dtype == mask.dtype == torch.float32


@pytest.mark.parametrize("name", ALL)
def test_the_mask_stays_0_or_1(name, pair):
    for seed in range(10):
        torch.manual_seed(seed)
        assert set(ALL[name](*pair)[1].unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_result(name, pair):
    torch.manual_seed(5)
    first = ALL[name](*pair)
    torch.manual_seed(5)
    second = ALL[name](*pair)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", [name for name in ALL if name != "eval"])
def test_another_seed_gives_another_result(name, pair):
    images = []
    for seed in range(8):
        torch.manual_seed(seed)
        images.append(ALL[name](*pair)[0])
    assert any(not torch.equal(images[0], image) for image in images[1:])


@pytest.mark.parametrize("name", GEOMETRY)
def test_image_and_mask_move_together(name, pair):
    """The groove is where the mask is, after as before."""
    for seed in range(10):
        torch.manual_seed(seed)
        image, mask = GEOMETRY[name](*pair)
        if name == "flips":
            image = image * CONFIG.value_std
        found = image < -0.025
        overlap = (found & mask.bool()).sum() / (found | mask.bool()).sum()
        assert overlap > 0.75, f"seed {seed}: {overlap:.2f}"


def mean_offset(transform) -> float:
    """Columns from the groove in the image to the groove in the mask, over many draws."""
    groove = torch.zeros(1, 36, 36)
    groove[:, :, 16:20] = 1
    columns = torch.arange(36.0)
    offsets = []
    for seed in range(200):
        torch.manual_seed(seed)
        centres = [
            (part.sum(dim=1) * columns).sum() / part.sum() for part in transform(*to_tensors(groove, groove))
        ]
        offsets.append(centres[1] - centres[0])
    return torch.stack(offsets).mean().item()


@pytest.mark.parametrize("name", ["rotation", "crop"])
def test_the_mask_is_not_shifted_against_the_image(name):
    assert abs(mean_offset(GEOMETRY[name])) < 0.05


def test_the_crop_of_torchvision_shifts_the_mask():
    """Why `ResizedCrop` is needed: when this fails, `v2.RandomResizedCrop` will do."""
    assert mean_offset(v2.RandomResizedCrop(36, scale=CONFIG.crop_scale, ratio=(0.8, 1.25))) > 0.3


@pytest.mark.parametrize("name", VALUES)
def test_values_change_and_the_mask_does_not(name, pair):
    torch.manual_seed(1)
    image, mask = VALUES[name](*pair)
    assert torch.equal(mask, pair[1])
    assert not torch.equal(image, pair[0])


def test_noise_hits_at_most_the_share_of_pixels(pair):
    for seed in range(20):
        torch.manual_seed(seed)
        changed = (PixelNoise(0.1)(*pair)[0] != pair[0]).float().mean()
        assert changed <= 0.1


def test_brightness_scales_without_clipping(pair):
    for seed in range(20):
        torch.manual_seed(seed)
        factor = Brightness(0.5)(*pair)[0] / pair[0]
        assert factor.min() == pytest.approx(factor.max().item(), rel=1e-4)
        assert 0.5 <= factor.mean() <= 1.5


def test_the_eval_transform_only_scales(pair):
    image, mask = eval_transform()(*pair)
    torch.testing.assert_close(image.as_subclass(torch.Tensor), pair[0].as_subclass(torch.Tensor) / 0.02)
    assert torch.equal(mask, pair[1])
