"""Which grooves fail, and how (review point R4.2).

A well is looked at in blocks of 36 rows, once around the pipe: a patch, or two twins put together. In a block
each connected groove of the truth is one case, and each predicted one that is near none of them is a false
groove.
"""

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE
from helpers.data.wells import label_grooves, well_from_frame, wells_of
from helpers.labels.ribbons import row_centres

KINDS = ("found", "missed", "broken", "shifted", "too wide", "too narrow", "false")
MEASURES = ["kind", "first_row", "rows", "width", "contrast", "covered", "offset", "width_ratio"]


def confusion(truth: np.ndarray, prediction: np.ndarray, thickness: np.ndarray) -> pd.DataFrame:
    """Say of each groove in a block, (H, W) once around the pipe, what became of it (`outcome`).

    The *zone* of a true groove is what lies within one groove width of it, row by row; its width is the
    median over its rows. A predicted groove that no zone touches is "false".
    Returns one row a groove: kind; first_row and rows; width (columns); contrast (median of the wall beside
    the groove, up to two widths away, minus median of the groove); covered (share of rows with a prediction),
    offset (columns), width_ratio, each NaN where there is nothing to compare.
    """
    truth, prediction = np.asarray(truth) > 0, np.asarray(prediction) > 0
    cases, zones = [], np.zeros_like(truth)
    for inside in _pieces(truth):
        distance, shape = _distance(inside), _shape(inside, thickness)
        zone = np.abs(distance) <= 1.5 * shape["width"]  # half of it is the groove, a whole one lies beside
        zones |= zone
        cases.append(shape | outcome(inside, prediction & zone, distance, shape["width"]))
    for inside in _pieces(prediction):
        if not (inside & zones).any():
            cases.append(_shape(inside, thickness) | {"kind": "false"})
    return pd.DataFrame(cases, columns=MEASURES)


def outcome(inside: np.ndarray, near: np.ndarray, distance: np.ndarray, width: float) -> dict:
    """What became of the true groove `inside`: the first rule that holds names its kind.

    near : what is predicted in the groove's zone. distance : see `_distance`.
    """
    both = near.any(axis=1)
    covered = both.sum() / inside.any(axis=1).sum()
    offset = width_ratio = np.nan
    if both.any():
        offset = float(np.median((near * distance)[both].sum(axis=1) / near[both].sum(axis=1)))
        width_ratio = near.sum() / inside[both].sum()
    rules = {
        "missed": covered < 0.25,
        "broken": covered < 0.9,
        "shifted": abs(offset) >= width / 3,
        "too wide": width_ratio >= 1.5,
        "too narrow": width_ratio <= 2 / 3,
    }
    kind = next((kind for kind, holds in rules.items() if holds), "found")
    return {"kind": kind, "covered": covered, "offset": offset, "width_ratio": width_ratio}


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    numbers = label_grooves(mask)
    return [numbers == number for number in range(1, numbers.max() + 1)]


def _distance(inside: np.ndarray) -> np.ndarray:
    """Columns from a groove's middle to each pixel, positive to the right; NaN in rows that it is not in."""
    columns = inside.shape[1]
    away = np.arange(columns) - row_centres(inside)[:, None]
    return (away + columns / 2) % columns - columns / 2  # the short way around the pipe


def _shape(inside: np.ndarray, thickness: np.ndarray) -> dict[str, float]:
    """Measures of one groove, see `confusion`."""
    rows = np.flatnonzero(inside.any(axis=1))
    width = float(np.median(inside[rows].sum(axis=1)))
    away = np.abs(_distance(inside))
    wall = thickness[(away > 0.75 * width) & (away <= 2.5 * width) & ~inside]
    contrast = float(np.median(wall) - np.median(thickness[inside])) if wall.size else np.nan
    return {"first_row": int(rows[0]), "rows": len(rows), "width": width, "contrast": contrast}


def groove_cases(truth: pd.DataFrame, prediction: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """`confusion` of every block of every well, from frames of the same patches: masks, repaired images.

    Returns the rows of `confusion`, with well and block (the patch, or the pair of twins), first_row now
    counted from the top of the well, width and offset in columns of 36, so that wells compare. Blocks with
    dropped patches are left out.
    """
    found = []
    for well in sorted(set(wells_of(truth))):
        masks, guesses, thickness = (well_from_frame(frame, well) for frame in (truth, prediction, images))
        for block, start in enumerate(range(0, len(masks), PATCH_SIZE)):
            part = slice(start, start + PATCH_SIZE)
            if np.isfinite(masks[part]).all():
                cases = confusion(masks[part], guesses[part], thickness[part])
                cases["first_row"] += start
                cases[["width", "offset"]] /= masks.shape[1] / PATCH_SIZE
                found.append(cases.assign(well=well, block=block))
    filled = [cases for cases in found if len(cases)] or found[:1]
    return pd.concat(filled, ignore_index=True)
