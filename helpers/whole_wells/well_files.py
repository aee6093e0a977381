"""Assembled wells on disk: one `.npy` a well, read a few rows at a time."""

from pathlib import Path

import numpy as np

from helpers.files import DataError, check_input, reason_of, replace_atomically
from helpers.whole_wells.geometry import check_well


def save_well(image: np.ndarray, path: Path) -> None:
    """Save an assembled well, (H, W) numbers, as `path`, which ends in ".npy"; DataError if it cannot be."""
    check_well(image.shape)
    with replace_atomically(path) as temporary:
        np.save(temporary, image, allow_pickle=False)


def open_well(path: Path) -> np.memmap:
    """Open a well that `save_well` saved, memory-mapped: rows are read when they are asked for. DataError :
    the file is missing, damaged, or no well of floating-point numbers."""
    try:
        check_input(path)
        image = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(image, np.memmap) or image.dtype.kind != "f":
            found = f"{image.dtype} of shape {image.shape}" if hasattr(image, "dtype") else "an archive"
            raise ValueError(f"found {found}")
        check_well(image.shape)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path}: expected a .npy file of one well, rows x columns of floating-point numbers "
            f"({reason_of(error)})."
        ) from error
    return image
