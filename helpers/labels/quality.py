"""Which labels are suspicious? Rankings by models that have not seen the well (review point R4.3).

A model that was trained on a label has learned its flaws; so each well is judged by a model of other wells.
Frames are (n, 1296) pixels, row by row, indexed by patch name, as everywhere.
"""

import numpy as np
import pandas as pd
import torch
from cleanlab.segmentation.filter import find_label_issues

from helpers.config import PATCH_SIZE
from helpers.data.wells import well_from_frame, wells_of
from helpers.labels.ribbons import block_of, find_holes, row_centres
from helpers.metrics import count_pixels, dice_from_counts, iou_from_counts


def label_issues(y: pd.DataFrame, probability: pd.DataFrame) -> pd.DataFrame:
    """Pixels whose label cleanlab takes for wrong: a frame like `y` of True and False.

    Confident learning: a pixel is flagged when the model gives the other class a probability above what it
    gives on average to pixels that carry that class's label. Source: Northcutt, Jiang and Chuang 2021,
    https://arxiv.org/abs/1911.00068, and Lad and Mueller 2023, https://arxiv.org/abs/2307.05080.
    `probability` is that of groove, by models that have not seen the patch.
    ValueError : the two frames are not of the same patches, in the same order.
    """
    if not y.index.equals(probability.index) or y.shape != probability.shape:
        raise ValueError(
            f"Expected probabilities of the same patches as the labels, in the same order; found "
            f"{probability.shape} for {y.shape}. Take `probability.loc[y.index]`."
        )
    labels = y.to_numpy(int).reshape(-1, PATCH_SIZE, PATCH_SIZE)
    groove = probability.to_numpy(np.float32).reshape(labels.shape)
    classes = np.stack([1 - groove, groove], axis=1)  # (n, 2, 36, 36): sound wall, groove
    flags = find_label_issues(labels, classes, n_jobs=1, verbose=False, batch_size=10_000_000)
    return pd.DataFrame(flags.reshape(len(y), -1), y.index, y.columns)


def rank_labels(y: pd.DataFrame, probability: pd.DataFrame, issues: pd.DataFrame) -> pd.DataFrame:
    """How suspicious each patch's label is, one row a patch; the higher, the more.

    "pixels flagged": the share of its pixels in `issues`, from `label_issues`. "1 - Dice": how far label and
    prediction, cut at 0.5, differ.
    """
    masks = (torch.from_numpy(frame.to_numpy()) for frame in (probability >= 0.5, y.astype(bool)))
    disagreement = 1 - dice_from_counts(count_pixels(*masks).double()).numpy()
    return pd.DataFrame({"pixels flagged": issues.mean(axis=1), "1 - Dice": disagreement}, y.index)


def most_suspicious(suspicion: pd.Series, share: float) -> pd.Index:
    """Names of the most suspicious share of the patches, the worst first."""
    worst_first = suspicion.sort_values(ascending=False, kind="stable").index
    return worst_first[: max(1, round(share * len(suspicion)))]


def known_defects(y: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """What is wrong with each label, where the truth is known, of wells with one groove a row at most.

    Returns one row a patch, in the order of `y`: rows of its depth in which the groove was "overlooked",
    drawn in another "width", or "slipped" sideways by 0.75 columns of the well or more; pixels of "hole"; and
    "iou" of label and truth, 1 where both are empty. Twins share their rows, so they share what is found
    there.
    """
    found = []
    for well in sorted(set(wells_of(y))):
        drawn, true = (np.nan_to_num(well_from_frame(frame, well)) > 0 for frame in (y, truth))
        filled, around = drawn | find_holes(drawn), drawn.shape[1]
        both = filled.any(axis=1) & true.any(axis=1)
        shift = np.nan_to_num(row_centres(filled) - row_centres(true))
        shift = np.abs((shift + around / 2) % around - around / 2)  # the short way around the pipe
        kinds = {
            "overlooked": true.any(axis=1) & ~filled.any(axis=1),
            "width": both & (filled.sum(axis=1) != true.sum(axis=1)),
            "slipped": both & (shift >= 0.75),
            "hole": (filled & ~drawn).sum(axis=1),
        }
        blocks = {kind: rows.reshape(-1, PATCH_SIZE).sum(axis=1) for kind, rows in kinds.items()}
        found.append(pd.concat({well: pd.DataFrame(blocks)}))
    table = pd.concat(found).loc[[block_of(name) for name in y.index]].set_axis(y.index)
    masks = (torch.from_numpy(frame.to_numpy(bool)) for frame in (y, truth.loc[y.index]))
    return table.assign(iou=iou_from_counts(count_pixels(*masks).double()).numpy())
