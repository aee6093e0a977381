"""Which labels are suspicious? Rankings by models that have not seen the well (review point R4.3).

A model that was trained on a label has learned its flaws; so each well is judged by a model of other wells.
Frames are (n, 1296) pixels, row by row, indexed by patch name, as everywhere.
"""

import numpy as np
import pandas as pd
import torch
from cleanlab.segmentation.filter import find_label_issues
from cleanlab.segmentation.rank import get_label_quality_scores

from helpers.config import PATCH_SIZE
from helpers.data.wells import block_of, well_from_frame, wells_of
from helpers.labels.ribbons import find_holes, row_centres
from helpers.metrics import count_pixels, dice_from_counts, iou_from_counts
from helpers.studies.folds import probabilities_on, train_on, well_folds


def unseen_probabilities(
    y: pd.DataFrame, images: pd.DataFrame, epochs: int, seed: int = 0, folds: int = 3
) -> pd.DataFrame:
    """Groove probability of every pixel by a model that has not seen the pixel's well: a frame like `y`.

    The wells of `y` are shared out among folds (`well_folds`); for each a baseline U-Net is trained on the
    others, on cleaned `images`.
    """
    wells, parts = wells_of(y), []
    for left_out in well_folds(y, folds, sorted(set(wells.tolist()))):
        unseen = np.isin(wells, left_out)
        model = train_on(y[~unseen], images, epochs, seed)
        parts.append(probabilities_on(model, images.loc[y.index[unseen]]))
    return pd.concat(parts).loc[y.index]


def label_issues(y: pd.DataFrame, probability: pd.DataFrame) -> pd.DataFrame:
    """Pixels whose label cleanlab takes for wrong: a frame like `y` of True and False.

    Confident learning: a pixel is flagged when the model gives the other class a probability above what it
    gives on average to pixels that carry that class's label. Source: Northcutt, Jiang and Chuang 2021,
    https://arxiv.org/abs/1911.00068, and Lad and Mueller 2023, https://arxiv.org/abs/2307.05080.
    """
    flags = find_label_issues(*_for_cleanlab(y, probability), n_jobs=1, verbose=False, batch_size=10_000_000)
    return pd.DataFrame(flags.reshape(len(y), -1), y.index, y.columns)


def rank_labels(
    y: pd.DataFrame, probability: pd.DataFrame, issues: pd.DataFrame, seed: int = 0
) -> pd.DataFrame:
    """How suspicious each patch's label is, by five rankings; the higher, the more.

    Parameters
    ----------
    probability : by models that have not seen the patch, see `unseen_probabilities`.
    issues : from `label_issues`.

    Returns
    -------
    One row a patch. "cleanlab, softmin": 1 - the soft minimum of the probabilities of the labels, which looks
    at the worst pixels; "cleanlab, pixels flagged": share of pixels in `issues`; "cross-entropy": mean of
    -log of the label's probability; "1 - Dice": of label and prediction cut at 0.5; and, to compare with,
    "random".
    """
    softmin, _ = get_label_quality_scores(*_for_cleanlab(y, probability), verbose=False)
    labels, p = y.to_numpy().astype(bool), probability.to_numpy(np.float64)
    counts = count_pixels(torch.from_numpy(p >= 0.5), torch.from_numpy(labels)).double()
    columns = {
        "cleanlab, softmin": 1 - softmin,
        "cleanlab, pixels flagged": issues.to_numpy().mean(axis=1),
        "cross-entropy": -np.log(np.maximum(np.where(labels, p, 1 - p), 1e-7)).mean(axis=1),
        "1 - Dice": 1 - dice_from_counts(counts).numpy(),
        "random": np.random.default_rng(seed).random(len(y)),
    }
    return pd.DataFrame(columns, y.index)


def most_suspicious(suspicion: pd.Series, share: float) -> pd.Index:
    """Names of the most suspicious share of the patches, the worst first."""
    worst_first = suspicion.sort_values(ascending=False, kind="stable").index
    return worst_first[: max(1, round(share * len(suspicion)))]


def _for_cleanlab(y: pd.DataFrame, probability: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n, 36, 36) and probabilities (n, 2, 36, 36) of sound wall and groove."""
    if not y.index.equals(probability.index) or y.shape != probability.shape:
        raise ValueError(
            f"Expected probabilities of the same patches as the labels, in the same order; found "
            f"{probability.shape} for {y.shape}. Take `probability.loc[y.index]`."
        )
    labels = y.to_numpy(int).reshape(-1, PATCH_SIZE, PATCH_SIZE)
    groove = probability.to_numpy(np.float32).reshape(-1, PATCH_SIZE, PATCH_SIZE)
    return labels, np.stack([1 - groove, groove], axis=1)


def known_defects(y: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """What is wrong with each label, where the truth is known, of wells with one groove a row at most.

    Returns
    -------
    One row a patch, in the order of `y`: rows of its depth in which the groove was "overlooked", drawn in
    another "width", or "slipped" sideways by 0.75 columns of the well or more; pixels of "hole"; and "iou" of
    label and truth, 1 where both are empty. Twins share their rows, so they share what is found there.
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
