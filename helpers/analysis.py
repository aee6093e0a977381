"""Which grooves fail, how, and where (review point R4.2).

A well is looked at in blocks of 36 rows, once around the pipe: a patch, or two twins put together. In a block each
connected groove of the truth is one case, and each predicted one that is near none of them is a false groove.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation

from helpers.config import PATCH_SIZE, Config
from helpers.grooves import label_grooves
from helpers.joints import find_collars, joint_numbers, near_collars
from helpers.wells import well_from_frame, wells_of

KINDS = ("found", "missed", "broken", "shifted", "too wide", "too narrow", "false")


def confusion(truth: np.ndarray, prediction: np.ndarray, thickness: np.ndarray) -> pd.DataFrame:
    """Say of each groove in a block what became of it.

    The *zone* of a true groove is what lies within one groove width of it, row by row; its width w is the
    median over its rows. Of the prediction in the zone we ask, in this order, and the first rule that holds
    names the case:

    - "missed": fewer than a quarter of the groove's rows have any predicted pixel;
    - "broken": fewer than nine tenths of them have;
    - "shifted": the median offset of the prediction's middle from the groove's is at least w / 3;
    - "too wide": in the rows that have both, the prediction has at least 1.5 times the groove's pixels;
    - "too narrow": there it has at most 2/3 of them;
    - "found": none of these.

    A predicted groove that no zone touches is "false".

    Parameters
    ----------
    truth, prediction : (H, W) of 0 and 1, once around the pipe.
    thickness : (H, W), repaired.

    Returns
    -------
    One row a groove: kind; first_row and rows; column (mean direction, 0 to W); width (columns); angle (degrees
    from the pipe's axis, in units of pixels; positive to the right going down; NaN below 6 rows); contrast (median
    of the wall beside the groove, up to two widths away, minus median of the groove); iou in the zone (0 for a
    false groove); covered (share of rows with a prediction), offset (columns), width_ratio, each NaN where there
    is nothing to compare; at_wrap (it has pixels in the first and in the last column).
    """
    truth, prediction = np.asarray(truth) > 0, np.asarray(prediction) > 0
    cases, zones = [], np.zeros_like(truth)
    for inside in _pieces(truth):
        shape, distance = _shape(inside, thickness)
        rows = inside.any(axis=1)
        zone = rows[:, None] & (np.abs(distance) <= 1.5 * shape["width"])
        zones |= zone
        near = prediction & zone
        both = near.any(axis=1)
        covered = both.sum() / rows.sum()
        offset = width_ratio = np.nan
        if both.any():
            middles = (near * distance).sum(axis=1)[both] / near.sum(axis=1)[both]
            offset = float(np.median(middles))
            width_ratio = near.sum() / inside[both].sum()
        kind = _kind(covered, offset, width_ratio, shape["width"])
        iou = (near & inside).sum() / (near | inside).sum()
        cases.append(
            {"kind": kind}
            | shape
            | {"iou": iou, "covered": covered, "offset": offset, "width_ratio": width_ratio}
        )
    for inside in _pieces(prediction):
        if not (inside & zones).any():
            cases.append({"kind": "false"} | _shape(inside, thickness)[0] | {"iou": 0.0})
    columns = ["kind", "first_row", "rows", "column", "width", "angle", "contrast", "at_wrap"]
    return pd.DataFrame(cases, columns=[*columns, "iou", "covered", "offset", "width_ratio"])


def _kind(covered: float, offset: float, width_ratio: float, width: float) -> str:
    rules = {
        "missed": covered < 0.25,
        "broken": covered < 0.9,
        "shifted": abs(offset) >= width / 3,
        "too wide": width_ratio >= 1.5,
        "too narrow": width_ratio <= 2 / 3,
    }
    return next((kind for kind, holds in rules.items() if holds), "found")


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    numbers = label_grooves(mask)
    return [numbers == number for number in range(1, numbers.max() + 1)]


def _shape(inside: np.ndarray, thickness: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """Measures of one groove, and each pixel's signed distance from its middle, in columns; 0 in other rows."""
    columns = inside.shape[1]
    rows = np.flatnonzero(inside.any(axis=1))
    angles = np.exp(2j * np.pi * np.arange(columns) / columns)
    middle = np.unwrap(np.angle(inside[rows] @ angles)) * columns / (2 * np.pi)
    distance = np.zeros(inside.shape)
    half = columns / 2
    distance[rows] = (np.arange(columns) - middle[:, None] + half) % columns - half
    width = float(np.median(inside[rows].sum(axis=1)))
    beside = np.zeros_like(inside)
    beside[rows] = (np.abs(distance[rows]) > 0.75 * width) & (np.abs(distance[rows]) <= 2.5 * width)
    wall = thickness[beside & ~inside]
    slope = np.polyfit(rows, middle, 1)[0] if len(rows) >= 6 else np.nan
    return {
        "first_row": int(rows[0]),
        "rows": len(rows),
        "column": float(middle.mean() % columns),
        "width": width,
        "angle": float(np.degrees(np.arctan(slope))),
        "contrast": float(np.median(wall) - np.median(thickness[inside])) if wall.size else np.nan,
        "at_wrap": bool(inside[:, 0].any() and inside[:, -1].any()),
    }, distance


