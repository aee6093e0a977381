"""Joint transforms of image and mask with torchvision.transforms.v2 (review points R2.4 and R2.5).

A transform takes (image, mask) as `tv_tensors.Image` and `tv_tensors.Mask`, both (1, H, W), and returns
the two. v2 moves both by the same random geometry, the mask by nearest neighbour. Values act on the
data's own scale, thickness deviations around 0: nothing is clipped to 0 ... 1. Random numbers come from
torch's global generator, since v2 offers no other.
"""

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import PATCH_SIZE, Config


def to_tensors(image: Tensor, mask: Tensor) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """Mark a pair of (1, H, W) float tensors as image and mask, so that v2 treats each rightly."""
    return tv_tensors.Image(image), tv_tensors.Mask(mask)


def normalise(config: Config = Config()) -> v2.Normalize:
    """(value - value_mean) / value_std: thickness deviations come to the order of 1."""
    return v2.Normalize(mean=[config.value_mean], std=[config.value_std])


def eval_transform(config: Config = Config()) -> v2.Compose:
    """For validation, test and use: nothing random, only the network's scale."""
    return v2.Compose([normalise(config)])


def flip_transform(config: Config = Config()) -> v2.Compose:
    """The baseline's training transform: flips, then the network's scale.

    A left-right flip turns the pipe's handedness, an up-down flip the logging direction; a groove stays
    a groove in both.
    """
    return v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(), normalise(config)])


def augment_transform(config: Config = Config()) -> v2.Compose:
    """All of R2.5: flips, rotation, crop, blur, noise and brightness, then the network's scale."""
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomApply([rotation(config)], p=0.5),
            v2.RandomApply([crop(config)], p=0.5),
            v2.RandomApply([blur(config)], p=0.2),
            v2.RandomApply([PixelNoise(config.noisy_share)], p=0.3),
            v2.RandomApply([Brightness(config.brightness)], p=0.5),
            normalise(config),
        ]
    )


def rotation(config: Config = Config()) -> v2.RandomRotation:
    """Rotation by up to +-15 degrees; corners get 0, the mean thickness, and no groove."""
    return v2.RandomRotation(config.rotation_degrees, interpolation=v2.InterpolationMode.BILINEAR)


def crop(config: Config = Config()) -> v2.RandomResizedCrop:
    """A random part of the patch, stretched back to the patch's size."""
    return ResizedCrop(PATCH_SIZE, scale=config.crop_scale, ratio=(0.8, 1.25))


def blur(config: Config = Config()) -> v2.GaussianBlur:
    """Gaussian blur of up to 1.75 pixels (standard deviation)."""
    return v2.GaussianBlur(kernel_size=9, sigma=config.blur_sigma)


class ResizedCrop(v2.RandomResizedCrop):
    """`v2.RandomResizedCrop` with the mask where the image is.

    v2 resizes masks by torch's "nearest", which rounds down and so moves them right and down, here by 0.4
    pixel on average; "nearest-exact" does not (https://github.com/pytorch/vision/issues/9188).
    """

    def transform(self, inpt, params: dict):
        if not isinstance(inpt, tv_tensors.Mask):
            return super().transform(inpt, params)
        exact = v2.InterpolationMode.NEAREST_EXACT
        mask = inpt.as_subclass(Tensor)  # as a plain tensor, for which v2 heeds the interpolation
        return tv_tensors.wrap(
            v2.functional.resized_crop(mask, **params, size=self.size, interpolation=exact, antialias=False),
            like=inpt,
        )


class PixelNoise(v2.Transform):
    """Replace a random share of the pixels, at most `max_share`, by values drawn from the same image.

    Values of the image itself keep the noise on the data's scale, whatever that is.
    """

    def __init__(self, max_share: float = 0.10):
        super().__init__()
        self.max_share = max_share

    def make_params(self, flat_inputs: list) -> dict:
        image = next(value for value in flat_inputs if isinstance(value, tv_tensors.Image))
        pixels = image[..., :1, :, :].numel()
        noisy = int(torch.rand(()) * self.max_share * pixels)
        return {"where": torch.randperm(pixels)[:noisy], "source": torch.randint(pixels, (noisy,))}

    def transform(self, inpt, params: dict):
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        flat = inpt.flatten().clone()
        flat[params["where"]] = flat[params["source"]]
        return tv_tensors.wrap(flat.reshape(inpt.shape), like=inpt)


class Brightness(v2.Transform):
    """Multiply the image by a factor of 1 +- `limit`.

    `v2.functional.adjust_brightness` does the same multiplication but clips to 0 ... 1, which would
    erase every groove: metal loss is negative.
    """

    def __init__(self, limit: float = 0.5):
        super().__init__()
        self.limit = limit

    def make_params(self, flat_inputs: list) -> dict:
        return {"factor": 1 + self.limit * (2 * torch.rand(()) - 1)}

    def transform(self, inpt, params: dict):
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        return tv_tensors.wrap(inpt * params["factor"], like=inpt)
