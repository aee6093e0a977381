"""The style of all figures, and those that several notebooks show. A `show_` function returns nothing.

One look throughout: thickness in red (metal loss) and blue (excess) around a white zero, the labelled
groove outlined in solid black, the predicted one in dashed green, depth downwards, azimuth in degrees.
"""

import math
from collections.abc import Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from scipy.stats import t as student

from helpers.data.wells import column_azimuths

THICKNESS_LABEL = "thickness deviation\n(units of the files)"
LABEL_LINE = {"colors": "black", "linewidths": 1.2, "linestyles": "solid"}
PREDICTION_LINE = {"colors": "#00A060", "linewidths": 1.6, "linestyles": "dashed"}
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito's colours, safe for the colour-blind


def set_style() -> None:
    """Set fonts, sizes and colours for all figures of a notebook."""
    import seaborn as sns

    sns.set_theme(style="ticks", palette=[BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9"])
    plt.rcParams.update(
        {
            "figure.dpi": 90,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
        }
    )


def show_patches(*patches, heading: str = "", **options) -> None:
    """Show the figure of `draw_patches`, whose arguments these are, under a heading."""
    draw_patches(*patches, **options).suptitle(heading, fontsize=11)
    plt.show()


def draw_patches(
    images: np.ndarray,
    titles: Sequence[str],
    masks: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    columns: int = 6,
    outlined: str = "label",
) -> Figure:
    """A grid of patches, (n, H, W), with the outlines of masks and predictions of the same shape.

    outlined : what the legend calls the masks: "true groove" where they are no labels.
    """
    rows = math.ceil(len(images) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.9 * columns, 2.15 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for index, (axis, image, title) in enumerate(zip(axes.flat, images, titles, strict=False)):
        picture = draw_thickness(axis, image)
        for outlines, style in ((masks, LABEL_LINE), (predictions, PREDICTION_LINE)):
            if outlines is not None and outlines[index].any() and not outlines[index].all():
                draw_outline(axis, style, outlines[index])
        axis.set_title(title, fontsize=9)
    add_colour_bar(figure, picture, axes)
    _name_outlines(figure, masks, predictions, outlined)
    return figure


def show_well_strips(
    strips: dict[str, np.ndarray],
    masks: dict[str, np.ndarray] | None = None,
    predictions: dict[str, np.ndarray] | None = None,
    rows: int = 360,
    heading: str = "",
    outlined: str = "label",
) -> None:
    """Assembled wells side by side, each (rows, 36 or 72), titled by its key.

    Of each well `rows` rows are shown, from the first that has any value. What is missing is white.
    outlined : what the legend calls the masks: "true groove" where they are no labels.
    """
    figure, axes = plt.subplots(1, len(strips), figsize=(1.35 * len(strips) + 1.2, 7), squeeze=False)
    for axis, (title, strip) in zip(axes[0], strips.items(), strict=True):
        start = int(np.isfinite(strip).any(axis=1).argmax())
        part = slice(start, start + rows)
        strip = strip[part]
        picture = draw_thickness(axis, strip, extent=(0, 360, start + len(strip), start), aspect="auto")
        degrees = column_azimuths(strip.shape[1])
        depth = start + np.arange(len(strip)) + 0.5
        for outlines, style in ((masks, LABEL_LINE), (predictions, PREDICTION_LINE)):
            if outlines is not None and np.nanmax(outlines[title][part]) > 0:
                draw_outline(axis, style, degrees, depth, outlines[title][part])
        axis.set(title=title, xticks=[0, 180, 360], xlabel="azimuth, °")
        axis.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("depth, rows of the image")
    add_colour_bar(figure, picture, axes)
    _name_outlines(figure, masks, predictions, outlined)
    figure.suptitle(heading, fontsize=11)
    plt.show()


def show_curves(table: pd.DataFrame, ylabel: str, title: str) -> None:
    """One curve a column of `table` over its index, whose name labels the axis."""
    plt.figure(figsize=(8.5, 3.2), layout="constrained")
    for column, line in zip(table, cycle(("-", "--", ":")), strict=False):
        plt.plot(table.index, table[column], line, linewidth=2.5, label=column)
    plt.locator_params(axis="x", integer=True)
    plt.xlabel(table.index.name)
    plt.ylabel(ylabel)
    plt.title(title)
    plt.legend(loc="upper left", bbox_to_anchor=(1, 1))
    plt.show()


def show_draws(rows: pd.DataFrame, than: str, title: str, score: str = "dice", label: str = "Dice") -> None:
    """A study's finding: how much each variant's score differs from that of the variant `than`, draw by draw.

    rows : one a draw and variant, with columns "draw", "variant" and `score`. A grey dot is a draw, whose
    variants share wells and seed; orange is their mean, with Student's 95 % interval where there are three.
    Where differences are large, the axis is logarithmic beyond ±0.1, so that small ones are seen beside them.
    """
    table = rows.pivot(index="variant", columns="draw", values=score)
    table = table.sub(table.loc[than]).loc[[name for name in rows["variant"].unique() if name != than]]
    count, places = table.count(axis=1), np.arange(len(table))
    half = table.sem(axis=1).where(count > 2) * student.ppf(0.975, (count - 1).clip(lower=1))
    figure, axis = plt.subplots(figsize=(8, 1.5 + 0.34 * len(table)), layout="constrained")
    axis.plot(table.to_numpy(), places - 0.3, "o", color="0.35", markersize=4)
    axis.errorbar(table.mean(axis=1), places, xerr=half, fmt="|", color=ORANGE, markersize=11, lw=1.5, mew=3)
    axis.axvline(0, color="black", linewidth=1)
    axis.set_yticks(places, [f"{name} ({n})" for name, n in count.items()])
    axis.set_ylim(len(table) - 0.4, -0.6)
    axis.set_ylabel("variant (draws)")
    about = f"{label} minus that of “{than}”"
    if table.abs().max(axis=None) > 0.25:
        axis.set_xscale("symlog", linthresh=0.1, linscale=1.2)
        axis.set_xticks([-0.6, -0.2, -0.1, -0.05, 0, 0.05, 0.1])
        axis.xaxis.set_major_formatter("{x:g}")
        about += ", logarithmic beyond ±0.1"
    else:
        axis.locator_params(axis="x", nbins=5)
    dots = "grey: a draw; orange: mean, from three draws on with its 95 % interval"
    figure.supxlabel(f"{about}\n({dots})", fontsize=10)
    figure.suptitle(title, fontsize=11)
    plt.show()


def draw_thickness(axis: Axes, image: np.ndarray, **options) -> AxesImage:
    """Draw (H, W) thickness in the colours of all figures; options go to `imshow`."""
    return axis.imshow(image, cmap="RdBu", vmin=-0.06, vmax=0.06, interpolation="nearest", **options)


def draw_outline(axis: Axes, style: dict, *mask: np.ndarray) -> None:
    """Outline a mask, given as to `contour`, in `LABEL_LINE` or `PREDICTION_LINE`, seen on dark red too."""
    halo = withStroke(linewidth=style["linewidths"] + 1.4, foreground="white")
    axis.contour(*mask, levels=[0.5], **style).set(path_effects=[halo])


def add_colour_bar(figure: Figure, picture: AxesImage, axes: np.ndarray) -> None:
    """Add the bar of thicknesses to the right of all axes."""
    length = min(0.9, 4 / figure.get_figheight())
    bar = figure.colorbar(picture, ax=axes, shrink=length, aspect=25 * length, pad=0.01, extend="both")
    bar.set_label(THICKNESS_LABEL, fontsize=9)
    bar.ax.tick_params(labelsize=9)


def _name_outlines(figure: Figure, masks: object, predictions: object, outlined: str) -> None:
    """Add a legend that names the outlines that were drawn: those that are not None."""
    shown = [(outlined, LABEL_LINE, masks), ("prediction", PREDICTION_LINE, predictions)]
    lines = [
        Line2D([], [], color=style["colors"], linestyle=style["linestyles"], label=name)
        for name, style, outlines in shown
        if outlines is not None
    ]
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=2, fontsize=9)
