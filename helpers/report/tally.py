"""A joint tally from the absolute wall: what each joint of pipe has left. No network takes part in it."""

import numpy as np
import pandas as pd
from scipy import ndimage

from helpers.data.wells import column_azimuths

PIECE = 20_000  # rows that are in memory at once
COLLAR, STRETCH = 0.6, 12.0  # metres: no collar is longer; a joint is taken for so long where none is seen
ROWS = 15, 300  # the same two where depth is not known
CLASSES = 20, 40, 60  # per cent of the nominal wall between two classes of penetration


def find_collars(wall: np.ndarray, rows: int = ROWS[0]) -> list[slice]:
    """Rows of the collars of a wall, (H, W) inches, NaN where nothing was measured; at most `rows` each.

    A collar is a few rows in which neighbouring columns differ by four times as much as in rows nearby, or
    the wall is 0.02 inch off theirs, or most of it was not measured. What is so for longer is none.
    """
    scores = [_scores(np.asarray(wall[start : start + PIECE])) for start in range(0, len(wall), PIECE)]
    rough, level, measured = map(np.concatenate, zip(*scores, strict=True))
    odd = (rough > 4 * _usual(rough, 14 * rows)) | (measured < 0.5)
    odd |= np.abs(level - _usual(level, 2 * rows + 1)) > 0.02
    numbers, _ = ndimage.label(odd | ndimage.binary_closing(odd, iterations=2))
    found = [place for (place,) in ndimage.find_objects(numbers) if place.stop - place.start <= rows]
    apart = [later.start - earlier.stop > 2 * rows for earlier, later in zip(found, found[1:], strict=False)]
    return [place for place, is_apart in zip(found, [True, *apart], strict=False) if is_apart]


def _scores(wall: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row: how much neighbouring columns differ, the wall's median, the share that was measured."""
    measured = np.isfinite(wall)
    some = np.where(measured.sum(axis=1, keepdims=True) > 2, wall, 0)  # no warning of rows without any
    rough = np.nanmedian(np.abs(some - np.roll(some, 1, axis=1)), axis=1)
    return rough, np.nanmedian(some, axis=1), measured.mean(axis=1)


def _usual(values: np.ndarray, rows: int) -> np.ndarray:
    return ndimage.median_filter(np.nan_to_num(values), rows, mode="nearest")


def joint_tally(
    wall: np.ndarray, depth: np.ndarray | None = None, nominal: float | None = None
) -> tuple[pd.DataFrame, float, str]:
    """List the joints of a well, from the top downwards; with the nominal wall, inches, and what was done.

    `wall` is (H, W) inches, an array or a memory-mapped file, NaN where nothing was measured; `depth` is (H,)
    metres; `nominal` is inches, or None: then a wall is taken for it that nine in ten joints do not reach.
    Collars, which `find_collars` sees, do not count.

    A row that comes back is a joint: top and length in metres or rows, mean wall, least wall (if a pixel
    beside it has lost half as much) with its place, penetration (how far it is below the nominal wall), its
    class, and the share of its pixels that was not measured.
    """
    step = 0.0 if depth is None or len(depth) < 2 else abs(np.median(np.diff(depth)))
    longest, stretch = (max(2, int(size / step)) for size in (COLLAR, STRETCH)) if step else ROWS
    collars = find_collars(wall, longest)
    said = "Joints are told apart by their collars, whose rows do not count"
    edges = [(0, 0), *((max(0, at.start - 2), at.stop + 2) for at in collars), (len(wall), len(wall))]
    if not collars:
        edges = [(row, row) for row in [*range(0, len(wall), stretch), len(wall)]]
        said = "No collar was seen, so a joint stands here for a stretch of 12 m or 300 rows"
    rows = []
    for (_, start), (stop, _) in zip(edges, edges[1:], strict=False):
        joint = np.asarray(wall[start:stop], float)
        if not np.isfinite(joint).any():
            continue
        around = np.pad(np.where(np.isfinite(joint), joint, np.inf), ((0, 0), (1, 1)), mode="wrap")
        second = ndimage.rank_filter(around, 1, size=3, mode="constant", cval=np.inf)[:, 1:-1]
        usual = np.nanmedian(joint)
        # a false echo stands alone: a neighbour must have lost half as much
        least = np.where(usual - second >= (usual - joint) / 2, joint, second)
        row, column = np.unravel_index(least.argmin(), least.shape)
        rows.append((start, stop - start, start + row, column_azimuths(wall.shape[1])[column], least.min(),
                     np.nanmean(joint), usual, 100 * np.isnan(joint).mean()))  # fmt: skip
    names = ["top", "length", "least_at", "least_azimuth_deg", "least", "mean", "median", "unmeasured_pct"]
    found = pd.DataFrame(rows, columns=names)
    found.index = pd.RangeIndex(1, len(found) + 1, name="joint")
    if nominal is None and len(found):
        nominal = found["median"].quantile(0.9)
        said += f". The nominal wall is not known: {25.4 * nominal:.2f} mm, as nine in ten joints have less"
    unit = "row" if depth is None else "m"
    place = (lambda row: row) if depth is None else (lambda row: depth[row.to_numpy()])
    table = pd.DataFrame({f"top_{unit}": place(found["top"])}, found.index)
    table["length_rows" if depth is None else "length_m"] = found["length"] * (step or 1)
    table["mean_wall_mm"], table["least_wall_mm"] = 25.4 * found["mean"], 25.4 * found["least"]
    table[f"least_at_{unit}"], table["least_azimuth_deg"] = (
        place(found["least_at"]),
        found["least_azimuth_deg"],
    )
    table["penetration_pct"] = 100 * (1 - found["least"] / (nominal or np.nan)).clip(lower=0)
    words = np.array(["0–20", "20–40", "40–60", "over 60"])
    table["class_pct"] = words[np.searchsorted(CLASSES, table["penetration_pct"], side="right")]
    table["unmeasured_pct"] = found["unmeasured_pct"]
    return table, nominal, said + "."
