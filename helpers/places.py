"""Where a model fails: joints of the pipe, and places where a network of patches may do worse (R4.2)."""

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation

from helpers.config import PATCH_SIZE, Config
from helpers.joints import find_collars, joint_numbers, near_collars
from helpers.wells import well_from_frame, wells_of


def scores_per_joint(truth: pd.DataFrame, prediction: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Dice of each joint, a pipe between two collars, with what may explain it.

    Parameters
    ----------
    truth, prediction, images : (n, 1296) frames of the same patches: masks of 0 and 1, repaired images.

    Returns
    -------
    One row a joint that has a groove: well, joint, first_row, rows, groove pixels, dice (all pixels),
    contrast (median of the wall minus median of the groove), pattern (interquartile range of the wall).
    """
    found = []
    for well in sorted(set(wells_of(truth))):
        masks, guesses, thickness = (well_from_frame(frame, well) for frame in (truth, prediction, images))
        joints = joint_numbers(len(masks), find_collars(thickness))
        known = np.isfinite(masks)
        for joint in range(joints.max() + 1):
            where = known & (joints == joint)[:, None]
            true, guess = (masks > 0) & where, (guesses > 0) & where
            if true.any():
                q25, median, q75 = np.percentile(thickness[where & ~true], [25, 50, 75])
                row = {"well": well, "joint": joint, "first_row": int(np.argmax(joints == joint))}
                row |= {"rows": int((joints == joint).sum()), "groove pixels": int(true.sum())}
                row["dice"] = 2 * (true & guess).sum() / (true.sum() + guess.sum())
                row["contrast"] = float(median - np.median(thickness[true]))
                found.append(row | {"pattern": float(q75 - q25)})
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
    One row a zone: wells, groove pixels (inside), dice inside, dice outside, difference, and worse inside,
    the number of wells whose Dice is lower inside than outside.
    """
    rows = {}
    for zone, wells in zones.items():
        inside, outside = [], []
        for well, place in wells.items():
            true, guess = well_from_frame(truth, well), well_from_frame(prediction, well)
            known = np.isfinite(true)
            counts = [
                [(t & g).sum(), (t | g).sum() + (t & g).sum(), t.sum()]
                for where in (place & known, ~place & known)
                for t, g in [((true > 0) & where, (guess > 0) & where)]
            ]
            if counts[0][2] and counts[1][2]:
                inside.append(counts[0])
                outside.append(counts[1])
        if not inside:
            rows[zone] = {"wells": 0, "groove pixels": 0}
            continue
        inside, outside = np.array(inside, float), np.array(outside, float)
        weight = inside[:, 2] / inside[:, 2].sum()
        each = [2 * part[:, 0] / part[:, 1] for part in (inside, outside)]
        rows[zone] = {
            "wells": len(inside),
            "groove pixels": inside[:, 2].sum(),
            "dice inside": (weight * each[0]).sum(),
            "dice outside": (weight * each[1]).sum(),
            "worse inside": (each[0] < each[1]).sum(),
        }
    columns = ["wells", "groove pixels", "dice inside", "dice outside", "worse inside"]
    table = pd.DataFrame(rows).T.reindex(columns=columns).rename_axis("zone")
    table.insert(4, "difference", table["dice inside"] - table["dice outside"])
    return table.astype({"wells": int, "groove pixels": int})


def zones_of_well(
    thickness: np.ndarray, unusable: np.ndarray | None = None, margin: int = 2
) -> dict[str, np.ndarray]:
    """Places of a well where a network of patches may do worse, name -> (H, W) bool.

    Parameters
    ----------
    thickness : (H, W), repaired.
    unusable : (H, W), True where a pixel was missing or an outlier, and has been repaired.
    margin : rows, or columns of 36, that still belong to a border or to a repaired pixel.

    Returns
    -------
    "patch border" (rows), "azimuth wrap" (columns), "collar" (within 5 rows), "repaired pixels".
    """
    height, width = thickness.shape
    unit = width // PATCH_SIZE
    row, column = np.arange(height) % PATCH_SIZE, np.arange(width)
    everywhere = np.ones((height, width), bool)
    zones = {
        "patch border": everywhere & ((row < margin) | (row >= PATCH_SIZE - margin))[:, None],
        "azimuth wrap": everywhere & ((column < margin * unit) | (column >= width - margin * unit)),
        "collar": everywhere & near_collars(height, find_collars(thickness))[:, None],
    }
    if unusable is not None:
        around = np.pad(unusable, ((0, 0), (margin * unit,) * 2), mode="wrap")
        near = binary_dilation(around, np.ones((2 * margin + 1, 2 * margin * unit + 1)))
        zones["repaired pixels"] = near[:, margin * unit : margin * unit + width]
    return zones


def unusable_pixels(images: pd.DataFrame, config: Config = Config()) -> pd.DataFrame:
    """Which pixels of the images, as loaded, cleaning repairs: a frame like `images` of 0.0 and 1.0."""
    return (~np.isfinite(images) | (images < config.outlier_threshold)).astype(np.float32)
