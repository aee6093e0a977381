"""Figures of reports: a well with its grooves, and the probability of detection."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots import BLUE, ORANGE, PREDICTION_LINE, THICKNESS_LABEL, draw_thickness
from helpers.report.pod import Measured

ROWS = 1500  # of a strip: a longer well is shown in every second, third ... row
NUMBERED = 60  # grooves with their number in the picture, the longest


def show_report(thickness: np.ndarray, report: pd.DataFrame, title: str) -> None:
    """Show `draw_report` under a title."""
    draw_report(thickness, report).suptitle(title, fontsize=11)
    plt.show()


def draw_report(
    thickness: np.ndarray, report: pd.DataFrame, depth: np.ndarray | None = None, label=THICKNESS_LABEL
) -> Figure:
    """A well in one to six strips from left to right, each groove of a `groove_report` as a numbered box.

    `thickness` is (H, W), an array or a memory-mapped file, NaN is white; `depth` is (H,) metres, or None;
    `label` is that of the colours.
    """
    height = len(thickness)
    strips = min(6, max(1, -(-height // 400)))
    rows, every = -(-height // strips), max(1, -(-height // (6 * ROWS)))
    size = (2.1 * strips + 1.2, 8)
    figure, axes = plt.subplots(1, strips, figsize=size, squeeze=False, layout="constrained")
    numbered = set(report["length_rows"].nlargest(NUMBERED).index)
    style = {"fill": False, "lw": 1.2, "color": PREDICTION_LINE["colors"]}
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    text = {"fontsize": 9, "ha": "center", "va": "bottom", "bbox": box, "clip_on": True}
    for axis, start in zip(axes[0], range(0, height, rows), strict=False):
        stop = min(start + rows, height)
        extent = (0, 360, stop, start)
        picture = draw_thickness(axis, np.asarray(thickness[start:stop:every]), extent=extent, aspect="auto")
        for number, groove in report[(report["start_row"] < stop) & (report["end_row"] >= start)].iterrows():
            azimuth, half = groove["azimuth_deg"], max(groove["width_deg"], 8.0)
            corner = azimuth - half, groove["start_row"]
            axis.add_patch(plt.Rectangle(corner, 2 * half, groove["length_rows"], **style))
            if number in numbered:
                axis.annotate(str(number), (azimuth, max(groove["start_row"], start)), **text)
        # each strip has the same scale of depth, the last one too
        axis.set(xlim=(0, 360), ylim=(start + rows, start), xticks=[0, 180, 360], xlabel="azimuth, °")
        ticks = np.linspace(start, stop - 1, 6).astype(int)
        axis.set_yticks(ticks, [f"{tick:,}" if depth is None else f"{depth[tick]:.1f}" for tick in ticks])
        axis.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("row" if depth is None else "depth, m")
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=25, pad=0.01, extend="both")
    bar.set_label(label, fontsize=9)
    return figure


def show_detection(curves: dict[str, Measured]) -> None:
    """Show `draw_detection`, in the units of the files."""
    draw_detection(curves).suptitle("The fewer false calls, the deeper a groove must be to be found")
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
