"""Figures of notebook 01's studies. Each function shows its figure and returns nothing."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, Rectangle

from helpers.config import Config
from helpers.plots import BLUE, ORANGE, THICKNESS_LABEL, add_colour_bar, draw_thickness


def show_bars_per_well(table: pd.DataFrame) -> None:
    """One panel of bars per column of `table`, whose index is the well number."""
    figure, axes = plt.subplots(1, table.shape[1], figsize=(5.2 * table.shape[1], 3.2), squeeze=False)
    for axis, column in zip(axes[0], table, strict=True):
        axis.bar(table.index.astype(str), table[column], color=BLUE)
        axis.set(xlabel="well", ylabel=column)
    figure.suptitle("A groove crosses most patches of most wells, but covers few of their pixels")
    plt.show()


def show_histogram(values: np.ndarray) -> None:
    """How often each thickness occurs in `values` (any shape, finite)."""
    plt.figure(figsize=(7, 3.2))
    plt.hist(values.ravel(), bins=120, color=BLUE, log=True)
    plt.xlabel(THICKNESS_LABEL.replace("\n", " "))
    plt.ylabel("pixels")
    plt.title("Most of the wall is near its mean; both tails are long")
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
    plt.xlabel("telemetry codes in a patch of 1,296 pixels")
    plt.ylabel("patches with at least so many")
    plt.title("Of the patches with telemetry codes, few have 200 or more")
    plt.legend()
    plt.show()


def show_grey_patches(images: np.ndarray, titles: Sequence[str], columns: int, heading: str) -> None:
    """A grid of 8-bit pictures, (n, H, W), black 0 and white 255."""
    rows = math.ceil(len(images) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.9 * columns, 2.25 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        picture = axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(title, fontsize=9)
    figure.colorbar(picture, ax=axes, shrink=0.7, pad=0.01).set_label("grey value", fontsize=9)
    figure.suptitle(heading, fontsize=11)
    plt.show()


def show_twins(even: np.ndarray, odd: np.ndarray, titles: Sequence[str]) -> None:
    """Two patches 2k and 2k+1, (36, 36) each, and the block of 36 x 72 that they give interleaved."""
    block = np.stack([even, odd], axis=-1).reshape(len(even), -1)
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), width_ratios=[1, 1, 2])
    for axis, image, title in zip(axes, (even, odd, block), (*titles, "interleaved"), strict=True):
        picture = draw_thickness(axis, image)
        axis.set(title=title, xlabel="column", ylabel="row")
    add_colour_bar(figure, picture, axes)
    figure.suptitle("Two patches of the same rows are the even and the odd columns of one smooth block")
    plt.show()


def show_leak(results: pd.DataFrame) -> None:
    """What a split promises and what is true, from the rows of experiments/leak.py.

    A bar is the mean over folds of wells, a dot a fold.
    """
    summary = leak_summary(results)
    figure, axis = plt.subplots(figsize=(7, 3.6))
    for offset, (kind, colour, label) in enumerate(
        (("promise", ORANGE, "own validation patches (promise)"), ("truth", BLUE, "unseen wells (truth)"))
    ):
        for place, by in enumerate(("patch", "pair", "wells")):
            dice = summary.loc[by, kind]
            x = place + 0.3 * (offset - 0.5)
            axis.bar(x, dice.mean(), 0.28, color=colour, label=label if place == 0 else None)
            axis.plot(np.full(len(dice), x), dice, "o", color="black", markersize=4)
    axis.set_xticks(range(3), ["at random,\nby patch", "at random,\nby twin pair", "by wells"])
    axis.set(xlabel="how validation patches were held out", ylabel="Dice, all pixels", ylim=(0, 1))
    axis.set_title("Split at random, a model promises more than one split by wells")
    axis.legend(loc="upper right")
    plt.show()


def leak_summary(results: pd.DataFrame) -> pd.DataFrame:
    """Dice of promise and truth by (by, fold), from the rows of experiments/leak.py."""
    table = results.set_index(["by", "fold"])[["validation_dice", "unseen_dice"]]
    table.columns = ["promise", "truth"]
    return table.assign(gap=table["promise"] - table["truth"])


def show_difficulty(results: pd.DataFrame) -> None:
    """Dice of each well for a model that has not seen it; from the rows of experiments/difficulty.py."""
    figure, axis = plt.subplots(figsize=(8, 3.2))
    axis.bar(results["well"].astype(str), results["dice"], color=BLUE)
    axis.set(xlabel="well that was left out", ylabel="Dice, all pixels", ylim=(0, 1))
    axis.set_title("Wells differ widely for a model that has not seen them")
    plt.show()


def show_overlap(counts: pd.DataFrame) -> None:
    """Heat map of how many patches each two detectors flag both."""
    plt.figure(figsize=(7, 4.6))
    sns.heatmap(counts, annot=True, fmt="d", cmap="Blues", cbar_kws={"label": "patches flagged by both"})
    plt.xticks(rotation=30, ha="right")
    plt.title("Most pairs of detectors flag different patches")
    plt.show()


def show_clusters(features: pd.DataFrame, title: str) -> None:
    """Wells joined by how alike they are (Ward), and their standardised features as colours."""
    # clustermap lays out its own axes
    with plt.rc_context({"figure.constrained_layout.use": False}):
        grid = sns.clustermap(
            features,
            method="ward",
            z_score=1,
            cmap="PuOr_r",
            center=0,
            col_cluster=False,
            figsize=(6.5, 5),
            dendrogram_ratio=(0.2, 0.02),
            cbar_pos=(1.0, 0.3, 0.03, 0.4),
            cbar_kws={"label": "standard deviations\nfrom the mean of the wells"},
        )
        grid.ax_heatmap.set_ylabel("well")
        grid.ax_heatmap.tick_params(axis="y", rotation=0)
        grid.figure.suptitle(title, y=1.03)
    plt.show()


def show_split_ranking(ranking: pd.DataFrame) -> None:
    """Every choice of validation wells by imbalance and by gap in difficulty; from `rank_splits`."""
    figure, axis = plt.subplots(figsize=(7, 4))
    chosen = ranking["chosen"]
    axis.plot(ranking["imbalance"], ranking["gap"], "o", color=BLUE, markersize=5)
    axis.plot(
        *ranking.loc[chosen, ["imbalance", "gap"]].to_numpy().T, "D", color=ORANGE, markersize=9, label="3, 9"
    )
    axis.set_xlabel("imbalance (largest relative deviation in size or corroded share)")
    axis.set_ylabel("gap in Dice, validation and training wells")
    axis.set_title("Few choices of two validation wells are balanced and as hard as the rest")
    axis.legend(title="the reviewer's")
    plt.show()


# ---------------------------------------------------------------- what the data are, as a drawing

STEEL, GROOVE, COLLAR = "#D9DEE3", "#B03A2E", "#7A8691"
DEPTH = 108  # rows drawn: three patches
COLLAR_ROW = 54
THIN = {"arrowstyle": "-", "color": "0.5"}  # a line from a word to its thing


def show_domain() -> None:
    """Casing and tool, the wall unrolled, the patches of a well, and the twins of a 72-column well."""
    _, axes = plt.subplots(1, 4, figsize=(12.5, 4.6), width_ratios=(1.1, 1.2, 1.2, 1.5))
    for axis, draw in zip(axes, (_casing, _unrolled, _patches, _twins), strict=True):
        draw(axis)
    plt.show()


def _centre(rows: np.ndarray) -> np.ndarray:
    """Azimuth of the groove's middle in each row, columns of 36."""
    return 21 + 5 * np.sin(rows / 40)


