"""Systematic errors of labels, each found by a function of its own (review point R4.3).

All look at assembled wells, (H, W), once around the pipe: what a patch border cuts is seen whole. Functions
that take only the mask work on any labels; `find_slips` also needs the image. Holes are found by
`helpers.labels.ribbons.find_holes`, slips by `helpers.labels.ribbons.find_slips`.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE
from helpers.labels.ribbons import find_holes, find_slips, ribbon_rows
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
    found = []
    for groove, part in rows.groupby("groove"):
        width, row = part["width"].to_numpy(), part["row"].to_numpy()
        for i in np.flatnonzero(np.diff(width)) + 1:
            before, after = width[max(0, i - hold) : i], width[i : i + hold]
            if len(before) == len(after) == hold and np.ptp(before) == np.ptp(after) == 0:
                found.append((groove, row[i], before[0], after[0]))
    return pd.DataFrame(found, columns=["groove", "row", "before", "after"])


def ends_at_borders(mask: np.ndarray) -> pd.DataFrame:
    """How often a groove breaks off between two rows: at patch borders, and everywhere else.

    In a mask drawn on whole wells a patch border is a row like any other, so the two rates agree. A higher
    rate at borders tells that the mask was made patch by patch.

    Returns
    -------
    Rows "at patch borders" and "elsewhere"; columns "grooves": runs of groove pixels that meet such a seam
    from above or below, "ends": those that no groove pixel within one column goes on from, "rate".
    """
    groove = mask > 0
    near = groove | np.roll(groove, 1, axis=1) | np.roll(groove, -1, axis=1)
    ends, runs = [], []
    for side, other in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
        above, goes_on = groove[side], near[other]
        starts = above & ~np.roll(above, 1, axis=1)
        starts[above.all(axis=1), 0] = True  # a ring around the pipe has no first column
        runs.append(starts.sum(axis=1))
        ends.append([_runs_without(a, b) for a, b in zip(above, goes_on, strict=True)])
    runs, ends = np.sum(runs, axis=0), np.sum(ends, axis=0)
    border = np.arange(1, len(mask)) % PATCH_SIZE == 0
    table = pd.DataFrame(
        {
            "grooves": [runs[border].sum(), runs[~border].sum()],
            "ends": [ends[border].sum(), ends[~border].sum()],
        },
        index=["at patch borders", "elsewhere"],
    )
    return table.assign(rate=table["ends"] / table["grooves"].where(table["grooves"] > 0))


def _runs_without(row: np.ndarray, support: np.ndarray) -> int:
    """Count the circular runs of True in `row` that touch no True of `support`."""
    if not row.any():
        return 0
    if row.all():
        return int(not support.any())
    start = int(np.argmin(row))  # begin where there is no run, so that none is cut
    row, support = np.roll(row, -start), np.roll(support, -start)
    number = np.cumsum(row & ~np.roll(row, 1)) * row
    return len(set(number[row].tolist()) - set(number[row & support].tolist()))


def twin_disagreements(mask: np.ndarray) -> np.ndarray:
    """Pixels of a 72-column well at odds with both neighbours, which the twin patch drew, (H, W) bool.

    Patches 2k and 2k+1 are the even and the odd columns of one image, so a groove of two columns or more
    leaves no pixel alone. Holes are filled first: they are counted by `find_holes`.

    Raises
    ------
    ValueError : the mask has not 72 columns, so it has no twins.
    """
    if mask.ndim != 2 or mask.shape[1] != 2 * PATCH_SIZE:
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
            "twins differ": twin_disagreements(mask).sum() if mask.shape[1] == 2 * PATCH_SIZE else np.nan,
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
        slip, change, end = (np.zeros(len(mask), bool) for _ in range(3))
        for stretch in find_slips(mask, well_from_frame(images, well)).itertuples():
            slip[stretch.start_row : stretch.end_row + 1] = True
        for row in width_changes(mask)["row"]:
            change[row - 1 : row + 1] = True
        for row in range(PATCH_SIZE, len(mask), PATCH_SIZE):
            end[row - 1 : row + 1] = ends_at_borders(mask[row - 1 : row + 1])["ends"].sum() > 0
        twins = np.zeros(len(mask), bool)
        if mask.shape[1] == 2 * PATCH_SIZE:
            twins = twin_disagreements(mask).any(axis=1)
        rows = {"hole": find_holes(mask).any(axis=1), "slip": slip, "width change": change}
        rows |= {"end at border": end, "twins differ": twins}
        blocks = pd.DataFrame(rows).groupby(np.arange(len(mask)) // PATCH_SIZE).any()
        found.append(pd.concat({well: blocks}))
    return pd.concat(found).loc[[block_of(name) for name in y.index]].set_axis(y.index)


def masks_of_wells(y: pd.DataFrame) -> Iterator[tuple[int, np.ndarray]]:
    """(well, assembled mask) of each well; dropped patches count as sound wall."""
    for well in sorted(set(wells_of(y).tolist())):
        yield well, np.nan_to_num(well_from_frame(y, well)).astype(np.uint8)
