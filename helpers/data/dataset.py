"""From files to batches: `SegmentationDataset`, and the whole way as `data_preparation_pipeline`."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.config import Config
from helpers.data.load import find_data, load_data, read_images, read_labels
from helpers.data.preprocess import PreprocessData, as_images, repair_pixels
from helpers.data.split import PARTS, split_by_wells, split_y_to_train_val_test
from helpers.data.transforms import Arrays, NumpyTransform, flip_transform, normalize

# Of tv_tensors, see `helpers.data.transforms`, or a function of one patch's numpy arrays
Transform = nn.Module | Callable[[np.ndarray, np.ndarray], Arrays]


class SegmentationDataset(Dataset):
    """Patches and masks, read once and kept in memory as two tensors: all real ones together are 63 MB.

    csv_file : labels in the challenge's format; its rows are the dataset's patches, in its order.
    root_dir : folder of `<patch name>.npy` images. Unusable pixels are repaired as in cleaning.
    transform : takes and returns one patch's image and mask: a v2 transform, see `helpers.data.transforms`,
        or a function of numpy arrays of (36, 36); None leaves them as they are.

    Attributes: names, a list of N patch names; images, (N, 1, 36, 36) float32, repaired thickness variation
    before any transform; masks, the same in uint8 of 0 and 1; cleaning, the `PreprocessData` that cleaned the
    patches, where `data_preparation_pipeline` did. DataError : a file is missing or damaged.

    >>> dataset = SegmentationDataset("data/interim/y_val.csv", images_dir)  # doctest: +SKIP
    >>> image, mask = dataset[0]  # doctest: +SKIP
    """

    def __init__(self, csv_file: Path, root_dir: Path, transform: Transform | None = None):
        y = read_labels(Path(csv_file))
        images, _ = repair_pixels(read_images(Path(root_dir), y.index).to_numpy())
        self._keep(y, images, transform)

    @classmethod
    def from_frames(cls, y: pd.DataFrame, images: pd.DataFrame, transform: Transform | None = None) -> Self:
        """The same from cleaned frames, as `PreprocessData` returns them; `images` may have more rows."""
        dataset = cls.__new__(cls)
        dataset._keep(y, images.loc[y.index], transform)
        return dataset

    def _keep(self, y: pd.DataFrame, pixels: np.ndarray | pd.DataFrame, transform: Transform | None) -> None:
        self.transform = None if transform is None else as_module(transform)
        self.names, self.cleaning = list(y.index), None
        self.images, self.masks = as_images(pixels), as_images(y, np.uint8)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (image, mask), each (1, 36, 36) float32; each call draws the transform's changes anew."""
        image, mask = self.images[index], self.masks[index].float()
        if self.transform is not None:
            image, mask = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)


def data_preparation_pipeline(
    folder: Path | None = None,
    config: Config = Config(),
    train_transform: Transform | None = None,
    num_workers: int = 0,
) -> tuple[dict[str, SegmentationDataset], dict[str, DataLoader]]:
    """Load, check, split by wells, clean, write data/interim/y_*.csv, and return datasets and loaders.

    Odd patches are looked for in the training wells only, after the split; validation and test wells
    are repaired, and lose none but their ruined patches.

    folder : a data folder, see `load_data`, which says what is raised; by default what `find_data` finds.
    train_transform : by default `flip_transform`; the network's scale is put after it, as it is after
        validation's and test's images, which nothing else is done to.
    num_workers : processes that make training batches; with 0 the main one does.

    Returns datasets and loaders, each with "train", "val" and "test". Batches are (images, masks), both
    (B, 1, 36, 36) float32. Only training batches are shuffled, by torch's global generator.

    >>> datasets, loaders = data_preparation_pipeline()  # doctest: +SKIP
    >>> images, masks = next(iter(loaders["train"]))  # doctest: +SKIP
    """
    y, images = load_data(folder or find_data(config).folder)
    datasets, loaders, kept = {}, {}, []
    for part, labels in zip(PARTS, split_by_wells(y, config), strict=True):
        cleaning, training = PreprocessData(config), part == "train"
        clean = cleaning.fit_transform if training else cleaning.transform
        labels, pixels = clean(labels, images.loc[labels.index])
        changes = [as_module(train_transform or flip_transform())] if training else []
        datasets[part] = SegmentationDataset.from_frames(
            labels, pixels, v2.Compose([*changes, normalize(config)])
        )
        datasets[part].cleaning = cleaning
        loaders[part] = make_loader(datasets[part], config.batch_size, training, num_workers * training)
        kept.append(labels)
    split_y_to_train_val_test(pd.concat(kept), config)
    return datasets, loaders


def as_module(transform: Transform) -> nn.Module:
    """The transform itself, or a function of numpy arrays as one."""
    return transform if isinstance(transform, nn.Module) else NumpyTransform(transform)


def make_loader(dataset: Dataset, batch_size: int, shuffle: bool = False, num_workers: int = 0) -> DataLoader:
    """A plain DataLoader, whose batches lie in page-locked memory where there is a GPU to copy them to."""
    return DataLoader(
        dataset, batch_size, shuffle, num_workers=num_workers, pin_memory=torch.cuda.is_available()
    )