def _casing(axis: Axes) -> None:
    axis.add_patch(Rectangle((-1, -DEPTH), 2, DEPTH, color=STEEL))
    axis.add_patch(Ellipse((0, 0), 2, 14, facecolor="white", edgecolor=COLLAR))
    for row in (COLLAR_ROW, COLLAR_ROW + 4):
        axis.plot([-1, 1], [-row, -row], color=COLLAR, linewidth=2)
    rows = np.arange(10, DEPTH)
    axis.plot(0.55 * np.sin((_centre(rows) - 18) / 36 * 2 * np.pi), -rows, color=GROOVE, linewidth=4)
    axis.add_patch(Rectangle((-0.12, -70), 0.24, 96, facecolor="0.35", zorder=3))
    axis.annotate("", (0.55, -70), (0.12, -70), arrowprops={"arrowstyle": "->", "color": BLUE, "lw": 1.5})
    for text, place, point in (
        ("tool, turning", (-1.95, 20), (-0.12, 10)),
        ("collar", (1.15, -56), (1.0, -56)),
        ("joint: one\nlength of pipe", (1.15, -82), (1.0, -82)),
        ("groove, worn by\ndrill pipe", (1.15, -20), (0.42, -24)),
        ("echo: tells\nthickness", (-1.95, -88), (0.3, -71)),
    ):
        axis.annotate(
            text, point, place, fontsize=9, arrowprops={"arrowstyle": "-", "color": "0.5"}, va="center"
        )
    axis.set(xlim=(-1.9, 2.9), ylim=(-DEPTH - 4, 30), title="Casing of a well")
    axis.axis("off")


