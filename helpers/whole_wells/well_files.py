"""Assembled wells on disk: one `.npy` a well, read a few rows at a time."""

from pathlib import Path

import numpy as np

from helpers.files import DataError, reason_of, replace_atomically
from helpers.whole_wells.geometry import check_well


def save_well(image: np.ndarray, path: Path) -> None:
    """Save an assembled well, (H, W) numbers, as `path`, which ends in ".npy".

    Raises
    ------
    ValueError : the image cannot be a well, see `geometry.check_well`.
    DataError : the file cannot be written.
    """
    check_well(image.shape)
    with replace_atomically(path) as temporary:
        np.save(temporary, image, allow_pickle=False)


def open_well(path: Path) -> np.memmap:
    """Open a well that `save_well` saved, memory-mapped: rows are read when they are asked for.

    Raises
    ------
    DataError : the file is missing, damaged, or no well of floating-point numbers.

    >>> open_well("well_3.npy")[1000:1360].mean()  # doctest: +SKIP
    """
    expected = "a .npy file of one well, rows x columns of floating-point numbers"
    try:
        image = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: expected {expected}, could not read it ({reason_of(error)}).") from error
    if not isinstance(image, np.memmap) or image.dtype.kind != "f":
        found = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else "an archive"
        raise DataError(f"{path}: expected {expected}, found {found}.")
    try:
        check_well(image.shape)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    return image
