"""Joint transforms of image and mask, a batch at a time (review points R2.4 and R2.5).

They are `torchvision.transforms.v2` transforms, and take (image, mask) as `tv_tensors.Image` and
`tv_tensors.Mask`, both (N, 1, H, W) or (1, H, W), and return the two. v2's own draw one set of parameters
for a whole batch; these draw one for each sample. Image and mask share their geometry, and the mask takes
its nearest neighbour, so it stays 0 or 1. Values act on the data's own scale, thickness deviations around
0: nothing is clipped to 0 ... 1.

Parameters are drawn on the CPU, from torch's global generator, then moved to the batch's device: a seed
means the same on every device. Each sample meets a change with the probability `p`; where it does not, its
parameters change nothing, such as an angle of 0.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import Config


def to_tensors(image: Tensor, mask: Tensor) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """Mark two (..., 1, H, W) float tensors as image and mask, so that transforms treat each rightly."""
    return image.as_subclass(tv_tensors.Image), mask.as_subclass(tv_tensors.Mask)


def eval_transform(config: Config = Config()) -> v2.Compose:
    """For validation, test and use: nothing random, only the network's scale."""
    return v2.Compose([Scale(config.value_mean, config.value_std)])


def flip_transform(config: Config = Config()) -> v2.Compose:
    """The baseline's training transform: flips, then the network's scale."""
    flips = FlipRoll(left_right=config.p_flip, up_down=config.p_flip)
    return v2.Compose([flips, Scale(config.value_mean, config.value_std)])


def well_transform(config: Config = Config()) -> v2.Compose:
    """For sections of whole wells: what leaves a pipe a pipe, that is flips, roll, twist and brightness."""
    return v2.Compose(
        [
            FlipRoll(config.p_flip, config.p_flip, config.p_roll),
            Twist(config.twist, config.p_twist),
            Brightness(config.brightness),  # always: wells differ in contrast by more than this
            Scale(config.value_mean, config.value_std),
        ]
    )


def augment_transform(config: Config = Config()) -> v2.Compose:
    """All of R2.5, with flips and the roll in azimuth: exact moves first, interpolation once, values last."""
    return v2.Compose(
        [
            FlipRoll(config.p_flip, config.p_flip, config.p_roll),
            RotateCrop(config.rotation_degrees, config.crop_scale, config.p_rotation, config.p_crop),
            Blur(config.blur_sigma, config.p_blur),
            PixelNoise(config.noisy_share, config.p_noise),
            Brightness(config.brightness, config.p_brightness),
            Scale(config.value_mean, config.value_std),
        ]
    )


class BatchTransform(v2.Transform):
    """What the transforms below share: `draw` makes the parameters of n samples, `apply` uses them.

    `apply` gets plain (N, 1, H, W) tensors: on tv_tensors every operation takes twice the time. So does v2's
    own `forward`, which walks through any nest of inputs.
    """

    def forward(self, image: tv_tensors.Image, mask: tv_tensors.Mask) -> tuple[Tensor, Tensor]:
        """Return (image, mask), transformed; shapes, dtypes and types stay.

        Raises
        ------
        TypeError : the two are not marked as image and mask, see `to_tensors`.
        """
        if not (isinstance(image, tv_tensors.Image) and isinstance(mask, tv_tensors.Mask)):
            found = f"{type(image).__name__} and {type(mask).__name__}"
            raise TypeError(f"Expected a tv_tensors.Image and a tv_tensors.Mask, found {found}.")
        height, width = image.shape[-2:]
        pixels, marks = (part.as_subclass(Tensor).reshape(-1, 1, height, width) for part in (image, mask))
        params = self.draw(len(pixels), height, width)
        params = {name: value.to(pixels.device) for name, value in params.items()}
        pixels, marks = self.apply(pixels, marks, **params)
        return to_tensors(pixels.view(image.shape), marks.view(mask.shape))

    def draw(self, n: int, height: int, width: int) -> dict[str, Tensor]:
        """Draw the parameters of n samples, on the CPU."""
        return {}


class EachSample(BatchTransform):
    """A function of one sample's numpy arrays, (H, W) image and (H, W) mask, that returns the two.

    For changes that exist in numpy, OpenCV or scikit-image only: it takes sample by sample, on the CPU. What
    the function draws from numpy's global generator follows from torch's.

    Raises, when used
    -----------------
    ValueError : the function returns arrays of another size.
    """

    def __init__(self, function: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]):
        super().__init__()
        self.function = function

    def apply(self, image, mask):
        samples = zip(image[:, 0].cpu().numpy(), mask[:, 0].cpu().numpy(), strict=True)
        state = np.random.get_state()  # noqa: NPY002 - the function draws from the global one
        np.random.seed(int(torch.randint(2**32, ())))  # noqa: NPY002
        try:
            pairs = [self.function(*sample) for sample in samples]
        finally:
            np.random.set_state(state)  # noqa: NPY002
        size = tuple(image.shape[-2:])
        for pair in pairs:
            found = [np.shape(part) for part in pair]
            if found != [size, size]:
                found = " and ".join(map(str, found))
                raise ValueError(f"Expected image and mask of {size} from {self.function}, found {found}.")
        images, masks = (np.stack(parts).astype(np.float32) for parts in zip(*pairs, strict=True))
        return tuple(torch.from_numpy(part)[:, None].to(image.device) for part in (images, masks))