def _wall(axis: Axes, title: str) -> None:
    """The unrolled wall: azimuth to the right, depth downwards."""
    axis.add_patch(Rectangle((0, 0), 36, DEPTH, color=STEEL))
    axis.add_patch(Rectangle((0, COLLAR_ROW), 36, 4, color=COLLAR))
    rows = np.arange(10, DEPTH)
    middle = _centre(rows)
    axis.fill_betweenx(rows, middle - 1.7, middle + 1.7, color=GROOVE, linewidth=0)
    axis.set(xlim=(0, 36), ylim=(DEPTH, 0), title=title, xticks=(0, 18, 36), ylabel="depth, rows")
    axis.set_xticklabels(("0°", "180°", "360°"))
    axis.set_xlabel("azimuth")


def _unrolled(axis: Axes) -> None:
    _wall(axis, "Its wall, unrolled")
    axis.annotate("collar", (30, 56), (29, 68), fontsize=9, arrowprops=THIN)
    axis.annotate(
        "0° and 360° are\nthe same place:\nthe wrap", (0.3, 75), (2.5, 84), fontsize=9, va="center",
        arrowprops={"arrowstyle": "->", "color": BLUE},
    )  # fmt: skip


def _patches(axis: Axes) -> None:
    _wall(axis, "Cut into patches of 36 x 36")
    for number in range(DEPTH // 36):
        axis.add_patch(
            Rectangle((0.4, 36 * number + 0.8), 35.2, 34.4, fill=False, edgecolor=ORANGE, linewidth=2)
        )
        axis.text(2, 36 * number + 5, f"patch {number}", fontsize=10, va="center")
    axis.set(yticks=(0, 36, 72, 108))


def _twins(axis: Axes) -> None:
    """Eight columns of a 72-column well, and the two patches that they are dealt out to."""
    for column in range(8):
        colour = (BLUE, ORANGE)[column % 2]
        axis.add_patch(Rectangle((column, 3.2), 0.9, 3, facecolor=colour, alpha=0.75))
        axis.text(column + 0.45, 6.5, column, ha="center", fontsize=10)
        place = column // 2 + (0 if column % 2 == 0 else 4.2) - 0.1
        axis.add_patch(Rectangle((place, 0), 0.9, 2, facecolor=colour, alpha=0.75))
        axis.plot([column + 0.45, place + 0.45], [3.1, 2.1], color="0.6", linewidth=0.8)
    axis.text(4, 7.6, "a well of 72 columns", ha="center", fontsize=10)
    axis.text(1.9, -0.3, "patch 2k:\neven columns", ha="center", va="top", fontsize=10, color=BLUE)
    axis.text(6.1, -0.3, "patch 2k + 1:\nodd columns", ha="center", va="top", fontsize=10, color="#B45309")
    axis.set(xlim=(-0.6, 8.6), ylim=(-2.0, 8.4), title="Twins: eight wells are cut so")
    axis.axis("off")
