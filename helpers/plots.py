"""The figures of notebooks 01 to 04. Each function shows its figure and returns nothing.

One look throughout: thickness in red (metal loss) and blue (excess) around a white zero, the labelled
groove outlined in solid black, the predicted one in dashed green, depth downwards, azimuth in degrees.
"""

import math
from collections.abc import Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from helpers.config import Config
from helpers.wells import column_azimuths

THICKNESS_LABEL = "thickness deviation\n(units of the files)"
LABEL_LINE = {"colors": "black", "linewidths": 1.2, "linestyles": "solid"}
PREDICTION_LINE = {"colors": "#00A060", "linewidths": 1.6, "linestyles": "dashed"}
BLUE, ORANGE = "#0072B2", "#D55E00"  # Okabe and Ito's colours, safe for the colour-blind


def set_style() -> None:
    """Set fonts, sizes and colours for all figures of a notebook."""
    sns.set_theme(style="ticks", palette=[BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9"])
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


def show_bars_per_well(table: pd.DataFrame) -> None:
    """One panel of bars per column of `table`, whose index is the well number."""
    figure, axes = plt.subplots(1, table.shape[1], figsize=(5.2 * table.shape[1], 3.2), squeeze=False)
    for axis, column in zip(axes[0], table, strict=True):
        axis.bar(table.index.astype(str), table[column], color=BLUE)
        axis.set(title=column, xlabel="well", ylabel=column)
    plt.show()


def show_patches(
    images: np.ndarray,
    titles: Sequence[str],
    masks: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    columns: int = 6,
) -> None:
    """A grid of patches, (n, H, W), with the outlines of masks and predictions of the same shape."""
    draw_patches(images, titles, masks, predictions, columns)
    plt.show()


def draw_patches(
    images: np.ndarray,
    titles: Sequence[str],
    masks: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    columns: int = 6,
) -> Figure:
    """The figure of `show_patches`, for TensorBoard."""
    rows = math.ceil(len(images) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.9 * columns, 2.15 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    picture = None
    for index, (axis, image, title) in enumerate(zip(axes.flat, images, titles, strict=False)):
        picture = draw_thickness(axis, image)
        _outline(axis, masks, index, LABEL_LINE)
        _outline(axis, predictions, index, PREDICTION_LINE)
        axis.set_title(title, fontsize=9)
    _finish(figure, picture, axes, masks is not None, predictions is not None)
    return figure


def show_grey_patches(images: np.ndarray, titles: Sequence[str], columns: int = 6) -> None:
    """A grid of 8-bit pictures, (n, H, W), black 0 and white 255."""
    rows = math.ceil(len(images) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.9 * columns, 2.25 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        picture = axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(title, fontsize=9)
    figure.colorbar(picture, ax=axes, shrink=0.7, pad=0.01).set_label("grey value", fontsize=9)
    plt.show()


def show_well_strips(
    strips: dict[str, np.ndarray],
    masks: dict[str, np.ndarray] | None = None,
    predictions: dict[str, np.ndarray] | None = None,
    rows: int = 360,
) -> None:
    """Assembled wells side by side, each (rows, 36 or 72), titled by its key.

    Of each well `rows` rows are shown, from the first that has any value. What is missing is white.
    """
    figure, axes = plt.subplots(1, len(strips), figsize=(1.35 * len(strips) + 1.2, 7), squeeze=False)
    picture = None
    for axis, (title, strip) in zip(axes[0], strips.items(), strict=True):
        start = int(np.isfinite(strip).any(axis=1).argmax())
        part = slice(start, start + rows)
        strip = strip[part]
        picture = draw_thickness(axis, strip, extent=(0, 360, start + len(strip), start), aspect="auto")
        degrees = column_azimuths(strip.shape[1])
        depth = start + np.arange(len(strip)) + 0.5
        for outlines, style in ((masks, LABEL_LINE), (predictions, PREDICTION_LINE)):
            if outlines is not None and np.nanmax(outlines[title][part]) > 0:
                axis.contour(degrees, depth, outlines[title][part], levels=[0.5], **style)
        axis.set(title=title, xticks=[0, 180, 360], xlabel="azimuth, °")
        axis.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("depth, rows of the image")
    _finish(figure, picture, axes, masks is not None, predictions is not None)
    plt.show()


def show_twins(even: np.ndarray, odd: np.ndarray, titles: Sequence[str]) -> None:
    """Two patches 2k and 2k+1, (36, 36) each, and the block of 36 x 72 that they give interleaved."""
    block = np.stack([even, odd], axis=-1).reshape(len(even), -1)
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), width_ratios=[1, 1, 2])
    for axis, image, title in zip(axes, (even, odd, block), (*titles, "interleaved"), strict=True):
        picture = draw_thickness(axis, image)
        axis.set(title=title, xlabel="column", ylabel="row")
    _finish(figure, picture, axes, labelled=False, predicted=False)


def show_histogram(values: np.ndarray, log: bool = True) -> None:
    """How often each thickness occurs in `values` (any shape, finite)."""
    plt.figure(figsize=(7, 3.2))
    plt.hist(values.ravel(), bins=120, color=BLUE, log=log)
    plt.xlabel(THICKNESS_LABEL.replace("\n", " "))
    plt.ylabel("pixels")
    plt.title("Distribution of thickness")
    plt.show()


def show_unusable_pixels(counts: np.ndarray, config: Config = Config()) -> None:
    """How many patches have at least so many unusable pixels: `counts` (n,), one count per patch."""
    counts = np.sort(counts[counts > 0])
    plt.figure(figsize=(7, 3.2))
    plt.step(counts, np.arange(len(counts), 0, -1), where="pre", color=BLUE)
    plt.axvline(
        config.ruined_pixels, color=ORANGE, linestyle="--", label=f"dropped from {config.ruined_pixels} on"
    )
    plt.xscale("log")
    plt.xlabel("unusable pixels in a patch (of 1,296)")
    plt.ylabel("patches with at least so many")
    plt.title("Few patches are ruined, most lack a pixel or two")
    plt.legend()
    plt.show()


def show_curves(table: pd.DataFrame, ylabel: str, title: str) -> None:
    """One curve a column of `table` over its index, whose name labels the axis."""
    plt.figure(figsize=(7, 3.2))
    for column, line in zip(table, cycle(("-", "--", ":")), strict=False):
        plt.plot(table.index, table[column], line, linewidth=2.5, label=column)
    plt.xlabel(table.index.name)
    plt.ylabel(ylabel)
    plt.title(title)
    plt.legend()
    plt.show()


def show_history(history: pd.DataFrame) -> None:
    """Losses and validation scores by epoch, from `Run.history_frame()` or `training.read_scalars()`."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
    left.plot(history["train_loss"], marker="o", label="Training")
    left.plot(history["val_loss"], marker="s", label="Validation")
    left.set(title="Training vs. Validation Loss", xlabel="epoch", ylabel="binary cross-entropy")
    right.plot(history["val_dice"], marker="o", label="Dice, all pixels")
    right.plot(history["val_mean_iou"], marker="s", label="mean IoU per patch")
    right.set(title="Validation scores", xlabel="epoch", ylabel="score", ylim=(0, 1))
    for axis in (left, right):
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
    plt.show()


def draw_thickness(axis: Axes, image: np.ndarray, **options) -> AxesImage:
    """Draw (H, W) thickness in the colours of all figures; options go to `imshow`."""
    return axis.imshow(image, cmap="RdBu", vmin=-0.06, vmax=0.06, interpolation="nearest", **options)


def _outline(axis: Axes, masks: np.ndarray | None, index: int, style: dict) -> None:
    if masks is not None and masks[index].any() and not masks[index].all():
        axis.contour(masks[index], levels=[0.5], **style)


def _finish(figure, picture, axes, labelled: bool, predicted: bool) -> None:
    length = min(0.9, 4 / figure.get_figheight())
    bar = figure.colorbar(picture, ax=axes, shrink=length, aspect=25 * length, pad=0.01, extend="both")
    bar.set_label(THICKNESS_LABEL, fontsize=9)
    bar.ax.tick_params(labelsize=9)
    lines = [
        Line2D([], [], color=style["colors"], linestyle=style["linestyles"], label=name)
        for style, name, shown in (
            (LABEL_LINE, "label", labelled),
            (PREDICTION_LINE, "prediction", predicted),
        )
        if shown
    ]
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=2, fontsize=9)


# ---------------------------------------------------------------- architectures and learning curves


def show_architectures(traces: dict[str, list[tuple[str, tuple[int, ...]]]]) -> None:
    """What each network makes of one image, step by step, from left to right.

    A box is as high as its features have rows; its colour says how many channels. Steps that leave the shape
    as it was are drawn as one. Tokens of a transformer are drawn as the square that they would fill.

    Parameters
    ----------
    traces : title -> names and shapes, from `helpers.studies.learning_curves.trace_shapes`.
    """
    rows = math.ceil(len(traces) / 2)
    figure, axes = plt.subplots(rows, 2, figsize=(12, 2.4 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    norm, colours = LogNorm(1, 2048), plt.get_cmap("viridis_r")
    for axis, (title, trace) in zip(axes.flat, traces.items(), strict=False):
        shapes = [shape for _, shape in trace]
        steps = [shape for i, shape in enumerate(shapes) if i == 0 or shape != shapes[i - 1]]
        sides = [shape[1] if len(shape) == 3 else math.sqrt(shape[0]) for shape in steps]
        tallest = max(sides)
        for place, (shape, side) in enumerate(zip(steps, sides, strict=True)):
            channels = shape[0] if len(shape) == 3 else shape[1]
            box = Rectangle((place - 0.35, -side / 2), 0.7, side, color=colours(norm(channels)))
            axis.add_patch(box)
            size = str(shape[1]) if len(shape) == 3 else f"{shape[0]} tokens"
            crowded = {"ha": "center", "fontsize": 10 if len(steps) < 12 else 8}
            axis.text(place, side / 2 + 0.02 * tallest, channels, va="bottom", **crowded)
            axis.text(place, -side / 2 - 0.02 * tallest, size, va="top", color="0.35", **crowded)
        axis.set(xlim=(-0.8, max(len(steps), 6) - 0.2), ylim=(-0.62 * tallest, 0.62 * tallest), title=title)
    scale = figure.colorbar(
        plt.cm.ScalarMappable(norm, colours), ax=axes, shrink=0.4, pad=0.01, format=ScalarFormatter()
    )
    scale.set_label("channels (above each box; below it: rows)")
    plt.show()


def show_learning_curves(curves: pd.DataFrame, by: str, scores: dict[str, str]) -> None:
    """Scores on unseen wells over epochs (above) and over seconds of training (below).

    Lines are means over seeds, bands go from the worst seed to the best.

    Parameters
    ----------
    curves : rows of experiments/compare.py, or of `helpers.studies.learning_curves` with a "seed".
    by : column whose values are drawn as lines of their own.
    scores : columns to draw -> how to label them; one column of panels each.
    """
    names = list(curves[by].unique())
    last = curves.groupby([by, "seed"])["epoch"].max().groupby(by).min()  # that all seeds have reached
    figure, axes = plt.subplots(2, len(scores), figsize=(5.4 * len(scores), 7), squeeze=False)
    for name, colour in zip(names, sns.color_palette("tab10", len(names)), strict=True):
        epochs = curves[(curves[by] == name) & (curves["epoch"] <= last[name])].groupby("epoch")
        seconds = epochs["train_seconds"].mean()
        for (upper, lower), score in zip(axes.T, scores, strict=True):
            mean, low, high = epochs[score].mean(), epochs[score].min(), epochs[score].max()
            for axis, x, n in ((upper, epochs["epoch"].first(), last.min()), (lower, seconds, last[name])):
                axis.plot(x.head(n), mean.head(n), marker=".", color=colour, label=name)
                axis.fill_between(x.head(n), low.head(n), high.head(n), color=colour, alpha=0.1)
    for (upper, lower), label in zip(axes.T, scores.values(), strict=True):
        upper.set(xlabel="epoch", ylabel=label, ylim=(0, 1))
        lower.set(
            xlabel="seconds of training, on a logarithmic scale", ylabel=label, ylim=(0, 1), xscale="log"
        )
        lower.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        lower.xaxis.set_major_formatter(ScalarFormatter())
        lower.xaxis.set_minor_formatter(NullFormatter())
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), title=by)
    plt.show()
