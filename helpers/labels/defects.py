"""Systematic errors of labels, and annotators' styles (review point R4.3); they need no model.

All look at assembled wells, (H, W), once around the pipe: what a patch border cuts is seen whole. Holes and
slips are found by `helpers.labels.ribbons`.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE
from helpers.data.wells import block_of, label_grooves, well_from_frame, wells_of
from helpers.labels.ribbons import find_holes, find_slips, number_stretches, ribbon_rows


def width_changes(mask: np.ndarray, hold: int = 10) -> np.ndarray:
    """Rows in which the drawn width jumps, having held for `hold` rows, and holds again: the seams between
    annotated stretches."""
    rows = ribbon_rows(mask)
    stretches = rows.groupby(number_stretches(rows["groove"], rows["width"]))
    first, held = stretches.first(), stretches.size() >= hold
    same_groove = first["groove"] == first["groove"].shift()
    return first["row"][held & held.shift(fill_value=False) & same_groove].to_numpy()


def ends_at_borders(mask: np.ndarray) -> pd.DataFrame:
    """How often a groove breaks off between two rows: "at patch borders", and "elsewhere".

    In a mask drawn on whole wells a patch border is a row like any other, so the two rates agree. A higher
    rate at borders shows that the mask was made patch by patch. "grooves": runs of groove pixels in a row
    that meet such a seam from above or below; "ends": those that no groove pixel beyond it, straight on or
    one column aside, goes on from; "rate".
    """
    groove = mask > 0
    near = groove | np.roll(groove, 1, axis=1) | np.roll(groove, -1, axis=1)
    apart = np.zeros((2 * len(groove), groove.shape[1]), bool)
    apart[::2] = groove  # empty rows between, so that each run of a row is a groove of its own
    numbers = label_grooves(apart)[::2]
    run, first_pixel = np.unique(numbers[groove], return_index=True)
    row = np.nonzero(groove)[0][first_pixel]
    # A run goes on if one of its pixels has groove near it in the row below, or above
    ends_below = ~np.isin(run, numbers[:-1][near[1:]])[row < len(mask) - 1]
    ends_above = ~np.isin(run, numbers[1:][near[:-1]])[row > 0]
    seam = np.concatenate([row[row < len(mask) - 1] + 1, row[row > 0]])
    place = np.where(seam % PATCH_SIZE == 0, "at patch borders", "elsewhere")
    ends = pd.Series(np.concatenate([ends_below, ends_above]), dtype=bool).groupby(place)
    table = ends.agg(grooves="count", ends="sum").reindex(["at patch borders", "elsewhere"], fill_value=0)
    return table.assign(rate=table["ends"] / table["grooves"].where(table["grooves"] > 0))


def twin_disagreements(mask: np.ndarray) -> np.ndarray:
    """Pixels of a 72-column well at odds with both neighbours, which the twin patch drew, (H, W) bool.

    Patches 2k and 2k+1 are the even and the odd columns of one image, so a groove of two columns or more
    leaves no pixel alone. Holes are filled first. A well of 36 columns has no twins: nothing is found.
    """
    if mask.shape[1] == PATCH_SIZE:
        return np.zeros(mask.shape, bool)
    groove = (mask > 0) | find_holes(mask)
    return (groove != np.roll(groove, 1, axis=1)) & (groove != np.roll(groove, -1, axis=1))


def defects_per_well(y: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Count what the functions above find in each well, from masks and repaired images of the same patches.

    Returns
    -------
    One row a well: groove rows; holes; slips (stretches); width changes; "ends at borders" and "expected
    there": the grooves that end at a patch border, and how many would if borders were rows like any other;
    "twins differ" (pixels), NaN in wells without twins.
    """
    rows = {}
    for well, mask in masks_of_wells(y):
        ends = ends_at_borders(mask)
        rows[well] = {
            "groove rows": int((mask > 0).any(axis=1).sum()),
            "holes": label_grooves(find_holes(mask)).max(),
            "slips": len(find_slips(mask, well_from_frame(images, well))),
            "width changes": len(width_changes(mask)),
            "ends at borders": ends.loc["at patch borders", "ends"],
            "expected there": ends.loc["elsewhere", "rate"] * ends.loc["at patch borders", "grooves"],
            "twins differ": twin_disagreements(mask).sum() if mask.shape[1] > PATCH_SIZE else np.nan,
        }
    return pd.DataFrame(rows).T.rename_axis("well")


def defects_per_patch(y: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """In which patches holes, slips and changes of width are found: (n, 3) bool, in the order of `y`: "hole",
    "slip", "width change". Twins share what is found in their 36 rows."""
    found = []
    for well, mask in masks_of_wells(y):
        rows = pd.DataFrame({"hole": find_holes(mask).any(axis=1), "slip": False, "width change": False})
        for stretch in find_slips(mask, well_from_frame(images, well)).itertuples():
            rows.loc[stretch.start_row : stretch.end_row, "slip"] = True
        changes = width_changes(mask)
        rows["width change"] = rows.index.isin([*(changes - 1), *changes])  # the rows on both sides
        found.append(pd.concat({well: rows.groupby(rows.index // PATCH_SIZE).any()}))
    return pd.concat(found).loc[[block_of(name) for name in y.index]].set_axis(y.index)


def annotator_styles(y: pd.DataFrame) -> pd.DataFrame:
    """How each well was drawn, its annotator's style as numbers; NaN for wells without a groove.

    Returns
    -------
    One row a well. "width, columns of 36": mean. "width varies": share of rows of another width than the
    groove's median. "same width for, rows": median length of stretches of one width. "steps per 100 rows":
    sideways moves of half a column of 36 or more from one row to the next. "jitter, columns of 36": mean size
    of the second difference of the centre, 0 for a straight ribbon. "holes per 100 rows".
    """
    styles = {}
    for well, mask in masks_of_wells(y):
        rows, unit = ribbon_rows(mask), mask.shape[1] / PATCH_SIZE  # columns in a column of 36
        grooves = rows.groupby("groove")
        step = grooves["centre"].diff() / unit
        stretches = number_stretches(rows["groove"], rows["width"])
        holes = label_grooves(find_holes(mask)).max()
        styles[well] = {
            "width, columns of 36": rows["width"].mean() / unit,
            "width varies": (rows["width"] != grooves["width"].transform("median")).mean(),
            "same width for, rows": stretches.value_counts().median(),
            "steps per 100 rows": 100 * (step.abs() >= 0.5 - 1e-9).mean(),  # 0.5 but for rounding
            "jitter, columns of 36": step.groupby(rows["groove"]).diff().abs().mean(),
            "holes per 100 rows": 100 * holes / len(rows) if len(rows) else np.nan,
        }
    return pd.DataFrame(styles).T.rename_axis("well")


def masks_of_wells(y: pd.DataFrame) -> Iterator[tuple[int, np.ndarray]]:
    """(well, assembled mask) of each well; dropped patches count as sound wall."""
    for well in sorted(set(wells_of(y).tolist())):
        yield well, np.nan_to_num(well_from_frame(y, well)).astype(np.uint8)
