"""The figure of a study."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from helpers.plots import BLUE, ORANGE


def show_study(results: pd.DataFrame, by: str, scores: dict[str, str], title: str = "") -> None:
    """A panel for each of `scores`, column -> label; a row for each value of the column `by`, of which the
    first is what the others are compared with: the line is its mean. A dot is a run, a bar the runs' mean."""
    order = list(results[by].unique())
    size = 2.2 + 3.6 * len(scores), max(2, 0.9 + 0.36 * len(order))
    figure, axes = plt.subplots(1, len(scores), figsize=size, sharey=True, squeeze=False)
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
    axes[0, 0].set(ylabel=by, ylim=(len(order) - 0.5, -0.5))
    figure.supxlabel("dots: runs · bars: their means", fontsize=9)
    figure.suptitle(title, fontsize=11)
    plt.show()
