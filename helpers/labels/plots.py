"""Figures of notebooks 09 and 10: failures, calibration, label quality. Each function shows its figure."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.config import PATCH_SIZE
from helpers.labels.errors import KINDS
from helpers.plots import (
    BLUE,
    LABEL_LINE,
    ORANGE,
    PREDICTION_LINE,
    THICKNESS_LABEL,
    draw_outline,
    draw_thickness,
)
from helpers.wells import well_from_frame

KIND_COLOURS = {
    "found": "#B8DDD0",
    "missed": BLUE,
    "broken": "#56B4E9",
    "shifted": "#CC79A7",
    "too wide": "#E69F00",
    "too narrow": "#F0E442",
}
BOTH, FALSE, MISSED = "0.45", ORANGE, BLUE


def show_failures(
    cases: pd.DataFrame,
    truth: pd.DataFrame,
    prediction: pd.DataFrame,
    images: pd.DataFrame,
    each: int = 3,
    seed: int = 0,
    judge: str = "label",
) -> None:
    """A gallery of failures: a row a kind; of each case the image, and where prediction and judge differ.

    A panel is a block of 36 rows, once around the pipe. Cases are drawn at random, one a well as far as there
    are so many wells; cases of fewer than six rows come last.

    Parameters
    ----------
    cases : from `helpers.labels.errors.groove_cases` of the same three frames.
    judge : what the masks in `truth` are.
    """
    shown = [kind for kind in KINDS[1:] if (cases["kind"] == kind).any()]  # all but what was found
    figure, axes = plt.subplots(
        len(shown), 2 * each, figsize=(1.75 * 2 * each + 1, 1.95 * len(shown) + 0.7), squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    picture = None
    for row, kind in zip(axes, shown, strict=True):
        examples = _examples(cases[cases["kind"] == kind], each, seed)
        for place, (_, case) in enumerate(examples.iterrows()):
            part = slice(case["block"] * PATCH_SIZE, (case["block"] + 1) * PATCH_SIZE)
            image, true, guess = (
                well_from_frame(frame, case["well"])[part] for frame in (images, truth, prediction)
            )
            panels = row[2 * place : 2 * place + 2]
            picture = draw_thickness(panels[0], image, aspect="auto")
            difference = np.select([(true > 0) & (guess > 0), guess > 0, true > 0], [1, 2, 3], 0)
            _draw(panels[1], difference, ListedColormap(["white", BOTH, FALSE, MISSED]), largest=3)
            for axis in panels:
                _frame(axis)
            panels[0].set_title(f"{kind} · well {case['well']}, rows {part.start}–", fontsize=10, loc="left")
    bar = figure.colorbar(picture, ax=axes, shrink=0.5, pad=0.01, extend="both")
    bar.set_label(THICKNESS_LABEL, fontsize=9)
    colours = {"both": BOTH, "only predicted": FALSE, f"only in the {judge}": MISSED}
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    figure.suptitle("Grooves that were missed, found in part, or predicted where there is none", fontsize=11)
    plt.show()


def _examples(cases: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Cases drawn at random: none of a well twice while there are other wells, specks after that."""
    some = cases.sample(frac=1, random_state=seed)
    some = some.assign(speck=some["rows"] < 6).sort_values("speck", kind="stable")
    some["again"] = some["well"].duplicated()
    return some.sort_values("again", kind="stable").head(most)


def show_kinds(groups: dict[str, pd.DataFrame]) -> None:
    """What became of the true grooves, in groups: a panel each, from `helpers.labels.errors.count_kinds`."""
    figure, axes = plt.subplots(1, len(groups), figsize=(4.3 * len(groups), 3.9), squeeze=False)
    for axis, (title, shares) in zip(axes[0], groups.items(), strict=True):
        shares = shares[shares["grooves"] > 0]
        place, bottom = np.arange(len(shares)), np.zeros(len(shares))
        for kind, colour in KIND_COLOURS.items():
            axis.bar(place, shares[kind], 0.85, bottom=bottom, color=colour, label=kind)
            bottom += shares[kind]
        for x, number in zip(place, shares["grooves"], strict=True):
            axis.text(x, 101, f"{number:.0f}", ha="center", fontsize=8, color="0.35")
        axis.set_xticks(place, shares.index.astype(str), rotation=35 if len(str(shares.index[0])) > 3 else 0)
        axis.set(xlabel=title, ylabel="share of the true grooves, %" if axis is axes[0, 0] else "")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=6, fontsize=9)
    figure.suptitle(
        "Few of the faintest grooves are found, most of the deepest (number of true grooves above each bar)",
        fontsize=11,
    )
    plt.show()


