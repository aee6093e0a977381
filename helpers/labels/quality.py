"""Which labels are suspicious? Rankings by models that have not seen the well (review point R4.3).

A model that was trained on a label has learned its flaws; so each well is judged by a model of other wells.
Frames are (n, 1296) pixels, row by row, indexed by patch name, as everywhere.
"""

import numpy as np
import pandas as pd
import torch
from cleanlab.segmentation.filter import find_label_issues
from cleanlab.segmentation.rank import get_label_quality_scores

from helpers.config import PATCH_SIZE, Config
from helpers.labels.ribbons import find_holes
from helpers.metrics import count_pixels, dice_from_counts, iou_from_counts
from helpers.studies.folds import STUDY_CONFIG, probabilities_on, train_on, well_folds
from helpers.wells import block_of, well_from_frame, wells_of

RANKINGS = ("cleanlab, softmin", "cleanlab, pixels flagged", "cross-entropy", "1 - Dice", "random")
FLAWS = ("overlooked", "width", "slipped", "hole")  # of flaws that the simulation draws


def unseen_probabilities(
    y: pd.DataFrame,
    images: pd.DataFrame,
    epochs: int,
    seed: int = 0,
    folds: int = 3,
    config: Config = STUDY_CONFIG,
) -> pd.DataFrame:
    """Groove probability of every pixel by a model that has not seen the pixel's well.

    The wells of `y` are shared out among folds (`well_folds`); for each a baseline U-Net is
    trained on the others.

    Parameters
    ----------
    y : masks of the wells to be judged; no others are trained on.
    images : cleaned images, with at least the rows of `y`.

    Returns
    -------
    A frame like `y`, float32.

    Raises
    ------
    DataError : fewer wells have a groove than there are folds.
    """
    wells = wells_of(y)
    parts = []
    for left_out in well_folds(y, folds, sorted(set(wells.tolist()))):
        unseen = np.isin(wells, left_out)
        model = train_on(y[~unseen], images, epochs, seed, config)
        parts.append(probabilities_on(model, images.loc[y.index[unseen]], config))
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
    y: pd.DataFrame, probability: pd.DataFrame, issues: pd.DataFrame | None = None, seed: int = 0
) -> pd.DataFrame:
    """How suspicious each patch's label is, by five rankings; the higher, the more.

    Parameters
    ----------
    probability : by models that have not seen the patch, see `unseen_probabilities`.
    issues : from `label_issues`; computed where it is not given.

    Returns
    -------
    One row a patch. "cleanlab, softmin": 1 - the soft minimum of the probabilities of the labels, which looks
    at the worst pixels; "cleanlab, pixels flagged": share of pixels in `label_issues`; "cross-entropy": mean
    of -log of the label's probability; "1 - Dice": of label and prediction cut at 0.5; and, to compare with,
    "random".

    Raises
    ------
    ValueError : the frames' rows or columns differ.
    """
    issues = label_issues(y, probability) if issues is None else issues
    softmin, _ = get_label_quality_scores(*_for_cleanlab(y, probability), verbose=False)
    labels, p = y.to_numpy().astype(bool), probability.to_numpy(np.float64)
    of_label = np.where(labels, p, 1 - p)
    found = p >= 0.5
    counts = count_pixels(torch.from_numpy(found), torch.from_numpy(labels)).double()
    columns = [
        1 - softmin,
        issues.to_numpy().mean(axis=1),
        -np.log(np.maximum(of_label, 1e-7)).mean(axis=1),
        1 - dice_from_counts(counts).numpy(),
        np.random.default_rng(seed).random(len(y)),
    ]
    return pd.DataFrame(dict(zip(RANKINGS, columns, strict=True)), y.index)


def precision_recall_at(
    suspicion: pd.DataFrame, spoiled: np.ndarray, shares: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
) -> pd.DataFrame:
    """What checking the most suspicious share of the patches would find.

    Parameters
    ----------
    suspicion : (n, rankings), as `rank_labels` gives it.
    spoiled : (n,) True where the label is known to be wrong.

    Returns
    -------
    Rows (ranking, share); columns "patches" checked, "precision": spoiled among those, "recall": those among
    the spoiled; NaN where nothing is spoiled.

    Raises
    ------
    ValueError : not as many marks as patches.
    """
    spoiled = np.asarray(spoiled, bool)
    if len(spoiled) != len(suspicion):
        raise ValueError(f"Expected a mark a patch, found {len(spoiled)} for {len(suspicion)} patches.")
    rows = []
    for ranking, values in suspicion.items():
        worst_first = spoiled[np.argsort(-values.to_numpy(), kind="stable")]
        for share in shares:
            checked = max(1, round(share * len(spoiled)))
            hits = worst_first[:checked].sum()
            recall = hits / spoiled.sum() if spoiled.any() else np.nan
            rows.append((ranking, share, checked, hits / checked, recall))
    table = pd.DataFrame(rows, columns=["ranking", "share", "patches", "precision", "recall"])
    return table.set_index(["ranking", "share"])


def most_suspicious(suspicion: pd.Series, share: float) -> pd.Index:
    """Names of the most suspicious share of the patches, the worst first."""
    return suspicion.sort_values(ascending=False, kind="stable").index[
        : max(1, round(share * len(suspicion)))
    ]


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
    """What is wrong with each label, where the truth is known: on simulated wells.

    Parameters
    ----------
    y, truth : masks of the same patches, one groove a row at most.

    Returns
    -------
    One row a patch, in the order of `y`: rows of its depth in which the groove was "overlooked", drawn in
    another "width", or "slipped" sideways by 0.75 columns of the well or more; pixels of "hole"; and "iou" of
    label and truth, 1 where both are empty. Twins share their rows, so they share what is found there.
    """
    found = []
    for well in sorted(set(wells_of(y))):
        drawn, true = (np.nan_to_num(well_from_frame(frame, well)) > 0 for frame in (y, truth))
        filled = drawn | find_holes(drawn)
        both = filled.any(axis=1) & true.any(axis=1)
        shift = _row_centres(filled) - _row_centres(true)
        half = drawn.shape[1] / 2
        shift = np.abs((shift + half) % (2 * half) - half)
        kinds = {
            "overlooked": true.any(axis=1) & ~filled.any(axis=1),
            "width": both & (filled.sum(axis=1) != true.sum(axis=1)),
            "slipped": both & (shift >= 0.75),
            "hole": (filled & ~drawn).sum(axis=1),
        }
        by_block = {kind: rows.reshape(-1, PATCH_SIZE).sum(axis=1) for kind, rows in kinds.items()}
        blocks = pd.DataFrame(by_block).rename_axis("block")
        found.append(pd.concat({well: blocks}, names=["well"]))
    table = pd.concat(found).loc[[block_of(name) for name in y.index]].set_axis(y.index)
    masks = (torch.from_numpy(frame.to_numpy(bool)) for frame in (y, truth.loc[y.index]))
    return table.assign(iou=iou_from_counts(count_pixels(*masks).double()).numpy())


def _row_centres(mask: np.ndarray) -> np.ndarray:
    """Mean direction of each row's pixels, in columns; 0 where the row has none."""
    angles = 2 * np.pi * np.arange(mask.shape[1]) / mask.shape[1]
    return np.angle(mask @ np.exp(1j * angles)) * mask.shape[1] / (2 * np.pi)
