"""Figures of whole wells: reports, studies of context, probability of detection. Each shows its figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from helpers.plots import BLUE, ORANGE, PREDICTION_LINE, THICKNESS_LABEL, draw_outline, draw_thickness
from helpers.wells import column_azimuths
from helpers.whole_wells.pod import DetectionCurve


def show_report(
    thickness: np.ndarray, numbers: np.ndarray, report: pd.DataFrame, title: str, rows: int = 400
) -> None:
    """A well in strips of `rows` rows from left to right, each groove outlined, its number at its top.

    Parameters
    ----------
    thickness : (H, W); NaN is white. numbers : (H, W) from `helpers.whole_wells.report.number_grooves`.
    report : from `helpers.whole_wells.report.groove_report`.
    """
    strips = -(-len(thickness) // rows)
    figure, axes = plt.subplots(1, strips, figsize=(1.9 * strips + 1.6, 7), squeeze=False)
    degrees = column_azimuths(thickness.shape[1])
    for strip, axis in enumerate(axes[0]):
        start, stop = strip * rows, min((strip + 1) * rows, len(thickness))
        extent = (0, 360, stop, start)
        picture = draw_thickness(axis, thickness[start:stop], extent=extent, aspect="auto")
        found = numbers[start:stop] > 0
        if found.any():
            draw_outline(axis, PREDICTION_LINE, degrees, np.arange(start, stop) + 0.5, found)
        for number, groove in report[report["start_row"].between(start, stop - 1)].iterrows():
            place = (groove["azimuth_deg"], max(groove["start_row"] - 4, start + 12))
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
            axis.annotate(str(number), place, fontsize=10, ha="center", va="bottom", bbox=box)
        # each strip has the same scale of depth, the last one too
        axis.set(xticks=[0, 180, 360], xlabel="azimuth, °", ylim=(start + rows, start))
        axis.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("depth, rows of the image")
    figure.suptitle(title, fontsize=11)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=25, pad=0.01, extend="both")
    bar.set_label(THICKNESS_LABEL, fontsize=9)
    outline = Line2D(
        [], [], color=PREDICTION_LINE["colors"], linestyle="dashed", label="groove of the report"
    )
    figure.legend(handles=[outline], loc="outside lower center", fontsize=9)
    plt.show()


def show_detection(curves: dict[str, DetectionCurve], trials: dict[str, pd.DataFrame]) -> None:
    """Probability of detection against depth, with the one-sided 95 % bound, a90 and a90/95 marked.

    Ticks along the top are hits, along the bottom misses.

    Parameters
    ----------
    curves, trials : name -> curve, and the trials that it was fitted to.
    """
    figure, axis = plt.subplots(figsize=(8, 4.4))
    for order, ((name, curve), colour) in enumerate(zip(curves.items(), (ORANGE, BLUE), strict=False)):
        draw_detection(axis, name, curve, trials[name], colour, 0.03 * order)
    axis.set(title="The fewer false calls, the deeper a groove must be to be found")
    handles, labels = axis.get_legend_handles_labels()
    for marker, name in (("o", "a90"), ("s", "a90/95")):
        handles.append(Line2D([], [], color="grey", marker=marker, linestyle="none"))
        labels.append(name)
    figure.legend(handles, labels, loc="outside right center", fontsize=9)
    plt.show()


def draw_detection(
    axis: plt.Axes,
    name: str,
    curve: DetectionCurve,
    trials: pd.DataFrame,
    colour: str = ORANGE,
    shift: float = 0.0,
) -> None:
    """One network's curve, its bound, and its hits and misses; `shift` moves the marks of these outwards."""
    depths = np.geomspace(*curve.depths, 200)
    axis.plot(depths, curve.pod(depths), color=colour, linewidth=2.5, label=name)
    axis.plot(depths, curve.pod(depths, 0.95), "--", color=colour, linewidth=1.2, label=f"{name}: 95 % bound")
    for confidence, marker in ((0.5, "o"), (0.95, "s")):
        axis.plot(curve.depth_at(0.9, confidence), 0.9, marker, color=colour, markersize=7)
    for hit, level in ((1, 1.03 + shift), (0, -0.03 - shift)):
        at = trials.loc[trials["hit"] == hit, "depth"]
        axis.plot(at, np.full(len(at), level), "|", color=colour, markersize=7, alpha=0.6)
    axis.axhline(0.9, color="grey", linewidth=0.8, linestyle=":")
    axis.set(xscale="log", xlabel="depth of the planted groove (units of the files)")
    axis.set(ylabel="probability of detection")
    axis.set_yticks(np.linspace(0, 1, 6))
    ticks = [0.005, 0.01, 0.02, 0.05, 0.1]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
