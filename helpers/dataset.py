"""From files to batches: `SegmentationDataset`, and the whole way as `data_preparation_pipeline`."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import v2

from helpers.config import PATCH_SIZE, Config
from helpers.data import find_data, load_data, read_images, read_labels
from helpers.preprocess import PreprocessData, repair_pixels
from helpers.split import PARTS, split_by_wells, split_y_to_train_val_test
from helpers.transforms import EachSample, Scale, eval_transform, flip_transform, to_tensors

# Of a batch of tensors, or a function of one patch's numpy arrays
Transform = v2.Transform | Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class SegmentationDataset(Dataset):
    """Patches and masks, read once and kept in memory as two tensors.

    A DataLoader gets whole batches from `__getitems__`, transformed at once, and hands them on with
    `keep_batch`. What is random in a batch follows from the seed and from the patches in it, so neither the
    number of workers matters nor what else draws random numbers. Each epoch shuffles the patches into other
    batches, which get other draws; without shuffling every epoch gets the same.

    Parameters
    ----------
    csv_file : labels in the challenge's format; its rows are the dataset's patches, in its order.
    root_dir : folder of `<patch name>.npy` images. Unusable pixels are repaired as in cleaning.
    transform : a v2 transform that takes and returns a batch (images, masks), see `helpers.transforms`; or a
        function that takes and returns one patch's image and mask, numpy arrays of (36, 36); None leaves them
        as they are.
    seed : of the random transforms.

    Attributes
    ----------
    names : list of N patch names.
    images : (N, 1, 36, 36) float32, repaired thickness variation, before any transform.
    masks : (N, 1, 36, 36) uint8, 0 or 1, a quarter of the images' size.

    Raises
    ------
    helpers.files.DataError : a file is missing or damaged.

    >>> dataset = SegmentationDataset("data/interim/y_val.csv", images_dir)  # doctest: +SKIP
    >>> image, mask = dataset[0]  # doctest: +SKIP
    """

    def __init__(self, csv_file: Path, root_dir: Path, transform: Transform | None = None, seed: int = 0):
        y = read_labels(Path(csv_file))
        images, _ = repair_pixels(read_images(Path(root_dir), y.index).to_numpy())
        self._keep(y, images, transform, seed)

    @classmethod
    def from_frames(
        cls, y: pd.DataFrame, images: pd.DataFrame, transform: Transform | None = None, seed: int = 0
    ) -> Self:
        """The same from cleaned frames of equal names, as `PreprocessData` returns them."""
        dataset = cls.__new__(cls)
        if not images.index.equals(y.index):  # else it would copy all pixels for nothing
            images = images.loc[y.index]
        dataset._keep(y, images, transform, seed)
        return dataset

    def _keep(self, y: pd.DataFrame, pixels, transform: Transform | None, seed: int) -> None:
        if transform is not None and not isinstance(transform, v2.Transform):
            transform = EachSample(transform)
        self.names, self.transform, self.seed = list(y.index), transform, seed
        self.images, self.masks = as_images(pixels), as_images(y, np.uint8)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (image, mask), each (1, 36, 36) float32, transformed: a batch of one."""
        images, masks = self.__getitems__([range(len(self))[index]])
        return images[0], masks[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the batch (images, masks), each (len(indices), 1, 36, 36) float32, transformed."""
        with draw_from(self.seed, indices):
            rows = torch.tensor(indices)
            images = self.images.index_select(0, rows)  # thrice as fast as self.images[rows]
            masks = self.masks.index_select(0, rows).float()
            if self.transform is not None:
                images, masks = self.transform(*to_tensors(images, masks))
        # plain tensors: what comes after needs no tv_tensors, and they cost time in every operation
        return images.as_subclass(Tensor), masks.as_subclass(Tensor)


@contextmanager
def draw_from(seed: int, indices: Sequence[int]) -> Iterator[None]:
    """Inside, what is random on the CPU follows from the seed and from a batch's indices; afterwards torch's
    generator is as before."""
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed, which would reset the GPU's generator as well
        torch.default_generator.manual_seed(crc32(np.array([seed, *indices], np.int64)))
        yield


def keep_batch(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Collate nothing: `SegmentationDataset` gives whole batches. A function, so that workers can get it."""
    return batch


class _RememberedOrder(RandomSampler):
    """Shuffles as RandomSampler does, and remembers the last order."""

    def __iter__(self) -> Iterator[int]:
        self.order = list(super().__iter__())
        return iter(self.order)


class BatchLoader(DataLoader):
    """A DataLoader that fetches eight batches at once and hands them out one by one.

    For a batch of 16 patches the calls cost more than the work: fetched alone it takes three times as long.
    So the random numbers of a batch follow from the patches of all eight. Only the attribute `batch_size`
    says how many are fetched.

    Parameters
    ----------
    dataset : gives whole batches from `__getitems__`.
    size : patches of a batch; the last one of an epoch may have fewer.
    seed : of the shuffling.

    >>> for images, masks in BatchLoader(dataset, size=16, shuffle=True):  # doctest: +SKIP
    ...     ...  # (16, 1, 36, 36) each
    """

    def __init__(
        self, dataset: SegmentationDataset, size: int, shuffle: bool, seed: int = 0, num_workers: int = 0
    ):
        generator = torch.Generator().manual_seed(seed)
        super().__init__(
            dataset,
            batch_size=8 * size,
            sampler=_RememberedOrder(dataset, generator=generator) if shuffle else None,
            num_workers=num_workers,
            collate_fn=keep_batch,
            pin_memory=torch.cuda.is_available(),
            generator=generator,
        )
        self.size = size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, masks in super().__iter__():
            yield from zip(images.split(self.size), masks.split(self.size), strict=True)

    def __len__(self) -> int:
        return math.ceil(len(self.dataset) / self.size)

    def names_of_batch(self, number: int) -> list[str]:
        """Names of the patches of batch `number`, from 0, of the epoch that was begun last."""
        order = getattr(self.sampler, "order", range(len(self.dataset)))
        return [self.dataset.names[row] for row in order[number * self.size : (number + 1) * self.size]]


def as_images(pixels: np.ndarray | pd.DataFrame, dtype: type = np.float32) -> Tensor:
    """(N, 1296) pixels, row by row -> (N, 1, 36, 36) tensor of `dtype`, a copy."""
    return torch.from_numpy(np.array(pixels, dtype, order="C")).view(-1, 1, PATCH_SIZE, PATCH_SIZE)


@dataclass(frozen=True)
class PreparedData:
    """What `data_preparation_pipeline` returns; `cleaning` holds the PreprocessData of each part."""

    train: BatchLoader
    val: BatchLoader
    test: BatchLoader
    cleaning: dict[str, PreprocessData]


def data_preparation_pipeline(
    folder: Path | None = None,
    config: Config = Config(),
    train_transform: Transform | None = None,
) -> PreparedData:
    """Load, check, split by wells, clean, write data/interim/y_*.csv, and return three DataLoaders.

    Odd patches are looked for in the training wells only, after the split; validation and test wells
    are repaired, and lose none but their ruined patches.

    Parameters
    ----------
    folder : a data folder, see `helpers.data.load_data`; by default what `helpers.data.find_data` finds.
    train_transform : by default `flip_transform`. A v2 transform must end in the network's scale; a function
        of numpy arrays is followed by it. Validation and test always get `eval_transform`.

    Returns
    -------
    PreparedData; its loaders give (images, masks), both (B, 1, 36, 36) float32, in page-locked memory where
    there is a GPU. Only `train` is shuffled. All that is random follows from `config.seed`. The loaders
    have no workers: a batch is made faster than a worker could hand it over.

    Raises
    ------
    helpers.files.DataError : see `load_data`, `split_y_to_train_val_test` and `PreprocessData`.

    >>> data = data_preparation_pipeline(folder)  # doctest: +SKIP
    >>> images, masks = next(iter(data.train))  # doctest: +SKIP
    """
    if train_transform is None:
        train_transform = flip_transform(config)
    elif not isinstance(train_transform, v2.Transform):
        scale = Scale(config.value_mean, config.value_std)
        train_transform = v2.Compose([EachSample(train_transform), scale])
    y, images = load_data(folder or find_data(config).folder, config.unpacked_dir)
    patches = [(y_part, images.loc[y_part.index]) for y_part in split_by_wells(y, config)]
    del y, images  # the parts are copies; each goes as soon as it is cleaned
    cleaning, kept, loaders = {}, [], {}
    for part in PARTS:
        training = part == "train"
        cleaning[part] = PreprocessData(config)
        clean = cleaning[part].fit_transform if training else cleaning[part].transform
        cleaned = clean(*patches.pop(0))
        transform = train_transform if training else eval_transform(config)
        dataset = SegmentationDataset.from_frames(*cleaned, transform, config.seed)
        loaders[part] = BatchLoader(dataset, config.batch_size, shuffle=training, seed=config.seed)
        kept.append(cleaned[0])
    split_y_to_train_val_test(pd.concat(kept), config)
    return PreparedData(**loaders, cleaning=cleaning)