class FlipRoll(BatchTransform):
    """Exact moves of whole pixels: flips, then a circular roll in azimuth.

    A left-right flip mirrors the pipe's handedness, an up-down flip turns the logging direction; a groove
    stays a groove in both. The roll moves columns by 0 ... W - 1 to the right, and what leaves on one side
    enters on the other: the tool's zero azimuth is arbitrary. A patch goes round the whole pipe, with every
    column of a 36-column well and every second one of a 72-column well; in both the last column meets the
    first, so rolling by whole columns invents nothing.

    left_right, up_down, roll : probability of each, for each sample.
    """

    def __init__(self, left_right: float = 0.0, up_down: float = 0.0, roll: float = 0.0):
        super().__init__()
        self.probabilities = torch.tensor([[left_right], [up_down], [roll]])

    def draw(self, n, height, width):
        left_right, up_down, rolled = torch.rand(3, n) < self.probabilities
        return {"left_right": left_right, "up_down": up_down, "roll": rolled * torch.randint(width, (n,))}

    def apply(self, image, mask, left_right, up_down, roll):
        height, width = image.shape[-2:]
        rows = torch.arange(height, device=image.device)
        columns = (torch.arange(width, device=image.device) - roll[:, None]) % width
        # Which row and column of its image each row (N, H) and column (N, W) of the result takes
        rows = torch.where(up_down[:, None], height - 1 - rows, rows)
        columns = torch.where(left_right[:, None], width - 1 - columns, columns)
        pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)  # counted row by row
        return tuple(part.flatten(1).gather(1, pixels).view(part.shape) for part in (image, mask))


class Twist(BatchTransform):
    """Roll each row a little further than the one above, by whole pixels: a groove drifts around the pipe.

    Grooves in some wells run straight down, in others they go around the pipe. Nothing is interpolated.

    limit : largest drift, columns a row, either way. p : probability for each sample.
    """

    def __init__(self, limit: float = 0.05, p: float = 1.0):
        super().__init__()
        self.limit, self.p = limit, p

    def draw(self, n, height, width):
        chosen, slope = torch.rand(2, n)
        return {"slope": self.limit * (2 * slope - 1) * (chosen < self.p)}

    def apply(self, image, mask, slope):
        height, width = image.shape[-2:]
        rows = torch.arange(height, device=image.device) - (height - 1) / 2  # from the middle
        moves = (slope[:, None] * rows).round().long()  # (N, H)
        columns = (torch.arange(width, device=image.device) - moves[:, :, None]) % width  # (N, H, W)
        return tuple(part.gather(3, columns[:, None]) for part in (image, mask))


class RotateCrop(BatchTransform):
    """Rotation about the centre, then a random part stretched to the patch's size, sampled once for both.

    The image is interpolated linearly, the mask takes its exact nearest neighbour: v2's crop resizes masks
    by torch's "nearest", which rounds down and so moves them right and down, here by 0.4 pixel on average
    (https://github.com/pytorch/vision/issues/9188). Corners get 0, the mean thickness, and no groove.

    degrees : largest angle, either way. scale : share of the area that the part keeps; its sides are up
    to a quarter longer than each other. p_rotation, p_crop : probability of each, for each sample.
    """

    def __init__(
        self, degrees: float, scale: tuple[float, float], p_rotation: float = 1.0, p_crop: float = 1.0
    ):
        super().__init__()
        self.degrees, self.scale, self.p_rotation, self.p_crop = degrees, scale, p_rotation, p_crop

    def draw(self, n, height, width):
        rotated, cropped, angle, area, ratio, top, left = torch.rand(7, n)
        degrees = self.degrees * (2 * angle - 1) * (rotated < self.p_rotation)  # counter-clockwise
        side = (self.scale[0] + (self.scale[1] - self.scale[0]) * area).sqrt()
        ratio = 1.25 ** (ratio - 0.5)  # square root of width / height
        heights = torch.where(cropped < self.p_crop, (side / ratio).clamp(max=1), 1.0) * height
        widths = torch.where(cropped < self.p_crop, (side * ratio).clamp(max=1), 1.0) * width
        box = torch.stack([top * (height - heights), left * (width - widths), heights, widths])  # (4, n)
        return {"degrees": degrees, "box": box}

    def apply(self, image, mask, degrees, box):
        # Where each pixel of the result lies in the image, from the image's centre, in pixels
        height, width = image.shape[-2:]
        top, left, heights, widths = box[:, :, None]  # (N, 1) each
        y = _stretched(heights, height) + top - (height - 1) / 2  # (N, H)
        x = _stretched(widths, width) + left - (width - 1) / 2  # (N, W)
        y, x, angle = y[:, :, None], x[:, None, :], degrees[:, None, None].deg2rad()
        cos, sin = angle.cos(), angle.sin()
        # Turned, and counted as grid_sample does, from -1 to 1, from border to border
        grid_x = x * cos / (width / 2) - y * sin / (width / 2)  # (N, H, W)
        grid_y = x * sin / (height / 2) + y * cos / (height / 2)
        # It wants (N, H, W, 2); to stack along the last axis takes as long as the sampling
        grid = torch.stack([grid_x, grid_y], dim=1).movedim(1, -1)
        return (
            F.grid_sample(image, grid, mode="bilinear", align_corners=False),
            F.grid_sample(mask, grid, mode="nearest", align_corners=False),
        )


