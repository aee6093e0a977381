"""Drawn grooves as ribbons: their holes, and their centre and width row by row."""

import numpy as np
import pandas as pd
from scipy.ndimage import binary_fill_holes, uniform_filter1d

from helpers.wells import label_grooves


def find_holes(mask: np.ndarray, largest: int = 40) -> np.ndarray:
    """Wall that a groove encloses, (H, W) bool; what is larger than `largest` pixels is no slip of the pen.

    Parameters
    ----------
    mask : (H, W) of 0 and 1; the last column meets the first.
    """
    half = mask.shape[1] // 2
    around = np.pad(mask, ((0, 0), (half, half)), mode="wrap")  # or a hole at the wrap stays open
    holes = (binary_fill_holes(around) != around.astype(bool))[:, half : half + mask.shape[1]]
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


# ---------------------------------------------------------------- slips


STEPS = 4  # places looked at between two columns


def find_slips(mask: np.ndarray, thickness: np.ndarray, window: int = 31, least: int = 20) -> pd.DataFrame:
    """Stretches whose ribbon lies a whole column or more beside the metal loss.

    The image around the ribbon is averaged over `window` rows, as seen from the ribbon's centre, and shifted
    until it fits the average of the whole well best. Where the best shift is not 0 over `least` rows or more,
    the ribbon has slipped. A systematic offset of a whole well cannot be seen so, since it is in the average.

    Parameters
    ----------
    mask, thickness : (H, W); thickness that is NaN counts as 0, the mean.

    Returns
    -------
    One row a stretch: groove, start_row, end_row, columns (where the metal loss lies, seen from the ribbon's
    centre: positive is to the right).
    """
    rows = ribbon_rows(mask)
    found = []
    if len(rows):
        reach = round(STEPS * max(3, 1.5 * rows["width"].median()))  # all in steps of 1 / STEPS column
        furthest = 2 * STEPS
        offsets = np.arange(-reach - furthest, reach + furthest + 1) / STEPS
        profile = _interpolated(np.nan_to_num(thickness), rows["row"].to_numpy(), rows["centre"], offsets)
        template = profile.mean(axis=0)[furthest:-furthest]
        template = template - template.mean()
        shifts = np.arange(-furthest, furthest + 1)
        for groove, part in rows.groupby("groove"):
            smooth = uniform_filter1d(profile[part.index], window, axis=0, mode="nearest")
            fits = []
            for shift in shifts + furthest:
                seen = smooth[:, shift : shift + len(template)]
                fits.append((seen - seen.mean(axis=1, keepdims=True)) @ template)
            fits = np.array(fits)
            best = shifts[fits.argmax(axis=0)] / STEPS

            side = np.where(np.abs(best) >= 0.75, np.sign(best), 0)
            starts = np.flatnonzero(np.diff(side, prepend=2))
            image_rows = part["row"].to_numpy()
            for start, end in zip(starts, [*starts[1:], len(side)], strict=True):
                if side[start] and end - start >= least:
                    columns = np.median(best[start:end])
                    found.append((groove, image_rows[start], image_rows[end - 1], columns))
    return pd.DataFrame(found, columns=["groove", "start_row", "end_row", "columns"])


def _interpolated(image: np.ndarray, row: np.ndarray, centre: pd.Series, offsets: np.ndarray) -> np.ndarray:
    """Values (rows, offsets) of the image at centre + offset, linear between columns, around the wrap."""
    place = centre.to_numpy()[:, None] + offsets
    left = np.floor(place).astype(int)
    share, width = place - left, image.shape[1]
    return (1 - share) * image[row[:, None], left % width] + share * image[row[:, None], (left + 1) % width]
