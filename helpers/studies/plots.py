"""Figures of studies. Each function shows its figure and returns nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from helpers.plots import BLUE, ORANGE


def show_study(results: pd.DataFrame, by: str, scores: dict[str, str], title: str = "") -> None:
    """Scores of a study, a panel each; a dot is a run, a bar their mean, the line the first row's mean.

    Parameters
    ----------
    by : column whose values are compared; its first value is what the others are compared with.
    scores : columns to draw -> how to label them.
    title : what one is to see.
    """
    order = list(results[by].unique())
    figure, axes = plt.subplots(
        1,
        len(scores),
        figsize=(2.2 + 3.6 * len(scores), max(2, 0.9 + 0.36 * len(order))),
        sharey=True,
        squeeze=False,
    )
    for axis, (score, label) in zip(axes[0], scores.items(), strict=True):
        means = results.groupby(by)[score].mean()
        axis.axvline(means[order[0]], color="0.75", linewidth=1)
        for place, name in enumerate(order):
            values = results.loc[results[by] == name, score]
            axis.plot(values, np.full(len(values), place), "o", color=BLUE, markersize=5)
            axis.plot([means[name]] * 2, [place - 0.3, place + 0.3], color=ORANGE, linewidth=3)
        axis.set(xlabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(4))
    axes[0, 0].set_yticks(range(len(order)), order)
    axes[0, 0].set_ylabel(by)
    axes[0, 0].set_ylim(len(order) - 0.5, -0.5)
    figure.supxlabel("dots: runs · bars: their means", fontsize=9)
    figure.suptitle(title, fontsize=11)
    plt.show()


def show_folds(patches: pd.DataFrame) -> None:
    """Stacked bars of the wells that each fold leaves out.

    Parameters
    ----------
    patches : rows folds, columns wells, patches left out; 0 or NaN where the well is not left out.
    """
    figure, axis = plt.subplots(figsize=(8, 0.7 + 0.55 * len(patches)))
    for place, (_, row) in enumerate(patches.iterrows()):
        left = 0
        for number, (well, count) in enumerate(row[row > 0].items()):
            axis.barh(place, count, left=left, color=("#56B4E9", "#A6D8F3")[number % 2], edgecolor="white")
            if count >= 10:
                axis.text(left + count / 2, place, well, ha="center", va="center", color="black", fontsize=10)
            left += count
    axis.set_yticks(range(len(patches)), patches.index)
    axis.invert_yaxis()
    axis.set(xlabel="patches of the wells left out (well numbers in the bars)", ylabel=patches.index.name)
    axis.set_title("Each fold leaves out other wells")
    plt.show()


def show_learning_curves(curves: pd.DataFrame, by: str, scores: dict[str, str], title: str) -> None:
    """Scores on unseen wells over epochs. Lines are means over folds, bands go from the worst to the best.

    Parameters
    ----------
    curves : rows of experiments/compare.py, with "epoch".
    by : column whose values are drawn as lines of their own.
    scores : columns to draw -> how to label them; a panel each.
    """
    names = list(curves[by].unique())
    figure, axes = plt.subplots(1, len(scores), figsize=(5.4 * len(scores), 3.6), squeeze=False)
    for name, colour in zip(names, sns.color_palette("colorblind", len(names)), strict=True):
        epochs = curves[curves[by] == name].groupby("epoch")
        for axis, score in zip(axes[0], scores, strict=True):
            mean = epochs[score].mean()
            axis.plot(mean.index, mean, marker=".", color=colour, label=name)
            axis.fill_between(mean.index, epochs[score].min(), epochs[score].max(), color=colour, alpha=0.1)
    for axis, label in zip(axes[0], scores.values(), strict=True):
        axis.set(xlabel="epoch", ylabel=label, ylim=(0, 1))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), title=by)
    figure.suptitle(title, fontsize=11)
    plt.show()
