"""What an inspection engineer wants of a well: a list of its grooves, in rows or in metres."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import ndimage

from helpers.config import Config
from helpers.data.preprocess import usable_pixels
from helpers.data.wells import column_azimuths, label_grooves
from helpers.whole_wells.geometry import check_well
from helpers.whole_wells.prediction import groove_mask

SHORTEST_CALL = 10  # rows; a shorter find is not called a groove
ROWS = 20_000  # of a piece, about, of a well on disk
NEAR_ROWS, NEAR_DEGREES = 2, 65  # to each side of a pixel: the sound wall there is its background
INTEGERS = ["start_row", "end_row", "length_rows"]
COLUMNS = [*INTEGERS, "azimuth_deg", "drift_deg", "width_columns", "width_deg"]
COLUMNS += ["mean_loss", "max_loss", "confidence"]


def number_grooves(mask: np.ndarray, gap: int = 3) -> np.ndarray:
    """Number the grooves of a well; pieces apart by at most `gap` rows and two columns are one groove.

    `mask` is (H, W) of 0 and 1, once around the pipe; the last column meets the first. Returns (H, W) int: 0
    where there is no groove, else 1 ... n, from the top of the well downwards. ValueError : the mask cannot
    be a well's, see `geometry.check_well`.
    """
    mask = np.asarray(mask).astype(bool)
    check_well(mask.shape)
    near = ndimage.maximum_filter(mask, (gap + 1, 3), mode=("constant", "wrap"))
    numbers = np.zeros(mask.shape, int)
    numbers[mask] = pd.factorize(label_grooves(near)[mask])[0] + 1  # in the order in which they begin
    return numbers


def calls(mask: np.ndarray) -> np.ndarray:
    """Number the grooves that an inspection would call, ten rows long at least: as `number_grooves`."""
    labels = number_grooves(mask)
    rows = np.array([place[0].stop - place[0].start for place in ndimage.find_objects(labels)])
    called = np.r_[False, rows >= SHORTEST_CALL]
    return (np.cumsum(called) * called)[labels]


def groove_report(
    mask: np.ndarray,
    thickness: np.ndarray,
    probability: np.ndarray | None = None,
    gap: int = 3,
    config: Config = Config(),
) -> pd.DataFrame:
    """List the grooves of an assembled well, from the top downwards.

    `mask` is (H, W) of 0 and 1, its grooves numbered by `number_grooves` with `gap`. `thickness` is (H, W) as
    the tool gives it; what `preprocess.usable_pixels` bars was not measured. `probability` is (H, W), of each
    pixel to be groove. ValueError : shapes differ, or cannot be a well's.

    A row that comes back is a groove, indexed by its number:

    start_row, end_row, length_rows : its first and last row, from 0 at the top, and how many these are.
    azimuth_deg : mean direction of its pixels, 0 to below 360, see `helpers.data.wells.column_azimuths`.
    drift_deg : around the pipe in 100 rows, by a line through the middles of its rows; NaN if it has one row.
    width_columns, width_deg : mean width over the rows that it is in.
    mean_loss, max_loss : of metal, in the files' units: how far its pixels lie below the mean of the sound
        wall within `NEAR_ROWS` and `NEAR_DEGREES` of them. NaN if nothing was measured there.
    confidence : mean probability of its pixels; NaN without `probability`.
    """
    shapes = [array.shape for array in (mask, thickness, probability) if array is not None]
    if len(set(shapes)) > 1:
        raise ValueError(f"Expected mask, thickness and probability of one shape (H, W), found {shapes}.")
    labels = number_grooves(mask, gap)
    thickness = np.where(usable_pixels(thickness, config), thickness, np.nan)
    loss = _background(mask.astype(bool), thickness) - thickness
    directions = np.exp(1j * np.deg2rad(column_azimuths(mask.shape[1])))
    rows = {}
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[place] == number
        around = directions[place[1]]
        width = inside.sum() / inside.any(axis=1).sum()
        losses = loss[place][inside]
        losses = losses[np.isfinite(losses)]
        azimuth = np.rad2deg(np.angle(around[np.nonzero(inside)[1]].mean()))
        rows[number] = (
            *(place[0].start, place[0].stop - 1, place[0].stop - place[0].start),
            *(azimuth.round(6) % 360, _drift(inside, around)),  # unrounded, -1e-15 would be 360°
            *(width, width * 360 / mask.shape[1]),
            *((losses.mean(), losses.max()) if len(losses) else (np.nan, np.nan)),
            np.nan if probability is None else probability[place][inside].mean(),
        )
    kinds = dict.fromkeys(COLUMNS, float) | dict.fromkeys(INTEGERS, int)  # of an empty report too
    return pd.DataFrame.from_dict(rows, "index", columns=COLUMNS).astype(kinds).rename_axis("groove")


def _drift(inside: np.ndarray, directions: np.ndarray) -> float:
    """Degrees in 100 rows of the middle of a groove's rows; (h, w) bool, (w,) complex of length 1."""
    rows = np.flatnonzero(inside.any(axis=1))
    if len(rows) < 2:
        return np.nan
    middles = np.unwrap(np.angle(inside[rows] @ directions))
    return float(np.rad2deg(np.polyfit(rows, middles, 1)[0]) * 100)


