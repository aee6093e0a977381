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
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import v2

from helpers.config import PATCH_SIZE, Config
from helpers.dataset import draw_from, keep_batch
from helpers.preprocess import usable_pixels
from helpers.transforms import to_tensors
from helpers.wells import well_from_frame, wells_of
from helpers.whole_wells.geometry import check_well

Wells = dict[int, tuple[Tensor, Tensor]]
HEIGHT = 144  # rows of a section, chosen by folds in notebook 07


def assemble_wells(
    y: pd.DataFrame, images: pd.DataFrame, wells: Sequence[int], config: Config = Config()
) -> Wells:
    """Put wells together from their patches, masked instead of repaired.

    Parameters
    ----------
    y, images : (n, 1296) each, as `helpers.data.load_data` returns them: not cleaned.
    wells : those to assemble.

    Returns
    -------
    well -> (thickness, mask), each (H, 36 or 72) float32. Where a patch is missing, or a pixel unusable, the
    thickness is 0, which is the mean, and the mask NaN, which is unknown: nothing is learned there.

    Raises
    ------
    ValueError : a well has no patch.
    """
    assembled = {}
    of_patch = wells_of(images)
    for well in wells:
        thickness, mask = (well_from_frame(frame[of_patch == well], well) for frame in (images, y))
        usable = usable_pixels(thickness, config)
        thickness, mask = np.where(usable, thickness, 0), np.where(usable, mask, np.nan)
        assembled[well] = torch.from_numpy(thickness).float(), torch.from_numpy(mask).float()
    return assembled


class SectionDataset(Dataset):
    """Sections of `height` rows that cover each well from top to bottom.

    Batches and randomness are as in `helpers.dataset.SegmentationDataset`.

    Parameters
    ----------
    wells : from `assemble_wells`. A well that is shorter than a section gets unknown rows below it.
    height : rows of a section.
    transform : takes and returns a batch (images, masks), see `helpers.transforms`.
    moving : for training: each time a section is fetched it starts somewhere else, up to half its height
        away, so that its borders move.
    seed : of the random starts and transforms.

    Attributes
    ----------
    names : of the sections, for example "well 3, rows 360 to 719".
    images, masks : lists of (1, height, 36 or 72) tensors, at rest and not transformed.

    Raises
    ------
    ValueError : the height is below 1, there are no wells, or one of them cannot be a well.
    """

    def __init__(
        self,
        wells: Wells,
        height: int,
        transform: v2.Transform | None = None,
        moving: bool = False,
        seed: int = 0,
    ):
        if height < 1:
            raise ValueError(f"Expected sections of at least 1 row, found a height of {height}.")
        if not wells:
            raise ValueError("Expected at least one well, found none.")
        for image, mask in wells.values():
            check_well(image.shape)
            if mask.shape != image.shape:
                raise ValueError(
                    f"Expected a mask like the image, {tuple(image.shape)}, found {tuple(mask.shape)}."
                )
        self.wells, self.height, self.moving = wells, height, moving
        self.transform, self.seed = transform, seed
        self.places = [
            (well, start) for well, (image, _) in wells.items() for start in range(0, len(image), height)
        ]
        self.names = [f"well {well}, rows {start} to {start + height - 1}" for well, start in self.places]
        self.widths = [wells[well][0].shape[1] for well, _ in self.places]
        self.images, self.masks = zip(*(self._cut(well, start) for well, start in self.places), strict=True)

    def _cut(self, well: int, start: int) -> tuple[Tensor, Tensor]:
        """One section (1, height, W); rows beyond the bottom of the well are unknown."""
        image, mask = (part[start : start + self.height] for part in self.wells[well])
        below = (0, 0, 0, self.height - len(image))
        return F.pad(image, below)[None], F.pad(mask, below, value=torch.nan)[None]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (image, mask), each (1, height, W) float32, transformed: a batch of one."""
        images, masks = self.__getitems__([range(len(self))[index]])
        return images[0], masks[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the batch (images, masks), each (len(indices), 1, height, W); all of one width."""
        with draw_from(self.seed, indices):
            sections = [self._section(index) for index in indices]
            images, masks = (torch.stack(part) for part in zip(*sections, strict=True))
            if self.transform is not None:
                images, masks = self.transform(*to_tensors(images, masks))
        return images.as_subclass(Tensor), masks.as_subclass(Tensor)

    def _section(self, index: int) -> tuple[Tensor, Tensor]:
        well, start = self.places[index]
        if self.moving:
            lowest = max(0, len(self.wells[well][0]) - self.height)
            start += int(torch.randint(-(self.height // 2), self.height // 2 + 1, ()))
            start = min(max(start, 0), lowest)
        return self._cut(well, start)


class SectionLoader(DataLoader):
    """Batches of sections, each batch of one width, about as many pixels in all.

    Parameters
    ----------
    patches : pixels of a batch, in patches of 36 x 36; a batch has at least one section.
    shuffle, seed : as in `helpers.dataset.BatchLoader`.
    """

    def __init__(self, dataset: SectionDataset, patches: int, shuffle: bool, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        batches = _OneWidth(dataset, patches * PATCH_SIZE**2, generator if shuffle else None)
        super().__init__(
            dataset,
            batch_sampler=batches,
            collate_fn=keep_batch,
            pin_memory=torch.cuda.is_available(),
            generator=generator,
        )

    def names_of_batch(self, number: int) -> list[str]:
        """Names of the sections of batch `number`, from 0, of the epoch that was begun last."""
        return [self.dataset.names[index] for index in self.batch_sampler.batches[number]]


class _OneWidth(Sampler[list[int]]):
    """Batches of sections of one width; remembers those of the last epoch."""

    def __init__(self, dataset: SectionDataset, pixels: int, generator: torch.Generator | None):
        self.groups: dict[int, list[int]] = {}
        for index, width in enumerate(dataset.widths):
            self.groups.setdefault(width, []).append(index)
        self.sizes = {width: max(1, round(pixels / (dataset.height * width))) for width in self.groups}
        self.generator = generator

    def __len__(self) -> int:
        return sum(-(-len(group) // self.sizes[width]) for width, group in self.groups.items())

    def __iter__(self) -> Iterator[list[int]]:
        self.batches = []
        for width, group in self.groups.items():
            group, size = self._shuffled(group), self.sizes[width]
            self.batches += [group[first : first + size] for first in range(0, len(group), size)]
        self.batches = self._shuffled(self.batches)
        return iter(self.batches)

    def _shuffled(self, items: list) -> list:
        if self.generator is None:
            return items
        return [items[place] for place in torch.randperm(len(items), generator=self.generator)]