def show_reliability(tables: dict[str, pd.DataFrame]) -> None:
    """Reliability diagrams, a line a key, and how many pixels stand behind each point.

    Parameters
    ----------
    tables : name -> table of `helpers.labels.calibration.reliability`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    for (name, table), style in zip(tables.items(), ("o-", "s--", "^:", "d-."), strict=False):
        left.plot(table["predicted"], table["observed"], style, markersize=5, label=name)
        right.plot(table["predicted"], table["pixels"], style, markersize=5, label=name)
    left.set(xlabel="mean predicted probability", ylabel="share that is groove", xlim=(0, 1), ylim=(0, 1))
    right.set(xlabel="mean predicted probability", ylabel="pixels", yscale="log", xlim=(0, 1))
    left.legend()
    figure.suptitle("Each part of the wells has another bias (below the diagonal: predictions too high)")
    plt.show()


def show_thresholds(curves: pd.DataFrame, chosen: float, label: str) -> None:
    """A score by threshold, a row a well; dots mark each well's own best, the dashed line the choice.

    Parameters
    ----------
    curves : from `helpers.labels.calibration.thresholds_per_well`.
    label : of the score.
    """
    figure, axis = plt.subplots(figsize=(8, 4.6))
    thresholds, rows = curves.index.to_numpy(), np.arange(curves.shape[1])
    picture = axis.pcolormesh(thresholds, rows, curves.T, cmap="Blues", vmin=0, vmax=1, shading="nearest")
    axis.plot(curves.idxmax(), rows, "o", color=ORANGE, label="best of the well")
    axis.axvline(chosen, color="black", linestyle="--", label=f"chosen on validation wells, {chosen:.2f}")
    axis.set_yticks(rows, curves.columns)
    axis.invert_yaxis()
    axis.set(xlabel="threshold", ylabel="well", title="The best threshold differs from well to well")
    figure.colorbar(picture, ax=axis, label=label)
    figure.legend(loc="outside lower center", ncols=2)
    plt.show()


def show_ranking(suspicion: pd.DataFrame, spoiled: np.ndarray) -> None:
    """Which share of the spoiled labels is found when the most suspicious share of all is checked.

    Parameters
    ----------
    suspicion : from `helpers.labels.quality.rank_labels`.
    spoiled : (n,) True where the label is known to be wrong.
    """
    spoiled = np.asarray(spoiled, bool)
    checked = 100 * np.arange(1, len(spoiled) + 1) / len(spoiled)
    figure, axis = plt.subplots(figsize=(7, 4))
    for ranking, style in zip(suspicion, ("-", "-", "--", "-.", ":"), strict=False):
        order = np.argsort(-suspicion[ranking].to_numpy(), kind="stable")
        axis.plot(checked, 100 * spoiled[order].cumsum() / spoiled.sum(), style, linewidth=2, label=ranking)
    axis.set(xlabel="labels checked, the most suspicious first, %", ylabel="spoiled labels found, %")
    axis.set(
        xlim=(0, 100),
        ylim=(0, 102),
        title="The first fifth of the suspects holds about a third of the spoiled labels",
    )
    axis.legend()
    plt.show()


def show_suspects(
    names: Sequence[str],
    titles: Sequence[str],
    images: pd.DataFrame,
    labels: pd.DataFrame,
    probability: pd.DataFrame,
    truth: pd.DataFrame | None = None,
) -> None:
    """Suspicious patches, a column each: image with label and prediction, probability, and the truth if
    known.

    Parameters
    ----------
    names : of patches; the frames may have more of them.
    """
    rows = ["image", "probability"] + (["truth"] if truth is not None else [])
    figure, axes = plt.subplots(
        len(rows), len(names), figsize=(1.45 * len(names), 1.6 * len(rows) + 0.6), squeeze=False
    )
    for column, name, title in zip(axes.T, names, titles, strict=True):
        image, label, p = (_patch(frame, name) for frame in (images, labels, probability))
        draw_thickness(column[0], image, aspect="auto")
        column[0].set_title(title, fontsize=8.5)
        _draw(column[1], p, "Greens")
        if truth is not None:
            _draw(column[2], _patch(truth, name), "gray_r")
        for axis in column:
            for mask, style in ((label, LABEL_LINE), (p >= 0.5, PREDICTION_LINE)):
                if mask.min() < mask.max():
                    draw_outline(axis, style, mask)
            _frame(axis)
    for axis, title in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(title, fontsize=9)
    lines = [
        Line2D([], [], color=style["colors"], linestyle=style["linestyles"], label=name)
        for style, name in ((LABEL_LINE, "label"), (PREDICTION_LINE, "prediction, cut at 0.5"))
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=2, fontsize=9)
    figure.suptitle("The most suspicious labels, and what the model predicts", fontsize=11)
    plt.show()


def show_styles(styles: pd.DataFrame, x: str, y: str, title: str) -> None:
    """Each well as its number, by two columns of `helpers.labels.annotators.annotator_styles`."""
    figure, axis = plt.subplots(figsize=(6.5, 4))
    axis.plot(styles[x], styles[y], "o", color=BLUE, markersize=5)
    for well, style in styles.iterrows():
        axis.annotate(f"{well}", (style[x], style[y]), xytext=(5, 3), textcoords="offset points", fontsize=10)
    axis.set(xlabel=x, ylabel=y, title=title)
    plt.show()


def _patch(frame: pd.DataFrame, name: str) -> np.ndarray:
    return frame.loc[name].to_numpy(float).reshape(PATCH_SIZE, PATCH_SIZE)


def _draw(axis, values: np.ndarray, colours: str | ListedColormap, largest: float = 1) -> None:
    axis.imshow(values, cmap=colours, vmin=0, vmax=largest, aspect="auto", interpolation="nearest")


def _frame(axis) -> None:
    axis.set(xticks=[], yticks=[])
    axis.set_axis_on()
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.5, color="0.6")