def _stretched(length: Tensor, size: int) -> Tensor:
    """(N, size): where the pixels lie, counted from 0, of a part of `length` pixels (N, 1) stretched to size.

    Like torchvision's resize, none lies beyond the centres of the part's first and last pixel.
    """
    places = (torch.arange(size, device=length.device) + 0.5) * length / size - 0.5
    return places.clamp(min=0).minimum(length - 1)


class Blur(BatchTransform):
    """Gaussian blur of the image, with 9 x 9 pixels and the border mirrored as in `v2.GaussianBlur`.

    sigma : smallest and largest standard deviation, pixels. p : probability for each sample.
    """

    def __init__(self, sigma: tuple[float, float], p: float = 1.0):
        super().__init__()
        self.sigma, self.p = sigma, p

    def draw(self, n, height, width):
        chosen, sigma = torch.rand(2, n)
        sigma = self.sigma[0] + (self.sigma[1] - self.sigma[0]) * sigma
        return {"sigma": sigma * (chosen < self.p)}

    def apply(self, image, mask, sigma):
        offsets = torch.arange(-4, 5, device=image.device)
        sigma = sigma.clamp(min=0.01)  # so narrow that the pixel itself has all the weight
        weights = (-0.5 * (offsets / sigma[:, None]) ** 2).softmax(dim=1)  # (N, 9)
        # Down, then across. Each sample has its own weights, so samples go as channels of one image.
        n = len(image)
        samples = F.pad(image, (4, 4, 4, 4), mode="reflect").transpose(0, 1)  # (1, N, H + 8, W + 8)
        samples = F.conv2d(samples, weights.view(n, 1, 9, 1), groups=n)
        samples = F.conv2d(samples, weights.view(n, 1, 1, 9), groups=n)
        return samples.transpose(0, 1), mask


class PixelNoise(BatchTransform):
    """Replace a random share of the pixels by values from elsewhere in the same image.

    Values of the image itself keep the noise on the data's scale, whatever that is.

    max_share : a pixel's largest probability to be replaced. p : probability for each sample.
    """

    def __init__(self, max_share: float = 0.10, p: float = 1.0):
        super().__init__()
        self.max_share, self.p = max_share, p

    def draw(self, n, height, width):
        chosen = (torch.rand(n) < self.p).nonzero()[:, 0]  # a random number a pixel for these alone
        share = self.max_share * torch.rand(len(chosen), 1)
        noisy = torch.rand(len(chosen), height * width) < share
        return {"chosen": chosen, "noisy": noisy, "sources": torch.randperm(height * width)}

    def apply(self, image, mask, chosen, noisy, sources):
        pixels = image[chosen].flatten(1)
        pixels = torch.where(noisy, pixels.index_select(1, sources), pixels)
        image = image.clone()
        image[chosen] = pixels.view(-1, *image.shape[1:])
        return image, mask


class Brightness(BatchTransform):
    """Multiply the image by a factor of 1 +- `limit`.

    `v2.functional.adjust_brightness` does the same multiplication but clips to 0 ... 1, which would
    erase every groove: metal loss is negative.

    p : probability for each sample.
    """

    def __init__(self, limit: float = 0.5, p: float = 1.0):
        super().__init__()
        self.limit, self.p = limit, p

    def draw(self, n, height, width):
        chosen, change = torch.rand(2, n)
        return {"factor": 1 + self.limit * (2 * change - 1) * (chosen < self.p)}

    def apply(self, image, mask, factor):
        return image * factor[:, None, None, None], mask


class Scale(BatchTransform):
    """(value - mean) / std, the same for all: thickness deviations come to the order of 1.

    As `v2.Normalize`, which takes twice the time.
    """

    def __init__(self, mean: float, std: float):
        super().__init__()
        self.mean, self.std = mean, std

    def apply(self, image, mask):
        return (image - self.mean).div_(self.std), mask
