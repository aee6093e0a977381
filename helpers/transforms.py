"""Joint transforms of image and mask, a batch at a time (review points R2.4 and R2.5).

They are `torchvision.transforms.v2` transforms, and take (image, mask) as `tv_tensors.Image` and
`tv_tensors.Mask`, both (N, 1, H, W) or (1, H, W), and return the two. v2's own draw one set of parameters a
call, so one for a whole batch; these draw one for each sample. Image and mask share their geometry, and the
mask takes its nearest neighbour, so it stays 0 or 1. Values act on the data's own scale, thickness
deviations around 0: nothing is clipped to 0 ... 1.

Parameters are drawn on the CPU, from torch's global generator, then moved to the batch's device: a seed
means the same on every device. A sample that a transform leaves alone gets parameters that change nothing.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import PATCH_SIZE, Config


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
    """What the transforms below share: `draw` makes the parameters of N samples, `apply` uses them."""

    def forward(self, image: tv_tensors.Image, mask: tv_tensors.Mask) -> tuple[Tensor, Tensor]:
        """Return (image, mask), transformed; shapes, dtypes and types stay.

        Raises
        ------
        TypeError : the two are not marked as image and mask, see `to_tensors`.
        """
        if not (isinstance(image, tv_tensors.Image) and isinstance(mask, tv_tensors.Mask)):
            found = f"{type(image).__name__} and {type(mask).__name__}"
            raise TypeError(f"Expected a tv_tensors.Image and a tv_tensors.Mask, found {found}.")
        # Plain tensors inside: on tv_tensors every operation costs twice the time. For the same reason
        # v2's own `forward`, which walks through any nest of inputs, is not used.
        size = image.shape[-2:]
        pixels = image.as_subclass(Tensor).reshape(-1, 1, *size)
        marks = mask.as_subclass(Tensor).reshape(-1, 1, *size)
        params = {name: value.to(pixels.device) for name, value in self.draw(len(pixels), *size).items()}
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
        state = np.random.get_state()  # noqa: NPY002 - the function draws from the global one
        np.random.seed(int(torch.randint(2**32, ())))  # noqa: NPY002
        try:
            samples = zip(image[:, 0].cpu().numpy(), mask[:, 0].cpu().numpy(), strict=True)
            pairs = [self.function(*sample) for sample in samples]
        finally:
            np.random.set_state(state)  # noqa: NPY002
        size = tuple(image.shape[-2:])
        for pair in pairs:
            if [np.shape(part) for part in pair] != [size, size]:
                found = " and ".join(str(np.shape(part)) for part in pair)
                raise ValueError(f"Expected image and mask of {size} from {self.function}, found {found}.")
        return tuple(
            torch.from_numpy(np.stack(parts).astype(np.float32))[:, None].to(image.device)
            for parts in zip(*pairs, strict=True)
        )


class FlipRoll(BatchTransform):
    """Exact moves of whole pixels: flips, and a circular roll in azimuth.

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
        left_right, up_down, roll = (torch.rand(3, n) < self.probabilities).long()
        return {"left_right": left_right, "up_down": up_down, "roll": roll * torch.randint(width, (n,))}

    def apply(self, image, mask, left_right, up_down, roll):
        height, width = image.shape[-2:]
        if height * width > PATCH_SIZE**2:  # all moves of large images would fill too large a table
            index = _moves(height, width, left_right, up_down, roll)
        else:
            index = _all_moves(height, width, image.device).index_select(
                0, (2 * left_right + up_down) * width + roll
            )
        return tuple(part.flatten(1).gather(1, index).view(part.shape) for part in (image, mask))


def _moves(height: int, width: int, left_right: Tensor, up_down: Tensor, roll: Tensor) -> Tensor:
    """(N, H * W): which pixel of its image each pixel takes."""
    rows = torch.arange(height, device=roll.device)
    columns = torch.arange(width, device=roll.device) - roll[:, None]
    # |i - last| counts backwards, |i - 0| forwards
    rows = (rows - (height - 1) * up_down[:, None]).abs()
    columns = (columns % width - (width - 1) * left_right[:, None]).abs()
    return (rows[:, :, None] * width + columns[:, None, :]).flatten(1)