def _background(mask: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Mean of the measured, sound pixels around each pixel; NaN where there are none."""
    sound = ~mask & np.isfinite(thickness)
    size = 2 * NEAR_ROWS + 1, 2 * int(NEAR_DEGREES / 360 * mask.shape[1]) + 1
    modes = {"size": size, "mode": ("nearest", "wrap")}
    total = ndimage.uniform_filter(np.where(sound, thickness, 0).astype(float), **modes)
    share = ndimage.uniform_filter(sound.astype(float), **modes)
    one = 0.5 / (size[0] * size[1])  # share of half a pixel: less is none, but for rounding
    return np.where(share > one, total / np.maximum(share, one), np.nan)


def report_by_pieces(
    thickness: np.ndarray, probability: np.ndarray, config: Config = Config(), breaks: Sequence[int] = ()
) -> pd.DataFrame:
    """The `groove_report` of a well's `calls`, piece by piece, for wells that are on disk.

    Both are (H, W), arrays or memory-mapped; `groove_mask` of the probability is what is called. The well is
    cut where for a dozen rows nothing is likely, so memory depends on its longest groove only, and at
    `breaks`, rows before which others are missing: no groove goes across.
    """
    pieces = (probability[start : start + ROWS] for start in range(0, len(probability), ROWS))
    found = np.concatenate([(piece >= config.likely).any(axis=1) for piece in pieces])
    calm = np.flatnonzero(~ndimage.maximum_filter1d(found, 13))
    calm = calm[np.unique(calm // ROWS, return_index=True)[1]]  # one is enough
    edges = np.unique(np.concatenate([[0, len(found)], calm, breaks]).astype(int))
    reports = [groove_report(np.zeros((1, 2)), np.zeros((1, 2)))]  # of no groove
    for start, stop in pairwise(edges):
        if found[start:stop].any():
            piece = np.asarray(probability[start:stop])
            mask = calls(groove_mask(piece, config)) > 0
            reports.append(groove_report(mask, np.asarray(thickness[start:stop]), piece, config=config))
            reports[-1][["start_row", "end_row"]] += start
    report = pd.concat(reports, ignore_index=True)
    return report.set_index(pd.RangeIndex(1, len(report) + 1, name="groove"))


def engineers_report(
    report: pd.DataFrame,
    depth: np.ndarray | None = None,
    inner_diameter: float | None = None,
    pod: Callable[[np.ndarray], np.ndarray] | None = None,
) -> pd.DataFrame:
    """A report in metres and millimetres, its units in the columns' names.

    `report` is a `groove_report` whose losses are in inches. Without `depth`, (H,) metres, places stay rows,
    and drift is in 100 rows; without `inner_diameter` of the casing, millimetres, widths are in degrees only.
    `pod` is `DetectionCurve.pod` of the network that found the grooves: it gives detection_probability, of a
    groove as deep as the mean loss, so rather too low.
    """
    if depth is None:
        names = {"start_row": "top_row", "end_row": "bottom_row", "drift_deg": "drift_deg_per_100_rows"}
        table = report[[*INTEGERS, "azimuth_deg", "drift_deg"]].rename(columns=names)
    else:
        half = abs(np.median(np.diff(depth))) / 2 if len(depth) > 1 else 0.0  # a row's, above and below it
        rows = report[["start_row", "end_row"]].itertuples(index=False)
        ends = [(depth[a : b + 1].min() - half, depth[a : b + 1].max() + half) for a, b in rows]
        table = pd.DataFrame(ends, report.index, ["top_m", "bottom_m"], float)
        table["length_m"] = table["bottom_m"] - table["top_m"]
        table["azimuth_deg"] = report["azimuth_deg"]
        turned = report["drift_deg"] * report["length_rows"] / 100
        table["drift_deg_per_m"] = turned / table["length_m"].where(table["length_m"] > 0)
    table["width_deg"] = report["width_deg"]
    if inner_diameter is not None:
        table["width_mm"] = report["width_deg"] / 360 * np.pi * inner_diameter
    for loss in ("mean_loss", "max_loss"):
        table[f"{loss}_mm"] = report[loss] * 25.4
    table["confidence"] = report["confidence"]
    if pod is not None:
        table["detection_probability"] = pod(report["mean_loss"].clip(lower=1e-6)) if len(report) else 0.0
    return table
