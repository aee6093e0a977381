"""Figures of notebook 01's studies. Each function shows its figure and returns nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from helpers.plots import BLUE, ORANGE


def show_leak(results: pd.DataFrame) -> None:
    """What a split promises and what is true, from the rows of experiments/leak.py.

    The counts of the groups of wells are pooled, so that each patch counts once; a dot is a seed.
    """
    pooled = leak_summary(results)
    figure, axis = plt.subplots(figsize=(7, 3.6))
    for offset, (kind, colour, label) in enumerate(
        (("promise", ORANGE, "own validation patches (promise)"), ("truth", BLUE, "unseen wells (truth)"))
    ):
        for place, by in enumerate(("patch", "pair", "wells")):
            dice = pooled.loc[by, kind]
            x = place + 0.3 * (offset - 0.5)
            axis.bar(x, dice.mean(), 0.28, color=colour, label=label if place == 0 else None)
            axis.plot(np.full(len(dice), x), dice, "o", color="black", markersize=4)
    axis.set_xticks(range(3), ["at random,\nby patch", "at random,\nby twin pair", "by wells"])
    axis.set(xlabel="how validation patches were held out", ylabel="Dice, all pixels", ylim=(0, 1))
    axis.legend(loc="upper right")
    plt.show()


def leak_summary(results: pd.DataFrame) -> pd.DataFrame:
    """Dice of promise and truth per seed, indexed by (by, seed), from the rows of experiments/leak.py."""
    sums = results.groupby(["by", "seed"]).sum(numeric_only=True)
    columns = {}
    for name, part in (("promise", "validation"), ("truth", "unseen")):
        tp, fp, fn = (sums[f"{part}_{count}"] for count in ("tp", "fp", "fn"))
        columns[name] = 2 * tp / (2 * tp + fp + fn)
    table = pd.DataFrame(columns)
    table["gap"] = table["promise"] - table["truth"]
    return table


def show_difficulty(results: pd.DataFrame) -> None:
    """Dice of each well for a model that has not seen it; a bar is the mean, a dot a seed."""
    figure, axis = plt.subplots(figsize=(8, 3.2))
    per_well = results.groupby("well")["dice"]
    axis.bar([str(well) for well in per_well.groups], per_well.mean(), color=BLUE)
    axis.plot(results["well"].astype(str), results["dice"], "o", color="black", markersize=4)
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
    """All splits by imbalance and by gap in difficulty, the chosen one marked; from `rank_splits`."""
    figure, axis = plt.subplots(figsize=(7, 4))
    shown = ranking[ranking["imbalance"] < 1.5]
    axis.plot(shown["imbalance"], shown["gap"], ".", color=BLUE, markersize=2, alpha=0.3, rasterized=True)
    chosen = ranking[ranking["chosen"]]
    axis.plot(chosen["imbalance"], chosen["gap"], "D", color=ORANGE, markersize=9, label="the reviewer's")
    axis.set_xlabel("imbalance (largest relative deviation in size or corroded share)")
    axis.set_ylabel("gap in Dice between the parts")
    axis.set_title("Every split of the wells into 9, 2 and 4")
    axis.legend()
    plt.show()
