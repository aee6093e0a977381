import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import Config
from helpers.transforms import (
    Blur,
    Brightness,
    FlipRoll,
    PixelNoise,
    RotateCrop,
    Scale,
    Twist,
    augment_transform,
    eval_transform,
    flip_transform,
    to_tensors,
    well_transform,
)

CONFIG = Config()
FLIPS, ROLL = FlipRoll(left_right=0.5, up_down=0.5), FlipRoll(roll=1.0)
ROTATION = RotateCrop(CONFIG.rotation_degrees, CONFIG.crop_scale, p_crop=0.0)
CROP = RotateCrop(CONFIG.rotation_degrees, CONFIG.crop_scale, p_rotation=0.0)
GEOMETRY = {"flips": FLIPS, "roll": ROLL, "rotation": ROTATION, "crop": CROP, "twist": Twist(0.2)}
VALUES = {"blur": Blur(CONFIG.blur_sigma), "noise": PixelNoise(0.1), "brightness": Brightness(0.5)}
WHOLE = {"flip_transform": flip_transform(), "augment_transform": augment_transform()}
WHOLE["well_transform"] = well_transform()
RANDOM = {**GEOMETRY, **VALUES, **WHOLE}
ALL = {**RANDOM, "eval_transform": eval_transform()}


@pytest.fixture
def batch():
    """24 times the same patch with a slanting groove of -0.05, and its mask: (24, 1, 36, 36) each."""
    mask = torch.zeros(1, 36, 36)
    for row in range(36):
        mask[0, row, 8 + row // 3 : 12 + row // 3] = 1
    generator = torch.Generator().manual_seed(0)
    image = -0.05 * mask + 0.002 * torch.randn(mask.shape, generator=generator)
    return to_tensors(image.repeat(24, 1, 1, 1), mask.repeat(24, 1, 1, 1))


def same(some, others) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("name", ALL)
def test_shape_dtype_and_type_stay(name, batch):
    for pair in (batch, to_tensors(*(part[0] for part in batch))):  # (24, 1, 36, 36) and (1, 36, 36)
        image, mask = ALL[name](*pair)
        assert image.shape == mask.shape == pair[0].shape
        assert image.dtype == mask.dtype == torch.float32
        assert (type(image), type(mask)) == (tv_tensors.Image, tv_tensors.Mask)


@pytest.mark.parametrize("name", ALL)
def test_the_input_is_not_changed(name, batch):
    before = [part.clone() for part in batch]
    ALL[name](*batch)
    assert same(batch, before)


@pytest.mark.parametrize("name", ALL)
def test_other_sizes_than_squares(name):
    image, mask = ALL[name](*to_tensors(torch.rand(3, 1, 40, 72), torch.ones(3, 1, 40, 72)))
    assert image.shape == mask.shape == (3, 1, 40, 72)


@pytest.mark.parametrize("name", ALL)
def test_the_mask_stays_0_or_1(name, batch):
    for seed in range(5):
        torch.manual_seed(seed)
        assert set(ALL[name](*batch)[1].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", RANDOM)
def test_the_seed_decides(name, batch):
    results = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        results.append(RANDOM[name](*batch))
    assert same(results[0], results[1])
    assert not torch.equal(results[0][0], results[2][0])


@pytest.mark.parametrize("name", RANDOM)
def test_samples_of_a_batch_differ(name, batch):
    """The batch is one patch again and again: only its own parameters can tell a sample from another."""
    torch.manual_seed(0)
    images, _ = RANDOM[name](*batch)
    different = 4 if name in ("flips", "flip_transform") else 18
    assert len(torch.unique(images.as_subclass(Tensor), dim=0)) >= different


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ALL)
def test_a_seed_means_the_same_on_the_gpu(name, batch):
    torch.manual_seed(3)
    image, mask = ALL[name](*batch)
    torch.manual_seed(3)
    image_gpu, mask_gpu = ALL[name](*(part.cuda() for part in batch))
    assert image_gpu.is_cuda
    torch.testing.assert_close(image_gpu.cpu(), image, atol=1e-4, rtol=1e-4)
    assert (mask_gpu.cpu() != mask).float().mean() < 1e-3  # a pixel halfway may round the other way


@pytest.mark.parametrize("name", GEOMETRY)
def test_image_and_mask_move_together(name, batch):
    """The groove is where the mask is, after as before."""
    for seed in range(5):
        torch.manual_seed(seed)
        image, mask = GEOMETRY[name](*batch)
        found = image < -0.025
        overlap = (found & mask.bool()).sum((1, 2, 3)) / (found | mask.bool()).sum((1, 2, 3))
        assert overlap.min() > 0.75, f"seed {seed}: {overlap.min():.2f}"


def mean_offset(transform, batch_size: int) -> float:
    """Columns from the groove in the image to the groove in the mask, over many draws."""
    groove = torch.zeros(batch_size, 1, 36, 36)
    groove[..., 16:20] = 1
    columns = torch.arange(36.0)
    offsets = []
    for seed in range(200 // batch_size):
        torch.manual_seed(seed)
        image, mask = (
            (part.sum(dim=(1, 2)) * columns).sum(dim=1) / part.sum(dim=(1, 2, 3))
            for part in transform(*to_tensors(groove, groove))
        )
        offsets.append(mask - image)
    return torch.cat(offsets).mean().item()


@pytest.mark.parametrize("name", ["rotation", "crop"])
def test_the_mask_is_not_shifted_against_the_image(name):
    assert abs(mean_offset(GEOMETRY[name], 200)) < 0.05


def test_the_crop_of_torchvision_shifts_the_mask():
    """Why `RotateCrop` does not resize: when this fails, torchvision's way will do."""
    theirs = v2.RandomResizedCrop(36, scale=CONFIG.crop_scale, ratio=(0.8, 1.25))
    assert mean_offset(theirs, 1) > 0.3


def numbers(*values, n=24) -> Tensor:
    """The given values for the first samples, 0 for the rest."""
    return torch.tensor([*values, *[0] * (n - len(values))])


def test_flips_and_roll_are_those_of_torch(batch):
    left_right, up_down, roll = numbers(1, 0, 0, 1).bool(), numbers(0, 1).bool(), numbers(0, 0, 5, 35)
    changed = FLIPS.apply(*batch, left_right=left_right, up_down=up_down, roll=roll)
    for before, after in zip(batch, changed, strict=True):
        assert torch.equal(after[0], v2.functional.hflip(before[0]))
        assert torch.equal(after[1], v2.functional.vflip(before[1]))
        assert torch.equal(after[2], before[2].roll(5, dims=-1))
        assert torch.equal(after[3], before[3].flip(-1).roll(35, dims=-1))
        assert torch.equal(after[4:], before[4:])


def test_a_twist_rolls_each_row_in_proportion_to_its_distance_from_the_middle(batch):
    slope = torch.linspace(-0.3, 0.3, 24)
    image, mask = Twist().apply(*(part.as_subclass(Tensor) for part in batch), slope=slope)
    for number in range(24):
        for row in range(36):
            move = round((slope[number] * (row - 17.5)).item())
            for twisted, original in zip((image, mask), batch, strict=True):
                assert torch.equal(twisted[number, 0, row], original[number, 0, row].roll(move))


@pytest.mark.parametrize("angle", [-15.0, 4.0, 11.5])
def test_the_rotation_is_that_of_torchvision(angle, batch):
    whole = torch.tensor([0.0, 0.0, 36.0, 36.0])[:, None].repeat(1, 24)
    image, mask = ROTATION.apply(*batch, degrees=numbers(0.0, angle), box=whole)
    bilinear = v2.InterpolationMode.BILINEAR
    torch.testing.assert_close(image[1], v2.functional.rotate(batch[0][1], angle, bilinear))
    assert torch.equal(mask[1], v2.functional.rotate(batch[1][1], angle))
    torch.testing.assert_close(image[0], batch[0][0])


@pytest.mark.parametrize("box", [(0, 0, 36, 36), (3, 2, 33, 34), (1, 4, 35, 31)])
def test_the_crop_is_that_of_torchvision(box, batch):
    boxes = torch.tensor(box)[:, None].repeat(1, 24)
    # No side of a box divides by 8, or pixels would lie halfway, where torch rounds in two ways
    image, mask = CROP.apply(*batch, degrees=numbers(0.0), box=boxes)
    size, exact = [36, 36], v2.InterpolationMode.NEAREST_EXACT
    before = [part.as_subclass(Tensor) for part in batch]  # plain, or v2 does not heed `exact`
    theirs = v2.functional.resized_crop(before[0], *box, size, antialias=False)
    torch.testing.assert_close(image.as_subclass(Tensor), theirs)
    theirs = v2.functional.resized_crop(before[1], *box, size, interpolation=exact, antialias=False)
    assert torch.equal(mask.as_subclass(Tensor), theirs)


def test_a_crop_stays_inside_and_keeps_its_share():
    torch.manual_seed(0)
    top, left, heights, widths = CROP.draw(2000, 36, 72)["box"]
    assert min(top.min(), left.min()) >= 0
    assert (top + heights).max() <= 36 + 1e-4 and (left + widths).max() <= 72 + 1e-4
    share = heights * widths / (36 * 72)
    assert 0.699 < share.min() < 0.72 and 0.95 < share.max() <= 1


@pytest.mark.parametrize("sigma", [0.1, 0.8, 1.75])
def test_the_blur_is_that_of_torchvision(sigma, batch):
    sigmas = torch.tensor([0.0, sigma]).repeat(12)
    image, mask = VALUES["blur"].apply(*(part.as_subclass(Tensor) for part in batch), sigma=sigmas)
    torch.testing.assert_close(image[1], v2.functional.gaussian_blur(batch[0][1], [9, 9], [sigma, sigma]))
    assert torch.equal(image[0], batch[0][0])


@pytest.mark.parametrize("name", VALUES)
def test_values_change_and_the_mask_does_not(name, batch):
    torch.manual_seed(1)
    image, mask = VALUES[name](*batch)
    assert torch.equal(mask, batch[1])
    assert (image != batch[0]).flatten(1).any(dim=1).sum() >= 20  # a blur of 0.1 pixel changes nothing


def test_noise_hits_up_to_the_share_of_pixels_and_invents_no_value():
    torch.manual_seed(0)
    ramp = torch.arange(1296.0).view(1, 1, 36, 36).repeat(500, 1, 1, 1)  # no value twice
    noisy, _ = PixelNoise(0.1)(*to_tensors(ramp, ramp))
    share = (noisy != ramp).float().mean(dim=(1, 2, 3))
    assert 0.09 < share.max() < 0.12 and share.min() < 0.01  # each pixel by itself, so a little above 0.1
    assert share.mean().item() == pytest.approx(0.05, abs=0.004)
    assert torch.isin(noisy, ramp[0]).all()


def test_brightness_scales_without_clipping(batch):
    torch.manual_seed(0)
    factor = (Brightness(0.5)(*batch)[0] / batch[0]).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor))
    assert 0.5 <= factor.min() < 0.6 and 1.4 < factor.max() <= 1.5


