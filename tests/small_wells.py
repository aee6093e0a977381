"""A few patches of every well, for the tests of studies."""

import numpy as np
import pandas as pd

from helpers.data import COLUMNS
from helpers.data.wells import ALL_WELLS, patch_name


def small_wells() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Masks and images of 8 patches of each well, with plain vertical grooves but in wells 9 and 10."""
    rng = np.random.default_rng(0)
    names = [patch_name(well, number) for well in ALL_WELLS for number in range(8)]
    masks = np.zeros((len(names), 36, 36), np.uint8)
    for mask, column in zip(masks, rng.integers(2, 30, len(names)), strict=True):
        mask[:, column : column + 4] = 1
    masks[8 * 8 : 10 * 8] = 0
    images = rng.normal(0, 0.01, masks.shape) - 0.05 * masks
    index = pd.Index(names, name="patch")
    return tuple(
        pd.DataFrame(pixels.reshape(len(names), -1).astype(kind), index, COLUMNS)
        for pixels, kind in ((masks, np.uint8), (images, np.float32))
    )
