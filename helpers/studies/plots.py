"""Figures of studies and of tuning. Each function shows its figure and returns nothing."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from optuna.distributions import CategoricalDistribution

from helpers.plots import BLUE, ORANGE
from helpers.studies.hyperparameters import SPACE
from helpers.studies.optuna_study import columns_of


def show_study(results: pd.DataFrame, by: str, scores: dict[str, str]) -> None:
    """Scores of a study, a panel each; a dot is a seed, a bar the mean of them, the line the first row's
    mean.

    Parameters
    ----------
    by : column whose values are compared; its first value is what the others are compared with.
    scores : columns to draw -> how to label them.
    """
    order = list(results[by].unique())
    figure, axes = plt.subplots(
        1, len(scores), figsize=(2.2 + 3.6 * len(scores), 0.9 + 0.36 * len(order)), sharey=True, squeeze=False
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
    axes[0, 0].invert_yaxis()
    figure.supxlabel("dots: seeds · bars: their means", fontsize=9)
    plt.show()


VALUE = "mean Dice of the folds"
PRUNED = {"marker": "x", "linestyle": "", "color": "0.6", "markersize": 5}
COMPLETE = {"marker": "o", "linestyle": "", "color": BLUE, "markersize": 5}
DEFAULT = {"marker": "D", "linestyle": "", "color": ORANGE, "markersize": 8}


def show_trials(table: pd.DataFrame) -> None:
    """Left: each trial's value, and the best so far. Right: each trial's curve, cut where it was pruned."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.6), sharey=True)
    values = last_values(table)
    _draw_trials(left, table["trial"], values, table)
    best = table["value"].cummax().ffill()
    left.step(table["trial"], best, where="post", color=BLUE, label="best so far")
    left.set(xlabel="trial", ylabel=VALUE, title="The search")
    left.xaxis.get_major_locator().set_params(integer=True)
    epochs = columns_of(table, "epoch")
    numbers = [int(name.split()[1]) for name in epochs]
    for _, row in table.iterrows():
        pruned = row["state"] == "pruned"
        right.plot(
            numbers,
            row[epochs].astype(float),
            color="0.7" if pruned else BLUE,
            linewidth=1 if pruned else 1.4,
            linestyle="--" if pruned else "-",
            marker=".",
        )
    right.plot(numbers, table.iloc[0][epochs].astype(float), color=ORANGE, linewidth=2.5, label="defaults")
    right.plot([], [], color=BLUE, marker=".", label="complete")
    right.plot([], [], color="0.7", linestyle="--", marker=".", label="pruned")
    right.set(xlabel="epoch", title="What the pruner saw", xticks=numbers)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=4, fontsize=9)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=3, fontsize=9)
    plt.show()


def show_importance(importance: pd.Series, by_chance: pd.Series, trials: int) -> None:
    """Bars of `optuna_study.importance`, largest above, and what `importance_by_chance` says of each.

    Parameters
    ----------
    trials : number of complete trials that both come from.
    """
    figure, axis = plt.subplots(figsize=(7, 3.8))
    names = [_label(name) for name in importance.index]
    axis.barh(names, importance, color=BLUE, label="in the study")
    chance = by_chance[importance.index]
    axis.plot(chance, names, "D", color=ORANGE, markersize=7, label="one of ten shuffled studies has more")
    axis.invert_yaxis()
    axis.set(xlabel="share of the variance of the values", xlim=(0, None))
    axis.set_title(f"Importance by fANOVA, {trials} complete trials")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    plt.show()


def show_slices(table: pd.DataFrame, columns: int = 5) -> None:
    """A panel a parameter: the values of all trials over it. Categories stand side by side."""
    rows = math.ceil(len(SPACE) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.5 * columns, 2.7 * rows), sharey=True)
    values = last_values(table)
    for axis, (name, distribution) in zip(axes.flat, SPACE.items(), strict=False):
        x = table[name]
        if isinstance(distribution, CategoricalDistribution):
            choices = list(distribution.choices)
            x = x.map(choices.index)
            turned = {"rotation": 40, "ha": "right"} if isinstance(choices[0], str) else {}
            axis.set_xticks(range(len(choices)), choices, **turned)
            axis.set_xlim(-0.5, len(choices) - 0.5)
        elif distribution.log:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
        _draw_trials(axis, x, values, table)
        axis.set_xlabel(_label(name))
    for axis in axes.flat[len(SPACE) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        axis.set_ylabel(VALUE)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    plt.show()


def show_folds(patches: pd.DataFrame) -> None:
    """Stacked bars of the wells that each fold leaves out.

    Parameters
    ----------
    patches : rows folds, columns wells, patches of the jury; 0 or NaN where the well is not left out.
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
    plt.show()


def last_values(table: pd.DataFrame) -> pd.Series:
    """Of each trial the value after the last epoch that it trained; NaN if it trained none."""
    epochs = columns_of(table, "epoch")
    return table[epochs].astype(float).ffill(axis=1).iloc[:, -1]


def _draw_trials(axis, x, values: pd.Series, table: pd.DataFrame) -> None:
    """Complete and pruned trials, and the first, which has the defaults."""
    pruned = table["state"] == "pruned"
    axis.plot(x[pruned], values[pruned], label="pruned, when stopped", **PRUNED)
    axis.plot(x[~pruned], values[~pruned], label="complete", **COMPLETE)
    axis.plot(x.iloc[:1], values.iloc[:1], label="defaults", **DEFAULT)


def _label(name: str) -> str:
    return name.replace("_", " ")