@pytest.mark.parametrize(
    ("transform", "probability"),
    [
        (FlipRoll(left_right=0.3), 0.3),
        (FlipRoll(up_down=0.3), 0.3),
        (FlipRoll(roll=0.3), 0.3 * 35 / 36),  # a roll by 0 columns is one of 36
        (RotateCrop(15, (0.7, 0.9), 0.3, 0.0), 0.3),
        (RotateCrop(15, (0.7, 0.9), 0.0, 0.3), 0.3),
        (Blur((0.5, 1.75), 0.3), 0.3),
        (PixelNoise(0.1, 0.3), 0.3 * 0.93),  # of 144 pixels a small share may hit none
        (Brightness(0.5, 0.3), 0.3),
        (Twist(50.0, 0.3), 0.3),
    ],
)
def test_each_sample_is_changed_with_the_given_probability(transform, probability):
    torch.manual_seed(0)
    images = torch.randn(4000, 1, 12, 12)
    changed, _ = transform(*to_tensors(images, torch.ones_like(images)))
    share = ((changed - images).abs() > 1e-4).flatten(1).any(dim=1).float().mean()
    assert share.item() == pytest.approx(probability, abs=0.03)


def test_the_eval_transform_only_scales(batch):
    image, mask = eval_transform()(*batch)
    torch.testing.assert_close(image.as_subclass(Tensor), batch[0].as_subclass(Tensor) / 0.02)
    assert torch.equal(mask, batch[1])


def test_the_scale_subtracts_the_mean(batch):
    image, _ = Scale(0.01, 0.5)(*batch)
    torch.testing.assert_close(image.as_subclass(Tensor), (batch[0].as_subclass(Tensor) - 0.01) / 0.5)


def test_unmarked_tensors_are_refused():
    with pytest.raises(TypeError, match="found Tensor and Tensor"):
        flip_transform()(torch.zeros(1, 36, 36), torch.zeros(1, 36, 36))
