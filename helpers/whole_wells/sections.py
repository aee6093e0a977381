"""Whole wells to learn from: tall sections of assembled wells, all around the pipe.

A patch of 36 rows is a tenth of a pipe's joint. A section is as tall as one likes, has the well's own 36 or
72 columns, and marks the pixels without a measurement.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, SubsetRandomSampler
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import PATCH_SIZE, Config
from helpers.data.preprocess import usable_pixels
from helpers.data.transforms import Brightness, RandomRoll, flip_transform
from helpers.data.wells import columns_of, well_from_frame, wells_of
from helpers.whole_wells.geometry import HEIGHT, check_well

Wells = dict[int, tuple[Tensor, Tensor]]


def assemble_wells(
    y: pd.DataFrame,
    images: pd.DataFrame,
    wells: Sequence[int],
    config: Config = Config(),
    columns: int | None = None,
) -> Wells:
    """Put wells together from their patches, masked instead of repaired.

    y, images : (n, 1296) each, as `helpers.data.load_data` returns them: not cleaned.
    columns : around the pipe, of wells whose patches do not tell it, see `helpers.data.wells.columns_of`.

    Returns well -> (thickness, mask), each (H, 36 or 72) float32. Where a patch is missing, or a pixel
    unusable, the thickness is 0, which is the mean, and the mask NaN, which is unknown: nothing is learned
    there. ValueError : a well has no patch, or its width cannot be told.
    """
    assembled = {}
    of_patch = wells_of(images)
    for well in wells:
        pixels, marks = (frame[of_patch == well] for frame in (images, y))
        width = columns_of(pixels, well, columns)
        thickness, mask = (well_from_frame(frame, well, width) for frame in (pixels, marks))
        usable = usable_pixels(thickness, config)
        thickness, mask = np.where(usable, thickness, 0), np.where(usable, mask, np.nan)
        assembled[well] = torch.from_numpy(thickness).float(), torch.from_numpy(mask).float()
    return assembled


class SectionDataset(Dataset):
    """Sections of `height` rows that cover each well from top to bottom.

    wells : from `assemble_wells`. A well that is shorter than a section gets unknown rows below it.
    transform : takes and returns one section's image and mask, see `helpers.data.transforms`.
    moving : for training: each time a section is fetched it starts somewhere else, up to half its height
        away, so that its borders move. Starts and transforms are drawn from torch's global generator.
    config : its scale is applied last, to every section.

    Attributes: places, (well, first row) of each section at rest; images and masks, lists of (1, height, 36
    or 72) tensors, at rest, neither transformed nor scaled. ValueError : the height is below 1, there are no
    wells, or one of them cannot be a well.
    """

    def __init__(
        self,
        wells: Wells,
        height: int = HEIGHT,
        transform: v2.Transform | None = None,
        moving: bool = False,
        config: Config = Config(),
    ):
        if height < 1:
            raise ValueError(f"Expected sections of at least 1 row, found a height of {height}.")
        if not wells:
            raise ValueError("Expected at least one well, found none.")
        for image, _ in wells.values():
            check_well(image.shape)
        self.wells, self.height, self.moving = wells, height, moving
        self.transform, self.config = transform, config
        self.places = [(well, top) for well in wells for top in range(0, len(wells[well][0]), height)]
        self.images, self.masks = zip(*(self._cut(well, start) for well, start in self.places), strict=True)

    def _cut(self, well: int, start: int) -> tuple[Tensor, Tensor]:
        """One section (1, height, W); rows beyond the bottom of the well are unknown."""
        image, mask = (part[start : start + self.height] for part in self.wells[well])
        below = (0, 0, 0, self.height - len(image))
        return F.pad(image, below)[None], F.pad(mask, below, value=torch.nan)[None]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (image, mask), each (1, height, W) float32, moved, transformed and scaled."""
        well, start = self.places[index]
        if self.moving:
            lowest = max(0, len(self.wells[well][0]) - self.height)
            start += int(torch.randint(-(self.height // 2), self.height // 2 + 1, ()))
            start = min(max(start, 0), lowest)
        image, mask = self._cut(well, start)
        if self.transform is not None:
            image, mask = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        image = (image - self.config.value_mean) / self.config.value_std
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)


def section_loader(dataset: SectionDataset, patches: int, shuffle: bool = False) -> DataLoader:
    """Batches of sections, each batch of one width, with about as many pixels as so many patches have."""
    batches = OneWidth(dataset, patches * PATCH_SIZE**2, shuffle)
    return DataLoader(dataset, batch_sampler=batches, pin_memory=torch.cuda.is_available())


class OneWidth(Sampler[list[int]]):
    """Batches of sections of one width; shuffled, they are others in each epoch."""

    def __init__(self, dataset: SectionDataset, pixels: int, shuffle: bool):
        groups: dict[int, list[int]] = {}
        for index, image in enumerate(dataset.images):
            groups.setdefault(image.shape[-1], []).append(index)
        self.order, in_group = (torch.randperm, SubsetRandomSampler) if shuffle else (range, list)
        size = {width: max(1, round(pixels / (dataset.height * width))) for width in groups}
        self.groups = [BatchSampler(in_group(groups[width]), size[width], False) for width in groups]

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    def __iter__(self) -> Iterator[list[int]]:
        batches = [batch for group in self.groups for batch in group]
        return iter([batches[place] for place in self.order(len(batches))])


def well_transform() -> v2.Compose:
    """For sections of whole wells: what leaves a pipe a pipe, that is flips, roll, twist and brightness."""
    twist = v2.RandomApply([RandomTwist(0.05)])
    return v2.Compose([flip_transform(), RandomRoll(), twist, Brightness(0.5)])


class RandomTwist(v2.Transform):
    """Roll each row a little further than the one above, by whole pixels: a groove drifts around the pipe.

    limit : largest drift, columns a row, either way; 0.05 is what the wells that drift most do.
    """

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def make_params(self, flat_inputs):
        height, width = flat_inputs[0].shape[-2:]
        slope = self.limit * (2 * torch.rand(()) - 1)
        moves = (slope * (torch.arange(height) - (height - 1) / 2)).round().long()  # from the middle row
        return {"columns": (torch.arange(width) - moves[:, None]) % width}  # (H, W): where each pixel was

    def transform(self, inpt, params):
        twisted = inpt.as_subclass(Tensor).gather(-1, params["columns"].expand(inpt.shape))
        return tv_tensors.wrap(twisted, like=inpt)
