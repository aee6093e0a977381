"""From files to batches: `SegmentationDataset`, and the whole way as `data_preparation_pipeline`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from helpers.config import PATCH_SIZE, Config
from helpers.data import load_data, read_images, read_labels
from helpers.preprocess import PreprocessData, repair_pixels
from helpers.split import PARTS, split_y_to_train_val_test, write_split
from helpers.transforms import eval_transform, flip_transform, to_tensors


class SegmentationDataset(Dataset):
    """Patches and masks, read once and kept in memory as two tensors.

    Parameters
    ----------
    csv_file : labels in the challenge's format; its rows are the dataset's patches, in its order.
    root_dir : folder of `<patch name>.npy` images. Unusable pixels are repaired as in cleaning.
    transform : takes and returns (image, mask), see `helpers.transforms`; None leaves both as they are.

    Attributes
    ----------
    names : list of N patch names.
    images : (N, 1, 36, 36) float32, repaired thickness variation, before any transform.
    masks : (N, 1, 36, 36) float32, 0 or 1.

    Raises
    ------
    helpers.files.DataError : a file is missing or damaged.

    >>> dataset = SegmentationDataset("data/interim/y_val.csv", images_dir)  # doctest: +SKIP
    >>> image, mask = dataset[0]  # doctest: +SKIP
    """

    def __init__(self, csv_file: Path, root_dir: Path, transform: v2.Transform | None = None):
        y = read_labels(Path(csv_file))
        images, _, _ = repair_pixels(read_images(Path(root_dir), y.index).to_numpy())
        self._keep(y, images, transform)

    @classmethod
    def from_frames(
        cls, y: pd.DataFrame, images: pd.DataFrame, transform: v2.Transform | None = None
    ) -> Self:
        """The same from cleaned frames with equal indexes, as `PreprocessData` returns them."""
        dataset = cls.__new__(cls)
        dataset._keep(y, images.loc[y.index].to_numpy(), transform)
        return dataset

    def _keep(self, y: pd.DataFrame, pixels: np.ndarray, transform: v2.Transform | None) -> None:
        self.names = list(y.index)
        self.images = as_images(pixels)
        self.masks = as_images(y)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (image, mask), each (1, 36, 36) float32, transformed."""
        image, mask = to_tensors(self.images[index], self.masks[index])
        if self.transform is not None:
            image, mask = self.transform(image, mask)
        # plain tensors: what comes after needs no tv_tensors, and they cost time in every operation
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)


def as_images(pixels: np.ndarray | pd.DataFrame) -> Tensor:
    """(N, 1296) pixels, row by row -> (N, 1, 36, 36) float32 tensor, a copy."""
    return torch.from_numpy(np.array(pixels, np.float32)).view(-1, 1, PATCH_SIZE, PATCH_SIZE)


@dataclass(frozen=True)
class PreparedData:
    """What `data_preparation_pipeline` returns; `cleaning` holds the PreprocessData of each part."""

    train: DataLoader
    val: DataLoader
    test: DataLoader
    cleaning: dict[str, PreprocessData]


def data_preparation_pipeline(
    folder: Path,
    config: Config = Config(),
    train_transform: v2.Transform | None = None,
) -> PreparedData:
    """Load, check, split by wells, clean, write data/interim/y_*.csv, and return three DataLoaders.

    Odd patches are looked for in the training wells only, after the split; validation and test wells
    are repaired, and lose none but their ruined patches.

    Parameters
    ----------
    folder : a data folder, see `helpers.data.load_data`.
    train_transform : by default `flip_transform`; validation and test always get `eval_transform`.

    Returns
    -------
    PreparedData; its loaders give (images, masks), both (B, 1, 36, 36) float32. Only `train` is shuffled,
    from a generator seeded with `config.seed`.

    Raises
    ------
    helpers.files.DataError : see `load_data`, `split_y_to_train_val_test` and `PreprocessData`.

    >>> data = data_preparation_pipeline(folder)  # doctest: +SKIP
    >>> images, masks = next(iter(data.train))  # doctest: +SKIP
    """
    y, images = load_data(folder, config.unpacked_dir)
    cleaning, cleaned = {}, {}
    for part, y_part in zip(PARTS, split_y_to_train_val_test(y, config), strict=True):
        cleaning[part] = PreprocessData(config)
        clean = cleaning[part].fit_transform if part == "train" else cleaning[part].transform
        cleaned[part] = clean(y_part, images.loc[y_part.index])
    write_split([cleaned[part][0] for part in PARTS], config)

    transforms = {
        "train": train_transform or flip_transform(config),
        "val": eval_transform(config),
        "test": eval_transform(config),
    }
    loaders = {
        part: DataLoader(
            SegmentationDataset.from_frames(*cleaned[part], transforms[part]),
            batch_size=config.batch_size,
            shuffle=part == "train",
            generator=torch.Generator().manual_seed(config.seed),
        )
        for part in PARTS
    }
    return PreparedData(**loaders, cleaning=cleaning)
