"""Figures of reports: a well with its grooves, and the probability of detection."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from groove_report.grooves import POSSIBLE
from groove_report.pod import Measured
from helpers.data.wells import column_azimuths
from helpers.plots import BLUE, ORANGE, PREDICTION_LINE, THICKNESS_LABEL, draw_outline, draw_thickness

ROWS = 1500  # of a strip: a longer well is shown in every second, third ... row
NUMBERED = 60  # grooves with their number in the picture, the longest


def draw_report(
    thickness: np.ndarray,
    numbers: np.ndarray,
    report: pd.DataFrame,
    depth: np.ndarray | None = None,
    label=THICKNESS_LABEL,
) -> Figure:
    """A well in one to six strips from left to right, each groove of a `groove_report` outlined and numbered.

    `thickness` and `numbers`, of the grooves, are (H, W), arrays or memory-mapped files, NaN is white;
    `depth` is (H,) metres, or None; `label` is that of the colours. Beside each strip, in grey, stands the
    share of each row that was measured.
    """
    height, width = thickness.shape
    strips = min(6, max(1, -(-height // 400)))
    rows, every = -(-height // strips), max(1, -(-height // (6 * ROWS)))
    size = (2.3 * strips + 1.2, 8)
    figure, axes = plt.subplots(1, strips, figsize=size, squeeze=False, layout="constrained")
    longest = set(report["length_rows"].nlargest(NUMBERED).index)
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    text = {"fontsize": 9, "ha": "center", "va": "bottom", "bbox": box, "clip_on": True}
    degrees = np.r_[-180 / width, column_azimuths(width), 360 + 180 / width]  # outlines go on around the pipe
    for axis, start in zip(axes[0], range(0, height, rows), strict=False):
        stop = min(start + rows, height)
        part, found = (np.asarray(array[start:stop:every]) for array in (thickness, numbers))
        picture = draw_thickness(axis, part, extent=(0, 360, stop, start), aspect="auto")
        places = start + every * (np.arange(len(part)) + 0.5)
        if len(part) > 1 and found.any():
            around = np.pad(found > 0, ((0, 0), (1, 1)), mode="wrap")
            draw_outline(axis, PREDICTION_LINE, degrees, places, around)
        for number in sorted(longest & set(np.unique(found))):
            row = (found == number).any(axis=1).argmax()
            pixels = np.exp(1j * np.deg2rad(degrees[1:-1][found[row] == number]))
            axis.annotate(str(number), (np.rad2deg(np.angle(pixels.mean())) % 360, places[row]), **text)
        share = (np.abs(part) < POSSIBLE).mean(axis=1)
        axis.fill_betweenx(places, 370, 370 + 40 * share, color="0.6", linewidth=0, step="mid")
        # each strip has the same scale of depth, the last one too
        axis.set(xlim=(0, 410), ylim=(start + rows, start), xticks=[0, 180, 360], xlabel="azimuth, °")
        ticks = np.linspace(start, stop - 1, 6).astype(int)
        axis.set_yticks(ticks, [f"{tick:,}" if depth is None else f"{depth[tick]:.1f}" for tick in ticks])
        axis.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("row" if depth is None else "depth, m")
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=25, pad=0.01, extend="both")
    bar.set_label(label, fontsize=9)
    return figure


def draw_sections(wall: np.ndarray, rows: pd.Series, nominal: float, offset=0.0) -> Figure:
    """Cross-sections of the pipe at some rows of a wall, (H, W) inches to which `offset` is added.

    `rows` are by the number of the groove. Each section is the median of five rows; its outer radius is four
    times the `nominal` wall, inches.
    """
    count = len(rows)
    figure, axes = plt.subplots(
        1, count, figsize=(2.2 * count, 2.6), squeeze=False, layout="constrained",
        subplot_kw={"projection": "polar", "theta_offset": np.pi / 2, "theta_direction": -1},
    )  # fmt: skip
    angles = np.deg2rad(np.linspace(0, 360, 721))
    for axis, (number, row) in zip(axes[0], rows.items(), strict=True):
        some = pd.DataFrame(wall[max(0, row - 2) : row + 3]).median().to_numpy() + offset
        left = some[(angles / (2 * np.pi) * len(some)).astype(int) % len(some)]
        axis.fill_between(angles, 4 * nominal - left, 4 * nominal, color="0.6", linewidth=0)
        axis.plot(angles, np.full(len(angles), 3 * nominal), color=ORANGE, linewidth=1)
        axis.set(rticks=[], rmin=0, rmax=4 * nominal, xticks=np.deg2rad([0, 90, 180, 270]))
        axis.set_title(f"groove {number}: {25.4 * np.nanmin(some):.1f} mm left", fontsize=9)
        axis.tick_params(labelsize=8, pad=-2)
    return figure


def show_detection(curves: dict[str, Measured]) -> None:
    """Show `draw_detection`, in the units of the files."""
    draw_detection(curves).suptitle("Wide grooves must be deeper to be found")
    plt.show()


def draw_detection(curves: dict[str, Measured], scale=1.0, unit="units of the files") -> Figure:
    """Probability of detection against depth, with the one-sided 95 % bound, a90 and a90/95 marked.

    Depths are shown in `scale` of a unit. Ticks along the top are hits, along the bottom misses.
    """
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    for order, (name, colour) in enumerate(zip(curves, (ORANGE, BLUE), strict=False)):
        curve, trials = curves[name]
        depths = np.geomspace(*curve.depths, 200)
        line = {"color": colour, "linewidth": 2.5, "label": name}
        bound = {"color": colour, "linewidth": 1.2, "linestyle": "dashed", "label": f"{name}: 95 % bound"}
        for confidence, marker, style in ((0.5, "o", line), (0.95, "s", bound)):
            axis.plot(depths * scale, curve.pod(depths, confidence), **style)
            axis.plot(curve.depth_at(0.9, confidence) * scale, 0.9, marker, color=colour, markersize=7)
        for hit, level in ((1, 1.03 + 0.03 * order), (0, -0.03 - 0.03 * order)):
            at = trials.loc[trials["hit"] == hit, "depth"] * scale
            axis.plot(at, np.full(len(at), level), "|", color=colour, markersize=7, alpha=0.6)
    for marker, name in (("o", "a90"), ("s", "a90/95")):
        axis.plot([], [], marker, color="grey", label=name)
    axis.axhline(0.9, color="grey", linewidth=0.8, linestyle=":")
    axis.set(xscale="log", xlabel=f"depth of the planted groove ({unit})", ylabel="probability of detection")
    low, high = axis.get_xlim()
    ticks = [tick for tick in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2) if low < tick < high]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    figure.legend(loc="outside right center", fontsize=9)
    return figure