def groove_cases(truth: pd.DataFrame, prediction: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """`confusion` of every block of every well.

    Parameters
    ----------
    truth, prediction, images : (n, 1296) frames of the same patches: masks of 0 and 1, repaired images.

    Returns
    -------
    The rows of `confusion`, with well, block (the patch, or the pair of twins), joint (number from the top),
    near_collar (a row of it lies within 5 rows of a collar), first_row now counted from the top of the well, and
    width and column in columns of 36, so that all wells compare. Blocks with dropped patches are left out.
    """
    found = []
    for well in sorted(set(wells_of(truth))):
        masks, guesses, thickness = (well_from_frame(frame, well) for frame in (truth, prediction, images))
        collars = find_collars(thickness)
        joint, near = joint_numbers(len(masks), collars), near_collars(len(masks), collars)
        for block, start in enumerate(range(0, len(masks), PATCH_SIZE)):
            part = slice(start, start + PATCH_SIZE)
            if not np.isfinite(masks[part]).all():
                continue
            cases = confusion(masks[part], guesses[part], thickness[part])
            cases["first_row"] += start
            cases.insert(0, "well", well)
            cases.insert(1, "block", block)
            cases.insert(2, "joint", joint[cases["first_row"]])
            ends = cases["first_row"] + cases["rows"]
            cases["near_collar"] = [near[a:b].any() for a, b in zip(cases["first_row"], ends, strict=True)]
            cases[["width", "column", "offset"]] *= PATCH_SIZE / masks.shape[1]
            found.append(cases)
    filled = [cases for cases in found if len(cases)] or found[:1]
    return pd.concat(filled, ignore_index=True)


def count_kinds(cases: pd.DataFrame, by: str | list[str] = "well") -> pd.DataFrame:
    """How many grooves of each group ended how: true grooves, then the share of each kind among them, in per
    cent, and "false per 100": false grooves for each 100 true ones."""
    counts = cases.groupby(by, observed=True)["kind"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(KINDS), fill_value=0)
    false = counts.pop("false")
    true = counts.sum(axis=1)
    shares = 100 * counts.div(true.where(true > 0), axis=0)
    shares.insert(0, "grooves", true)
    return shares.assign(**{"false per 100": 100 * false / true.where(true > 0)}).rename_axis(columns=None)


def score_zones(
    truth: pd.DataFrame, prediction: pd.DataFrame, zones: dict[str, dict[int, np.ndarray]]
) -> pd.DataFrame:
    """Dice inside and outside a zone of the pipe, over all pixels of the wells that have grooves in the zone.

    Wells are hard or easy as a whole, so the outside is that of the same wells, each weighed by its share of the
    zone's groove pixels: a difference is then the place's, not the well's.

    Parameters
    ----------
    truth, prediction : (n, 1296) masks of the same patches.
    zones : name -> well -> (H, W) bool, as `zones_of_well` gives them for each well.

    Returns
    -------
    One row a zone: wells, groove pixels inside, dice inside, dice outside, difference.
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
            rows[zone] = dict.fromkeys(["wells", "groove pixels", "dice inside", "dice outside"], np.nan)
            continue
        inside, outside = np.array(inside, float), np.array(outside, float)
        weight = inside[:, 2] / inside[:, 2].sum()
        dices = [(weight * 2 * part[:, 0] / part[:, 1]).sum() for part in (inside, outside)]
        rows[zone] = {
            "wells": len(inside),
            "groove pixels": inside[:, 2].sum(),
            "dice inside": dices[0],
            "dice outside": dices[1],
        }
    table = pd.DataFrame(rows).T.rename_axis("zone")
    return table.assign(difference=table["dice inside"] - table["dice outside"])


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
