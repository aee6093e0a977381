"""What an inspection engineer wants of a well: a list of its grooves, in rows or in metres."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import ndimage

from groove_report.tally import find_collars
from helpers.config import Config
from helpers.data.wells import column_azimuths, label_grooves
from helpers.whole_wells.geometry import check_well
from helpers.whole_wells.prediction import groove_mask

SHORTEST_CALL = 10  # rows; a shorter find is not called a groove
ROWS = 20_000  # of a piece, about, of a well on disk
NEAR_ROWS, NEAR_DEGREES = 2, 90  # to each side of a pixel: the sound wall there is its background
POSSIBLE = 3.0  # inches; no wall is as thick, and telemetry's sentinels lie beyond
# Inches: what is likely and has lost so much on average is called, be the network sure or not; wall beside it
# that has lost so much belongs to it. Fainter loss that lies mostly beside missing measurements is left out.
DEEP, DEEP_PIXEL, FAINT = 0.03, 0.045, 0.02
CORE, CORE_ROWS = 0.7, 51  # a groove's loss is measured where it is so much of the mean of so many rows
# A groove is so many times as long as wide, in mm or, in pixels of ten degrees, in rows; or as wide all along
GROOVE_LIKE, GROOVE_LIKE_ROWS, EVEN_WIDTH = 80, 40, 0.25
INTEGERS = ["start_row", "end_row", "length_rows", "worst_row"]
COLUMNS = [*INTEGERS, "azimuth_deg", "drift_deg", "width_columns", "width_deg", "width_spread"]
COLUMNS += ["mean_loss", "max_loss", "least", "beside_missing", "confidence"]


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
) -> pd.DataFrame:
    """List the grooves of an assembled well, from the top downwards.

    `mask` is (H, W) of 0 and 1, its grooves numbered by `number_grooves` with `gap`. `thickness` is (H, W),
    of the wall or its deviation, in inches; what is NaN or beyond `POSSIBLE` was not measured. `probability`
    is (H, W), of each pixel to be groove. ValueError : shapes differ, or cannot be a well's.

    A row that comes back is a groove, indexed by its number:

    start_row, end_row, length_rows : its first and last row, from 0 at the top, and how many these are.
    worst_row : where the loss, in the median of five rows, is greatest.
    azimuth_deg : mean direction of its pixels, 0 to below 360, see `helpers.data.wells.column_azimuths`.
    drift_deg : around the pipe in 100 rows, by a line through the middles of its rows; NaN if it has one row.
    width_columns, width_deg : mean width over the rows that it is in.
    width_spread : standard deviation of the rows' widths, as a share of the mean.
    mean_loss : of metal, in inches: how far its pixels lie below their background, see `lost_metal`, in the
        median of five rows, so that one false echo is no loss. A mask also covers some wall beside the
        groove, so only those count that have lost `CORE` of its mean nearby, less the pattern's spread.
    max_loss, least : the 98th percentile of that, less what the pattern of the sound wall adds, so never
        below the mean; the 2nd of what is left, pattern and all. All three are NaN if nothing was measured.
    beside_missing : share of its pixels that were not measured, or lie within a row and two columns of such.
    confidence : mean probability of its pixels; NaN without `probability`.
    """
    shapes = [array.shape for array in (mask, thickness, probability) if array is not None]
    if len(set(shapes)) > 1:
        raise ValueError(f"Expected mask, thickness and probability of one shape (H, W), found {shapes}.")
    labels = number_grooves(mask, gap)
    thickness = np.where(np.abs(thickness) < POSSIBLE, thickness, np.nan)
    loss, missing = lost_metal(mask.astype(bool), thickness), ~np.isfinite(thickness)
    smooth = ndimage.median_filter(np.nan_to_num(loss), (5, 1), mode="nearest")
    aside = np.abs(smooth[(labels == 0) & ~missing])
    pattern = 1.4826 * np.median(aside) if len(aside) else 0.0  # its standard deviation
    beside = ndimage.maximum_filter(missing, (3, 5), mode=("constant", "wrap"))
    directions = np.exp(1j * np.deg2rad(column_azimuths(mask.shape[1])))
    rows = {}
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[place] == number
        around, widths = directions[place[1]], inside.sum(axis=1)
        widths = widths[widths > 0]
        measured = inside & np.isfinite(loss[place])
        near = (np.where(measured, each, 0.0).sum(axis=1, keepdims=True) for each in (loss[place], 1.0))
        total, count = (ndimage.uniform_filter1d(each, CORE_ROWS, axis=0, mode="constant") for each in near)
        measured &= (smooth[place] + pattern) * count >= total - (1 - CORE) * np.abs(total) - 1e-9
        worst, losses = np.where(measured, smooth[place], -np.inf).max(axis=1).argmax(), (np.nan,) * 3
        if measured.any():
            lost, calm = loss[place][measured], smooth[place][measured]
            left = thickness[place][measured] + lost - calm
            middle, high = max(np.median(calm), calm.mean()), np.quantile(calm, 0.98)
            # The spread of the groove and of the pattern add in squares; 2.5 was tuned on written logs
            high = middle + np.sqrt(max(high - middle, 2.5 * pattern) ** 2 - (2.5 * pattern) ** 2)
            losses = calm.mean(), high, np.quantile(left, 0.02)
        azimuth = np.rad2deg(np.angle(around[np.nonzero(inside)[1]].mean()))
        rows[number] = (
            *(place[0].start, place[0].stop - 1, place[0].stop - place[0].start, place[0].start + worst),
            *(azimuth.round(6) % 360, _drift(inside, around)),  # unrounded, -1e-15 would be 360°
            *(widths.mean(), widths.mean() * 360 / mask.shape[1], widths.std() / widths.mean()),
            *(*losses, beside[place][inside].mean()),
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


def lost_metal(mask: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """How far each pixel lies below its background, the mean of the sound wall around it; (H, W) of NaN too.

    Sound is what is measured within `NEAR_ROWS` and `NEAR_DEGREES`, outside of the mask, and not two and a
    half standard deviations, by the median, below the rest: a groove may be wider than its mask.
    """
    sound = ~mask & np.isfinite(thickness)
    size = 2 * NEAR_ROWS + 1, 2 * int(NEAR_DEGREES / 360 * mask.shape[1]) + 1
    modes, one = {"size": size, "mode": ("nearest", "wrap")}, 0.5 / (size[0] * size[1])
    for _ in range(4):
        total = ndimage.uniform_filter(np.where(sound, thickness, 0).astype(float), **modes)
        share = ndimage.uniform_filter(sound.astype(float), **modes)  # below half a pixel's is none
        loss = np.where(share > one, total / np.maximum(share, one), np.nan) - thickness
        off = np.abs(loss[sound])
        sound &= ~(loss > max(2.5 * 1.4826 * np.median(off), 1e-6)) if len(off) else True
    return loss


def find_calls(probability: np.ndarray, thickness: np.ndarray, config: Config = Config()) -> np.ndarray:
    """Number what a report calls a groove: `calls` of `groove_mask`, and what has lost much metal besides.

    Networks that learned from narrow grooves are not sure of wide ones. So what is `likely` for them is
    called too where its mean loss is `DEEP`. A call takes along the pixels beside it that have lost
    `DEEP_PIXEL` and half of its mean. Both arrays are (H, W), the second in inches, NaN where not measured.
    """
    likely = probability >= config.likely
    loss = np.nan_to_num(lost_metal(likely, thickness))
    regions = label_grooves(likely | (loss >= DEEP_PIXEL))
    weights = likely, loss
    count, total = (np.bincount(regions[likely], each[likely], regions.max() + 1) for each in weights)
    mean = total / np.maximum(count, 1)
    called = mean >= DEEP
    called[regions[groove_mask(probability, config)]] = True
    called[0] = False
    return calls(called[regions] & (likely | (loss >= mean[regions] / 2)))


def report_by_pieces(
    thickness: np.ndarray,
    probability: np.ndarray,
    config: Config = Config(),
    breaks: Sequence[int] = (),
    numbers: np.ndarray | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The `groove_report` of a well's calls, and that of those left out, piece by piece: it may be on disk.

    Both arrays are (H, W), or memory-mapped; see `find_calls`. Rows of collars count as not measured. The
    well is cut where for a dozen rows nothing is likely, so memory depends on its longest groove only, and at
    `breaks`, rows before which others are missing: no groove goes across. Left out is what has lost no
    metal, or less than `FAINT` mostly beside missing measurements. `numbers`, (H, W) of 0, is filled with
    the numbers of the grooves.
    """
    pieces = (probability[start : start + ROWS] for start in range(0, len(probability), ROWS))
    found = np.concatenate([(piece >= config.likely).any(axis=1) for piece in pieces])
    calm = np.flatnonzero(~ndimage.maximum_filter1d(found, 13))
    calm = calm[np.unique(calm // ROWS, return_index=True)[1]]  # one is enough
    edges = np.unique(np.concatenate([[0, len(found)], calm, breaks]).astype(int))
    collar, count = np.zeros(len(found), bool), 0
    for place in find_collars(thickness):
        collar[max(0, place.start - 2) : place.stop + 2] = True
    none = groove_report(np.zeros((1, 2)), np.zeros((1, 2)))
    reports = [[none], [none]]
    for start, stop in pairwise(edges):
        if found[start:stop].any():
            piece, wall = (np.array(part[start:stop], float) for part in (probability, thickness))
            wall[collar[start:stop, None] | ~(np.abs(wall) < POSSIBLE)] = np.nan
            labels = find_calls(piece, wall, config)
            report = groove_report(labels > 0, wall, piece)
            beside = (report["beside_missing"] > 0.5) & (report["mean_loss"] < FAINT)
            kept = (report["mean_loss"] > 0) & ~beside
            if numbers is not None:
                numbers[start:stop] = np.r_[0, (kept.cumsum() + count) * kept][labels]
            report[["start_row", "end_row", "worst_row"]] += start
            for part, some in zip(reports, (kept, ~kept), strict=True):
                part.append(report[some])
            count += kept.sum()
    together = [pd.concat(part, ignore_index=True) for part in reports]
    return tuple(report.set_index(pd.RangeIndex(1, len(report) + 1, name="groove")) for report in together)


def engineers_report(
    report: pd.DataFrame,
    depth: np.ndarray | None = None,
    inner_diameter: float | None = None,
    pod: Callable[[np.ndarray], np.ndarray] | None = None,
    nominal: float | None = None,
    is_wall: bool = False,
) -> pd.DataFrame:
    """A report in metres, feet and millimetres, its units in the columns' names.

    `report` is a `groove_report` whose losses are in inches. Without `depth`, (H,) metres, places stay rows,
    and drift is in 100 rows; without `inner_diameter` of the casing, millimetres, widths are in degrees only.
    `nominal` is the wall's thickness, inches: it gives what remains at the worst place, unless it `is_wall`
    that was measured, and its penetration. `pod` is `DetectionCurve.pod` of the network that found the
    grooves: it gives detection_probability, of a groove as deep as the mean loss, so rather too low.

    kind : groove-like where it is `GROOVE_LIKE` times as long as wide, or its `width_spread` is below
        `EVEN_WIDTH`, else area-like, as general corrosion is.
    """
    if depth is None:
        names = {"start_row": "top_row", "end_row": "bottom_row", "drift_deg": "drift_deg_per_100_rows"}
        table = report[["start_row", "end_row", "length_rows", "azimuth_deg", "drift_deg"]].rename(
            columns=names
        )
    else:
        half = abs(np.median(np.diff(depth))) / 2 if len(depth) > 1 else 0.0  # a row's, above and below it
        rows = report[["start_row", "end_row"]].itertuples(index=False)
        ends = [(depth[a : b + 1].min() - half, depth[a : b + 1].max() + half) for a, b in rows]
        table = pd.DataFrame(ends, report.index, ["top_m", "bottom_m"], float)
        table["length_m"] = table["bottom_m"] - table["top_m"]
        table["top_ft"], table["bottom_ft"] = table["top_m"] / 0.3048, table["bottom_m"] / 0.3048
        table["azimuth_deg"] = report["azimuth_deg"]
        turned = report["drift_deg"] * report["length_rows"] / 100
        table["drift_deg_per_m"] = turned / table["length_m"].where(table["length_m"] > 0)
    table["width_deg"] = report["width_deg"]
    slim = report["length_rows"] * 10 >= GROOVE_LIKE_ROWS * report["width_deg"]
    if inner_diameter is not None:
        table["width_mm"] = report["width_deg"] / 360 * np.pi * inner_diameter
        if depth is not None:
            slim = table["length_m"] * 1000 >= GROOVE_LIKE * table["width_mm"]
    table["kind"] = np.where(slim | (report["width_spread"] < EVEN_WIDTH), "groove-like", "area-like")
    for loss in ("mean_loss", "max_loss"):
        table[f"{loss}_mm"] = report[loss] * 25.4
    if is_wall or nominal:
        table["remaining_mm"] = 25.4 * (report["least"] if is_wall else nominal - report["max_loss"])
    if nominal:
        table["penetration_pct"] = 100 * (1 - table["remaining_mm"] / 25.4 / nominal)
    table["confidence"] = report["confidence"]
    if pod is not None:
        table["detection_probability"] = pod(report["mean_loss"].clip(lower=1e-6)) if len(report) else 0.0
    return table
