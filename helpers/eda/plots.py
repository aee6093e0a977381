"""Figures of notebook 01's studies. Each function shows its figure and returns nothing."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from helpers.config import Config
from helpers.plots import BLUE, ORANGE, THICKNESS_LABEL, add_colour_bar, draw_thickness


def show_bars_per_well(table: pd.DataFrame) -> None:
    """One panel of bars per column of `table`, whose index is the well number."""
    figure, axes = plt.subplots(1, table.shape[1], figsize=(5.2 * table.shape[1], 3.2), squeeze=False)
    for axis, column in zip(axes[0], table, strict=True):
        axis.bar(table.index.astype(str), table[column], color=BLUE)
        axis.set(title=column, xlabel="well", ylabel=column)
    plt.show()


def show_histogram(values: np.ndarray) -> None:
    """How often each thickness occurs in `values` (any shape, finite)."""
    plt.figure(figsize=(7, 3.2))
    plt.hist(values.ravel(), bins=120, color=BLUE, log=True)
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


def show_twins(even: np.ndarray, odd: np.ndarray, titles: Sequence[str]) -> None:
    """Two patches 2k and 2k+1, (36, 36) each, and the block of 36 x 72 that they give interleaved."""
    block = np.stack([even, odd], axis=-1).reshape(len(even), -1)
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), width_ratios=[1, 1, 2])
    for axis, image, title in zip(axes, (even, odd, block), (*titles, "interleaved"), strict=True):
        picture = draw_thickness(axis, image)
        axis.set(title=title, xlabel="column", ylabel="row")
    add_colour_bar(figure, picture, axes)
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
    axis.set_title("How hard a well is for a model that has not seen it")
    plt.show()


def show_overlap(counts: pd.DataFrame) -> None:
    """Heat map of how many patches each two detectors flag both."""
    plt.figure(figsize=(7, 4.6))
    sns.heatmap(counts, annot=True, fmt="d", cmap="Blues", cbar_kws={"label": "patches flagged by both"})
    plt.xticks(rotation=30, ha="right")
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
    axis.set_title("Every choice of two validation wells")
    axis.legend(title="the reviewer's")
    plt.show()
