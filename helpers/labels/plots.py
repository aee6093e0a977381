"""The gallery of notebook 09."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.lines import Line2D

from helpers.config import PATCH_SIZE
from helpers.data.wells import well_from_frame
from helpers.labels.errors import KINDS
from helpers.plots import LABEL_LINE, PREDICTION_LINE, add_colour_bar, draw_outline, draw_thickness


def show_failures(
    cases: pd.DataFrame,
    truth: pd.DataFrame,
    prediction: pd.DataFrame,
    images: pd.DataFrame,
    judge: str = "label",
    seed: int = 0,
) -> None:
    """A gallery of failures: a row a kind, six cases drawn at random, each a block of 36 rows, once around
    the pipe. Cases of a well that has one already, and of fewer than six rows, come last.

    Parameters
    ----------
    cases : from `helpers.labels.errors.groove_cases` of the same three frames.
    judge : what the masks in `truth` are.
    """
    shown = [kind for kind in KINDS[1:] if (cases["kind"] == kind).any()]  # all but what was found
    figure, axes = plt.subplots(len(shown), 6, figsize=(11.5, 1.95 * len(shown) + 0.7), squeeze=False)
    for row, kind in zip(axes, shown, strict=True):
        some = cases[cases["kind"] == kind].sample(frac=1, random_state=seed)
        some = some.assign(speck=some["rows"] < 6).sort_values("speck", kind="stable")
        some = some.assign(again=some["well"].duplicated()).sort_values("again", kind="stable")
        for axis in row:
            axis.set_axis_off()
        for axis, case in zip(row, some.itertuples(), strict=False):
            part = slice(case.block * PATCH_SIZE, (case.block + 1) * PATCH_SIZE)
            image, *masks = (well_from_frame(frame, case.well)[part] for frame in (images, truth, prediction))
            picture = draw_thickness(axis, image, aspect="auto")
            for mask, style in zip(masks, (LABEL_LINE, PREDICTION_LINE), strict=True):
                if mask.min() < mask.max():
                    draw_outline(axis, style, mask)
            axis.set_title(f"{kind} · well {case.well}, {part.start}–", fontsize=9, loc="left")
    add_colour_bar(figure, picture, axes)
    lines = [
        Line2D([], [], color=style["colors"], linestyle=style["linestyles"], label=name)
        for name, style in ((judge, LABEL_LINE), ("prediction", PREDICTION_LINE))
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=2)
    figure.suptitle("Grooves that were missed, found in part, or predicted where there is none", fontsize=11)
    plt.show()
