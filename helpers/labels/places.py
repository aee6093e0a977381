"""Where a model fails: joints of the pipe, and places where a network of patches may do worse (R4.2).

Thickness is that of an assembled well, (H, W), repaired; NaN where nothing was measured.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation, median_filter

from helpers.config import PATCH_SIZE
from helpers.data.wells import well_from_frame, wells_of


def scores_per_joint(truth: pd.DataFrame, prediction: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Dice of each joint, a pipe between two collars, with what may explain it; from frames of the same
    patches: masks, and repaired images.

    Returns
    -------
    One row a joint that has a groove: well, joint, first_row, rows, groove pixels, dice (all pixels),
    contrast (median of the wall minus median of the groove), pattern (interquartile range of the wall).
    """
    found = []
    for well in sorted(set(wells_of(truth))):
        masks, guesses, thickness = (well_from_frame(frame, well) for frame in (truth, prediction, images))
        starts = [first for first, _ in find_collars(thickness)]  # a collar's first row begins the next joint
        joints = np.searchsorted(starts, np.arange(len(masks)), side="right")
        for joint in range(joints.max() + 1):
            where = np.isfinite(masks) & (joints == joint)[:, None]
            true, guess = (masks > 0) & where, (guesses > 0) & where
            if true.any():
                dice = 2 * (true & guess).sum() / (true.sum() + guess.sum())
                q25, median, q75 = np.percentile(thickness[where & ~true], [25, 50, 75])
                contrast = float(median - np.median(thickness[true]))
                rows = np.flatnonzero(joints == joint)
                found.append((well, joint, rows[0], len(rows), true.sum(), dice, contrast, float(q75 - q25)))
    columns = ["well", "joint", "first_row", "rows", "groove pixels", "dice", "contrast", "pattern"]
    return pd.DataFrame(found, columns=columns)


def score_zones(
    truth: pd.DataFrame, prediction: pd.DataFrame, zones: dict[str, dict[int, np.ndarray]]
) -> pd.DataFrame:
    """Dice inside and outside a zone of the pipe, over all pixels of the wells that have grooves in the zone.

    Wells are hard or easy as a whole, so the outside is that of the same wells, each weighed by its share of
    the zone's groove pixels: a difference is then the place's, not the well's.

    Parameters
    ----------
    truth, prediction : (n, 1296) masks of the same patches.
    zones : name -> well -> (H, W) bool, as `zones_of_well` gives them for each well.

    Returns
    -------
    One row a zone: wells with grooves inside and outside; groove pixels (inside); dice inside, dice outside,
    difference; worse inside, the number of wells whose Dice is lower inside; and false inside and outside,
    the share of wall that is called groove, in per cent, in all wells that have the zone.
    """
    rows = {}
    for zone, places in zones.items():
        scores = {}
        for well, place in places.items():
            masks, guesses = well_from_frame(truth, well), well_from_frame(prediction, well)
            for side, where in (("inside", place), ("outside", ~place)):
                known = where & np.isfinite(masks)
                true, guess = masks[known] > 0, guesses[known] > 0
                scores[well, side] = (true.sum(), (~true).sum(), guess.sum(), (true & guess).sum())
        names = ["groove", "wall", "found", "both"]
        table = pd.DataFrame.from_dict(scores, orient="index", columns=names, dtype=float)
        table["dice"] = 2 * table["both"] / (table["groove"] + table["found"])
        table["false"] = 100 * (table["found"] - table["both"]) / table["wall"]
        table = table.set_axis(pd.MultiIndex.from_tuples(table.index)).unstack()
        table = table[table["wall"]["inside"] > 0]  # wells that have the zone
        grooved = table[(table["groove"] > 0).all(axis=1)]
        dice = _weighted_mean(grooved["dice"], grooved["groove"]["inside"])
        false = _weighted_mean(table["false"], table["wall"]["inside"])
        lower = (grooved["dice"]["inside"] < grooved["dice"]["outside"]).sum()
        rows[zone] = {
            "wells": len(grooved),
            "groove pixels": grooved["groove"]["inside"].sum(),
            "dice inside": dice["inside"],
            "dice outside": dice["outside"],
            "difference": dice["inside"] - dice["outside"],
            "worse inside": lower if len(grooved) else np.nan,
            "false inside, %": false["inside"],
            "false outside, %": false["outside"],
        }
    table = pd.DataFrame(rows).T.rename_axis("zone")
    return table.astype({"wells": int, "groove pixels": int})


def _weighted_mean(values: pd.DataFrame, weights: pd.Series) -> pd.Series:
    """Mean of each column over rows of such weights; NaN where there is no row."""
    return values.mul(weights, axis=0).sum(skipna=False) / weights.sum()


def zones_of_well(
    thickness: np.ndarray, unusable: np.ndarray | None = None, margin: int = 2
) -> dict[str, np.ndarray]:
    """Places of a well where a network of patches may do worse, name -> (H, W) bool: "patch border" (rows),
    "azimuth wrap" (columns), "collar" (within 5 rows), and "repaired pixels", where it is said which were
    `unusable`. So many rows, or columns of 36, still belong to a border or to a repaired pixel."""
    height, width = thickness.shape
    sideways = margin * width // PATCH_SIZE
    row, column = np.arange(height) % PATCH_SIZE, np.arange(width)
    everywhere = np.ones((height, width), bool)
    collar = np.zeros(height, bool)
    for first, last in find_collars(thickness):
        collar[max(0, first - 5) : last + 6] = True
    zones = {
        "patch border": everywhere & ((row < margin) | (row >= PATCH_SIZE - margin))[:, None],
        "azimuth wrap": everywhere & ((column < sideways) | (column >= width - sideways)),
        "collar": everywhere & collar[:, None],
    }
    if unusable is not None:
        around = np.pad(unusable, ((0, 0), (sideways, sideways)), mode="wrap")
        near = binary_dilation(around, np.ones((2 * margin + 1, 2 * sideways + 1)))
        zones["repaired pixels"] = near[:, sideways : sideways + width]
    return zones


# ---------------------------------------------------------------- joints of the pipe


def row_roughness(thickness: np.ndarray) -> np.ndarray:
    """Median step between neighbouring columns of each row, (H,); NaN where a row has no measured pair. A
    median, so that a few false echoes do not make a row rough."""
    steps = np.abs(thickness - np.roll(thickness, 1, axis=1))
    steps = np.where(np.isfinite(steps).any(axis=1, keepdims=True), steps, np.inf)  # no warning of empty rows
    rough = np.nanmedian(steps, axis=1)
    return np.where(np.isfinite(rough), rough, np.nan)


def find_collars(
    thickness: np.ndarray, times: float = 2.0, window: int = 61, apart: int = 20
) -> list[tuple[int, int]]:
    """Find the collars of an assembled well: a few rows in which the echo swings from column to column.

    In the thread between two pipes the tool loses the echo. A row belongs to a collar if its roughness is
    `times` the median of the `window` rows around it; rough rows less than `apart` rows from each other are
    one collar. Returns (first row, last row) of each, downwards.
    """
    rough = row_roughness(thickness)
    measured = np.flatnonzero(np.isfinite(rough))
    if len(measured) == 0:
        return []
    usual = median_filter(rough[measured], size=window, mode="nearest")
    rows = measured[rough[measured] > times * np.maximum(usual, 1e-6)]
    groups = np.split(rows, np.flatnonzero(np.diff(rows) >= apart) + 1)
    return [(int(group[0]), int(group[-1])) for group in groups if len(group)]