@lru_cache
def _all_moves(height: int, width: int, device: torch.device) -> Tensor:
    """(4 W, H * W): `_moves` of each combination; looking it up takes a quarter of the time."""
    every = torch.arange(4 * width, device=device)
    return _moves(height, width, every // (2 * width), every // width % 2, every % width)


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
        rows = torch.arange(height, device=image.device) - (height - 1) / 2
        moves = (slope[:, None] * rows).round().long()  # (N, H)
        columns = (torch.arange(width, device=image.device) - moves[..., None]) % width  # (N, H, W)
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
        side = (self.scale[0] + (self.scale[1] - self.scale[0]) * area).sqrt()
        ratio = 1.25 ** (ratio - 0.5)  # square root of width / height
        heights = torch.where(cropped < self.p_crop, (side / ratio).clamp(max=1), 1.0) * height
        widths = torch.where(cropped < self.p_crop, (side * ratio).clamp(max=1), 1.0) * width
        return {
            "degrees": self.degrees * (2 * angle - 1) * (rotated < self.p_rotation),  # counter-clockwise
            "box": torch.stack([top * (height - heights), left * (width - widths), heights, widths]),
        }

    def apply(self, image, mask, degrees, box):
        height, width = image.shape[-2:]
        changed = ((degrees != 0) | (box[2] < height) | (box[3] < width)).nonzero()[:, 0]
        degrees, (top, left, heights, widths) = degrees[changed], box[:, changed, None]
        # Where the cropped rows and columns lie in the rotated image, from its centre, in pixels; like
        # torchvision's crop, the part does not look beyond its own border.
        y = (torch.arange(height, device=image.device) + 0.5) * heights / height - 0.5
        x = (torch.arange(width, device=image.device) + 0.5) * widths / width - 0.5
        y = y.clamp(min=0).minimum(heights - 1) + top - (height - 1) / 2
        x = x.clamp(min=0).minimum(widths - 1) + left - (width - 1) / 2
        # The rotation, in grid_sample's coordinates: -1 ... 1 from border to border
        angle = degrees[:, None].deg2rad()
        sin, cos = angle.sin(), angle.cos()
        # Pairs of x and y are added thrice as fast when torch takes them for complex numbers
        from_x = torch.complex(x * cos / (width / 2), x * sin / (height / 2))  # (N, W)
        from_y = torch.complex(-y * sin / (width / 2), y * cos / (height / 2))  # (N, H)
        grid = torch.view_as_real(from_x[:, None] + from_y[:, :, None])  # (N, H, W, 2)
        return tuple(
            part.index_copy(
                0, changed, F.grid_sample(part.index_select(0, changed), grid, mode, align_corners=False)
            )
            for part, mode in ((image, "bilinear"), (mask, "nearest"))
        )


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
        blurred = sigma.nonzero()[:, 0]
        offsets = torch.arange(-4, 5, device=image.device)
        weights = (-0.5 * (offsets / sigma[blurred, None]) ** 2).softmax(dim=1)  # (n, 9)
        # A blur along one axis is a matrix product, for which each sample may have its own matrix
        height, width = image.shape[-2:]
        matrices = {
            size: (weights @ _taps(size, image.device)).view(-1, size, size) for size in {height, width}
        }
        result = matrices[height] @ image.index_select(0, blurred)[:, 0] @ matrices[width].mT
        return image.index_copy(0, blurred, result[:, None]), mask


@lru_cache
def _taps(size: int, device: torch.device) -> Tensor:
    """(9, size * size) of 0 and 1: tap k of pixel i reads pixel j; beyond the border it is mirrored."""
    sources = F.pad(torch.arange(float(size))[None], (4, 4), mode="reflect")[0].long().unfold(0, 9, 1)
    return F.one_hot(sources, size).transpose(0, 1).flatten(1).float().to(device)


class PixelNoise(BatchTransform):
    """Replace a random share of the pixels by values drawn from the same image.

    Values of the image itself keep the noise on the data's scale, whatever that is.

    max_share : largest share of the pixels. p : probability for each sample.
    """

    def __init__(self, max_share: float = 0.10, p: float = 1.0):
        super().__init__()
        self.max_share, self.p = max_share, p

    def draw(self, n, height, width):
        chosen, share = torch.rand(2, n)
        most = int(self.max_share * height * width)
        where = torch.randint(height * width, (n, most))
        # One table for the batch: a pixel that comes up twice takes the same value twice
        table = torch.randint(height * width, (height * width,))
        noisy = (chosen < self.p).nonzero()[:, 0]
        pixels = 1 + (share[noisy, None] * most).long()
        # The first `pixels`, over and over: every sample has equally many indices
        where = where.index_select(0, noisy).gather(1, torch.arange(most) % pixels)
        return {"noisy": noisy, "where": where, "source": table[where]}

    def apply(self, image, mask, noisy, where, source):
        flat = image.index_select(0, noisy).flatten(1)
        flat = flat.scatter(1, where, flat.gather(1, source))
        return image.index_copy(0, noisy, flat.view(-1, *image.shape[1:])), mask


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
    """(value - mean) / std, the same for all: thickness deviations come to the order of 1."""

    def __init__(self, mean: float, std: float):
        super().__init__()
        self.mean, self.std = mean, std

    def apply(self, image, mask):
        return (image - self.mean if self.mean else image) / self.std, mask
