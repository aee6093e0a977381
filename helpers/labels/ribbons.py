"""Drawn grooves as ribbons: their holes, their centre and width row by row, and where they have slipped.

Masks are (H, W) of 0 and 1, once around the pipe: the last column meets the first.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import binary_fill_holes, map_coordinates, uniform_filter1d

from helpers.data.wells import WIDE_WELLS, label_grooves, parse_name

STEPS = 4  # places looked at in each column, when a slip is sought
FURTHEST = 2  # columns that a ribbon can have slipped


def find_holes(mask: np.ndarray, largest: int = 40) -> np.ndarray:
    """Wall that a groove encloses, (H, W) bool; what has more than `largest` pixels is no slip of the pen."""
    half = mask.shape[1] // 2
    around = np.pad(mask, ((0, 0), (half, half)), mode="wrap")  # or a hole at the wrap stays open
    holes = (binary_fill_holes(around) != around.astype(bool))[:, half : half + mask.shape[1]]
    numbers = label_grooves(holes)
    return holes & (np.bincount(numbers.ravel())[numbers] <= largest)


def row_centres(mask: np.ndarray) -> np.ndarray:
    """Mean direction of each row's pixels, (H,) in columns from -W/2 to W/2; NaN where the row has none."""
    width = mask.shape[1]
    direction = mask @ np.exp(2j * np.pi * np.arange(width) / width)
    return np.where(mask.any(axis=1), np.angle(direction) * width / (2 * np.pi), np.nan)


def ribbon_rows(mask: np.ndarray) -> pd.DataFrame:
    """Follow each groove of a mask row by row, its holes filled.

    Returns one row for each groove and each image row it is in, in that order: groove (number), row, centre
    (columns, unwrapped: it may leave 0 ... W), width (columns).
    """
    numbers, around = label_grooves((mask > 0) | find_holes(mask)), mask.shape[1]
    row, column = np.nonzero(numbers)
    direction = np.exp(2j * np.pi * column / around)  # summed up, the mean around the wrap
    pixels = pd.DataFrame({"groove": numbers[row, column], "row": row, "direction": direction})
    by_row = pixels.groupby(["groove", "row"])["direction"]
    rows = by_row.agg(centre="sum", width="size").reset_index()
    rows["centre"] = np.angle(rows["centre"]) * around / (2 * np.pi)
    rows["centre"] = rows.groupby("groove")["centre"].transform(np.unwrap, period=around)
    return rows


def number_stretches(groove: pd.Series, value: pd.Series) -> pd.Series:
    """Number the stretches of consecutive rows in which groove and value stay the same, from 1."""
    return ((groove.diff() != 0) | (value.diff() != 0)).cumsum()


def find_slips(mask: np.ndarray, thickness: np.ndarray, window: int = 31, least: int = 20) -> pd.DataFrame:
    """Stretches whose ribbon lies a whole column or more beside the metal loss.

    The image around the ribbon is averaged over `window` rows, as seen from the ribbon's centre, and shifted
    until it fits the average of the whole well best. Where the best shift is not 0 over `least` rows or more,
    the ribbon has slipped. A systematic offset of a whole well cannot be seen so, since it is in the average.

    Returns one row a stretch: groove, start_row, end_row, columns (where the metal loss lies, seen from the
    ribbon's centre: positive is to the right).
    """
    rows = ribbon_rows(mask)
    if rows.empty:
        return pd.DataFrame(columns=["groove", "start_row", "end_row", "columns"])
    views = _views_from_centres(rows, thickness)
    usual = views.mean(axis=0)
    shifts = [_best_shifts(views[part.index], usual, window) for _, part in rows.groupby("groove")]
    rows["columns"] = np.concatenate(shifts)
    # Drawn in whole columns, a good ribbon is up to half a column off, and a slip by one at least that much
    side = np.sign(rows["columns"]).where(rows["columns"].abs() >= 0.75, 0)
    stretches = rows[side != 0].groupby(number_stretches(rows["groove"], side))
    places = {"start_row": ("row", "first"), "end_row": ("row", "last"), "columns": ("columns", "median")}
    found = stretches.agg(groove=("groove", "first"), **places)
    return found[stretches.size() >= least].reset_index(drop=True)


def _views_from_centres(rows: pd.DataFrame, thickness: np.ndarray) -> np.ndarray:
    """The image beside the ribbon, (ribbon rows, places): `STEPS` places a column, the centre in the middle.

    They reach to the wall on both sides, and by `FURTHEST` beyond, since views will be shifted so far.
    """
    reach = round(STEPS * max(3, 1.5 * rows["width"].median())) + STEPS * FURTHEST
    columns = rows["centre"].to_numpy()[:, None] + np.arange(-reach, reach + 1) / STEPS
    lines = np.broadcast_to(rows["row"].to_numpy()[:, None], columns.shape)
    image = np.nan_to_num(thickness).astype(float)
    return map_coordinates(image, [lines, columns], order=1, mode="grid-wrap")  # linear, around the wrap


def _best_shifts(views: np.ndarray, usual: np.ndarray, window: int) -> np.ndarray:
    """By how many columns each view of one groove, (rows, places), fits the usual one best, (rows,)."""
    furthest = STEPS * FURTHEST
    template = usual[furthest:-furthest] - usual[furthest:-furthest].mean()  # mean 0: only the shape counts
    smooth = uniform_filter1d(views, window, axis=0, mode="nearest")
    fits = [smooth[:, start : start + len(template)] @ template for start in range(2 * furthest + 1)]
    return (np.argmax(fits, axis=0) - furthest) / STEPS  # start = furthest is no shift


def block_of(name: str) -> tuple[int, int]:
    """(well, block) of a patch: blocks of 36 rows, counted from the top of the well; twins share theirs.

    >>> block_of("well_3_patch_17"), block_of("well_1_patch_17")
    ((3, 17), (1, 8))
    """
    well, patch = parse_name(name)
    return well, patch // 2 if well in WIDE_WELLS else patch
