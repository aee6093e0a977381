"""A joint tally from the absolute wall: what each joint of pipe has left. No network takes part in it."""

from itertools import pairwise

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
    odd = (rough > 4 * ndimage.median_filter(rough, 14 * rows, mode="nearest")) | (measured < 0.5)
    odd |= np.abs(level - ndimage.median_filter(level, 2 * rows + 1, mode="nearest")) > 0.02
    numbers, _ = ndimage.label(odd | ndimage.binary_closing(odd, iterations=2))
    found = [place for (place,) in ndimage.find_objects(numbers) if place.stop - place.start <= rows]
    last = [-3 * rows, *(place.stop for place in found)]
    return [place for place, end in zip(found, last, strict=False) if place.start - end > 2 * rows]


def _scores(wall: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row: how much neighbouring columns differ, the wall's median, the share that was measured."""
    measured = np.isfinite(wall)
    some = np.where(measured.sum(axis=1, keepdims=True) > 2, wall, 0)  # no warning of rows without any
    rough = np.nanmedian(np.abs(some - np.roll(some, 1, axis=1)), axis=1)
    return np.nan_to_num(rough), np.nanmedian(some, axis=1), measured.mean(axis=1)


def joint_tally(
    wall: np.ndarray, depth: np.ndarray | None = None, nominal: float | None = None
) -> tuple[pd.DataFrame, float | None, str]:
    """List the joints of a well, from the top downwards; with the nominal wall, inches, and what was done.

    `wall` is (H, W) inches, an array or a memory-mapped file, NaN where nothing was measured; `depth` is (H,)
    metres; `nominal` is inches, or None: then a wall is taken for it that nine in ten joints do not reach.

    A row that comes back is a joint without its collars: top and length in metres or rows, mean wall, least
    wall with its place (if a pixel beside it has lost half as much: a false echo stands alone), penetration
    (how far that is below the nominal wall), its class, and the share that was not measured.
    """
    unit, depth, longest, stretch = (
        ("row", np.arange(len(wall)), *ROWS) if depth is None else ("m", depth, 0, 0)
    )
    step = abs(np.median(np.diff(depth))) or 1.0
    if unit == "m":
        longest, stretch = max(2, int(COLLAR / step)), int(STRETCH / step)
    collars, said = find_collars(wall, longest), "Joints are told apart by their collars, which do not count."
    edges = [(0, 0), *((max(0, at.start - 2), at.stop + 2) for at in collars), (len(wall), len(wall))]
    if not collars:
        edges = [(row, row) for row in [*range(0, len(wall), stretch), len(wall)]]
        said = "No collar was seen, so a joint stands here for a stretch of 12 m or 300 rows."
    length, rows = "length_rows" if unit == "row" else "length_m", []
    for (_, start), (stop, _) in pairwise(edges):
        joint = np.asarray(wall[start:stop], float)
        if np.isfinite(joint).any():
            around = np.pad(np.where(np.isfinite(joint), joint, np.inf), ((0, 0), (1, 1)), mode="wrap")
            second = ndimage.rank_filter(around, 1, size=3, mode="constant", cval=np.inf)[:, 1:-1]
            usual = np.nanmedian(joint)
            least = np.where(usual - second >= (usual - joint) / 2, joint, second)
            row, column = np.unravel_index(least.argmin(), least.shape)
            rows.append((depth[start], (stop - start) * step, 25.4 * np.nanmean(joint), 25.4 * least.min(),
                         depth[start + row], column_azimuths(wall.shape[1])[column], usual,
                         100 * np.isnan(joint).mean()))  # fmt: skip
    names = [f"top_{unit}", length, "mean_wall_mm", "least_wall_mm", f"least_at_{unit}", "least_azimuth_deg"]
    table = pd.DataFrame(rows, columns=[*names, "usual", "unmeasured_pct"])
    table.index = pd.RangeIndex(1, len(table) + 1, name="joint")
    if nominal is None and len(table):
        nominal = table["usual"].quantile(0.9)
        said += f" The nominal wall is not known: {25.4 * nominal:.2f} mm, as nine in ten joints have less."
    table["penetration_pct"] = 100 * (1 - table["least_wall_mm"] / 25.4 / (nominal or np.nan)).clip(lower=0)
    words = np.array(["0–20", "20–40", "40–60", "over 60"])
    table["class_pct"] = words[np.searchsorted(CLASSES, table["penetration_pct"], side="right")]
    return table[[*names, "penetration_pct", "class_pct", "unmeasured_pct"]], nominal, said
