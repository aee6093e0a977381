"""Augmentation of a patch or section and its mask (R2.5), by `torchvision.transforms.v2`.

Each transform takes and returns (image, mask), a `tv_tensors.Image` and a `tv_tensors.Mask` of (1, H, W)
float32: v2 then moves both alike, interpolates the image linearly and gives the mask its nearest neighbour,
so it stays 0 or 1. Values are on the data's own scale, thickness deviations around 0. What is random is drawn
from torch's global generator.

Three changes are our own. A pipe is periodic in azimuth, which no stock transform knows (`RandomRoll`); noise
must keep the data's scale (`PixelNoise`); and `v2.ColorJitter` clips to 0 ... 1, which would erase every
groove, since metal loss is negative (`Brightness`). Rotation and crop are one `v2.RandomAffine`, which
interpolates once. `v2.RandomResizedCrop` is not used: it moves the mask against the image by 0.4 pixel
(https://github.com/pytorch/vision/issues/9188).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import Config

Arrays = tuple[np.ndarray, np.ndarray]


def normalize(config: Config = Config()) -> v2.Normalize:
    """The network's scale, (value - value_mean) / value_std: thickness deviations come to the order of 1."""
    return v2.Normalize([config.value_mean], [config.value_std])


def flip_transform() -> v2.Compose:
    """The baseline's: each direction with one half. A groove stays a groove in a mirrored pipe."""
    return v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()])


def augment_transform(share: float = 1.0) -> v2.Compose:
    """All of R2.5, with flips and a roll in azimuth: exact moves first, interpolation once, values last.

    share : scales how likely each change but the flips is, 0 to 1.
    """
    # A zoom by up to 1.2 keeps 70 % of the area or more, as RandomResizedCrop(scale=(0.7, 1)) does
    rotated_crop = v2.RandomAffine(
        degrees=15, translate=(0.1, 0.1), scale=(1.0, 1.2), interpolation=v2.InterpolationMode.BILINEAR
    )
    changes = [
        (RandomRoll(), 1.0),
        (rotated_crop, 0.5),
        (v2.GaussianBlur(9, sigma=(0.1, 1.75)), 0.2),
        (PixelNoise(0.10), 0.3),
        (Brightness(0.5), 0.5),
    ]
    return v2.Compose([flip_transform(), *(v2.RandomApply([change], share * p) for change, p in changes)])


class RandomRoll(v2.Transform):
    """Roll by 0 ... W - 1 columns: what leaves on one side enters on the other.

    The tool's zero azimuth is arbitrary. A patch goes round the whole pipe, so its last column meets its
    first, and rolling by whole columns invents nothing.
    """

    def make_params(self, flat_inputs):
        return {"columns": int(torch.randint(flat_inputs[0].shape[-1], ()))}

    def transform(self, inpt, params):
        return tv_tensors.wrap(inpt.roll(params["columns"], dims=-1), like=inpt)


class PixelNoise(v2.Transform):
    """Replace a random share of the pixels by values from elsewhere in the same image.

    most : the largest share of pixels, 0 to 1.
    """

    def __init__(self, most: float):
        super().__init__()
        self.most = most

    def transform(self, inpt, params):
        if isinstance(inpt, tv_tensors.Mask):
            return inpt
        pixels = inpt.as_subclass(Tensor).flatten()
        noisy = torch.rand(len(pixels)) < self.most * torch.rand(())
        pixels = torch.where(noisy, pixels[torch.randperm(len(pixels))], pixels)
        return tv_tensors.wrap(pixels.view(inpt.shape), like=inpt)


class Brightness(v2.Transform):
    """Multiply the image by a factor of 1 - `limit` to 1 + `limit`, without clipping."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def transform(self, inpt, params):
        if isinstance(inpt, tv_tensors.Mask):
            return inpt
        factor = 1 + self.limit * (2 * torch.rand(()) - 1)
        return tv_tensors.wrap(inpt * factor, like=inpt)


class NumpyTransform(nn.Module):
    """A function of one patch's numpy arrays, (H, W) image and (H, W) mask, as a transform.

    What the function draws from numpy's global generator follows from torch's. ValueError, when used : it
    returns arrays of another size.
    """

    def __init__(self, function: Callable[[np.ndarray, np.ndarray], Arrays]):
        super().__init__()
        self.function = function

    def forward(self, image: Tensor, mask: Tensor) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        np.random.seed(int(torch.randint(2**32, ())))  # noqa: NPY002 - the function draws from the global one
        arrays = self.function(image[0].numpy(), mask[0].numpy())
        size = tuple(image.shape[-2:])
        if found := [np.shape(array) for array in arrays if np.shape(array) != size]:
            raise ValueError(f"Expected image and mask of {size} from {self.function}, found {found[0]}.")
        image, mask = (torch.from_numpy(np.array(array, np.float32))[None] for array in arrays)
        return tv_tensors.Image(image), tv_tensors.Mask(mask)
