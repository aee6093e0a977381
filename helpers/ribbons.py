"""Drawn grooves as ribbons: their holes, and their centre and width row by row."""

import numpy as np
import pandas as pd

from helpers.grooves import label_grooves
from helpers.refinement import fill_holes


def find_holes(mask: np.ndarray, largest: int = 40) -> np.ndarray:
    """Wall that a groove encloses, (H, W) bool; what is larger than `largest` pixels is no slip of the pen.

    Parameters
    ----------
    mask : (H, W) of 0 and 1; the last column meets the first.
    """
    half = mask.shape[1] // 2
    around = np.pad(mask, ((0, 0), (half, half)), mode="wrap")[None]  # or a hole at the wrap stays open
    holes = (fill_holes(around)[0] != around[0])[:, half : half + mask.shape[1]]
    numbers = label_grooves(holes)
    sizes = np.bincount(numbers.ravel())
    return holes & (sizes[numbers] <= largest)


def ribbon_rows(mask: np.ndarray) -> pd.DataFrame:
    """Follow each groove of a mask row by row, its holes filled.

    Returns
    -------
    One row for each groove and each image row it is in, in that order: groove (number), row, centre (columns,
    unwrapped: it may leave 0 ... W), width (columns).
    """
    filled = (mask > 0) | find_holes(mask)
    numbers, width = label_grooves(filled), mask.shape[1]
    row, column = np.nonzero(numbers)
    frame = pd.DataFrame({"groove": numbers[row, column], "row": row})
    angle = 2 * np.pi * column / width
    frame["x"], frame["y"], frame["width"] = np.cos(angle), np.sin(angle), 1
    rows = frame.groupby(["groove", "row"], as_index=False).sum()
    direction = pd.Series(np.arctan2(rows["y"], rows["x"]))
    turned = direction.groupby(rows["groove"]).transform(np.unwrap) if len(rows) else direction
    rows["centre"] = turned * width / (2 * np.pi)
    return rows[["groove", "row", "centre", "width"]]
