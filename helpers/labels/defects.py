"""Systematic errors of labels, each found by a function of its own (review point R4.3).

All look at assembled wells, (H, W), once around the pipe: what a patch border cuts is seen whole. Functions
that take only the mask work on any labels; `find_slips` also needs the image. Holes are found by
`helpers.labels.ribbons.find_holes`, slips by `helpers.labels.ribbons.find_slips`.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE
from helpers.labels.ribbons import find_holes, find_slips, number_stretches, ribbon_rows
from helpers.wells import block_of, label_grooves, well_from_frame, wells_of


def width_changes(mask: np.ndarray, hold: int = 10) -> pd.DataFrame:
    """Where the drawn width jumps, and holds on both sides: the seams between two annotated stretches.

    Parameters
    ----------
    hold : rows before and after that must each be of one width.

    Returns
    -------
    One row a change: groove, row (the first of the new width), before, after (columns).
    """
    rows = ribbon_rows(mask)
    of_stretch = rows.groupby(number_stretches(rows["groove"], rows["width"]))
    stretches = of_stretch.agg(groove=("groove", "first"), row=("row", "first"), width=("width", "first"))
    stretches["held"] = of_stretch.size() >= hold
    before = stretches.groupby("groove").shift(fill_value=0)
    changes = stretches[["groove", "row"]].assign(before=before["width"], after=stretches["width"])
    return changes[stretches["held"] & (before["held"] > 0)].reset_index(drop=True)


def groove_ends(mask: np.ndarray) -> pd.DataFrame:
    """Where grooves end: a row for each run of groove pixels in an image row and each seam that it meets.

    Returns
    -------
    seam (between rows seam - 1 and seam of the image), ends (no groove pixel beyond the seam, straight on or
    one column aside, goes on from the run).
    """
    groove = mask > 0
    near = groove | np.roll(groove, 1, axis=1) | np.roll(groove, -1, axis=1)
    apart = np.zeros((2 * len(groove), groove.shape[1]), bool)
    apart[::2] = groove  # empty rows between, so that each run of a row is a groove of its own
    numbers = label_grooves(apart)[::2]
    run, first_pixel = np.unique(numbers[groove], return_index=True)
    row = np.nonzero(groove)[0][first_pixel]
    # A run goes on if one of its pixels has groove near it in the row below, or above
    goes_down = np.isin(run, numbers[:-1][near[1:]])
    goes_up = np.isin(run, numbers[1:][near[:-1]])
    below = pd.DataFrame({"seam": row + 1, "ends": ~goes_down})[row < len(mask) - 1]
    above = pd.DataFrame({"seam": row, "ends": ~goes_up})[row > 0]
    return pd.concat([below, above], ignore_index=True)


def ends_at_borders(mask: np.ndarray) -> pd.DataFrame:
    """How often a groove breaks off between two rows: at patch borders, and everywhere else.

    In a mask drawn on whole wells a patch border is a row like any other, so the two rates agree. A higher
    rate at borders shows that the mask was made patch by patch.

    Returns
    -------
    Rows "at patch borders" and "elsewhere"; columns "grooves": runs of groove pixels that meet such a seam
    from above or below, "ends": those that no groove pixel within one column goes on from, "rate".
    """
    met = groove_ends(mask)
    place = (met["seam"] % PATCH_SIZE == 0).map({True: "at patch borders", False: "elsewhere"})
    table = met["ends"].groupby(place).agg(grooves="count", ends="sum")
    table = table.reindex(["at patch borders", "elsewhere"], fill_value=0).rename_axis(None)
    return table.assign(rate=table["ends"] / table["grooves"].where(table["grooves"] > 0))


def has_twins(mask: np.ndarray) -> bool:
    """Whether two patches lie side by side in the mask of a well, which then has 72 columns."""
    return mask.ndim == 2 and mask.shape[1] == 2 * PATCH_SIZE


def twin_disagreements(mask: np.ndarray) -> np.ndarray:
    """Pixels of a 72-column well at odds with both neighbours, which the twin patch drew, (H, W) bool.

    Patches 2k and 2k+1 are the even and the odd columns of one image, so a groove of two columns or more
    leaves no pixel alone. Holes are filled first: they are counted by `find_holes`.

    Raises
    ------
    ValueError : the mask has not 72 columns, so it has no twins.
    """
    if not has_twins(mask):
        raise ValueError(f"Only wells of {2 * PATCH_SIZE} columns have twins; found shape {mask.shape}.")
    groove = (mask > 0) | find_holes(mask)
    return (groove != np.roll(groove, 1, axis=1)) & (groove != np.roll(groove, -1, axis=1))


def defects_per_well(y: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Count what the functions above find in each well.

    Parameters
    ----------
    y, images : (n, 1296) masks of 0 and 1, and repaired images, of the same patches.

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
            "twins differ": twin_disagreements(mask).sum() if has_twins(mask) else np.nan,
        }
    return pd.DataFrame(rows).T.rename_axis("well")


def defects_per_patch(y: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """In which patches the functions above find something; parameters as in `defects_per_well`.

    Returns
    -------
    (n, 5) bool, in the order of `y`: "hole", "slip", "width change", "end at border", "twins differ". Twins
    share what is found in their 36 rows.
    """
    found = []
    for well, mask in masks_of_wells(y):
        slip = np.zeros(len(mask), bool)
        for stretch in find_slips(mask, well_from_frame(images, well)).itertuples():
            slip[stretch.start_row : stretch.end_row + 1] = True
        met = groove_ends(mask)
        borders = met["seam"][met["ends"] & (met["seam"] % PATCH_SIZE == 0)]
        rows = {
            "hole": find_holes(mask).any(axis=1),
            "slip": slip,
            "width change": _beside(width_changes(mask)["row"], len(mask)),
            "end at border": _beside(borders, len(mask)),
            "twins differ": twin_disagreements(mask).any(axis=1) if has_twins(mask) else False,
        }
        blocks = pd.DataFrame(rows).groupby(np.arange(len(mask)) // PATCH_SIZE).any()
        found.append(pd.concat({well: blocks}))
    return pd.concat(found).loc[[block_of(name) for name in y.index]].set_axis(y.index)


def _beside(seams: pd.Series, rows: int) -> np.ndarray:
    """Which of so many rows lie above or below a seam, (rows,) bool; seam 5 is between rows 4 and 5."""
    return np.isin(np.arange(rows), [*(seams - 1), *seams])


def masks_of_wells(y: pd.DataFrame) -> Iterator[tuple[int, np.ndarray]]:
    """(well, assembled mask) of each well; dropped patches count as sound wall."""
    for well in sorted(set(wells_of(y).tolist())):
        yield well, np.nan_to_num(well_from_frame(y, well)).astype(np.uint8)
