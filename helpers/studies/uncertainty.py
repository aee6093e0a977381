"""How sure is a score? Intervals from a bootstrap over blocks of depth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.special import expit, logit
from scipy.stats import t
from torch import Tensor

from helpers.data.wells import block_of, parse_name
from helpers.metrics import dice_from_counts, iou_from_counts, summarise

BLOCK = 10  # patches of 36 rows, one below the other: longer than most grooves keep their look


def depth_blocks(names: Sequence[str], size: int = BLOCK) -> np.ndarray:
    """Number the block of depth that each patch lies in, (N,): `size` patches of a well, with their twins.

    Neighbours show the same groove, so they are no independent draws; a block of them nearly is.
    """
    keys = [(well, block // size) for well, block in map(block_of, names)]
    return pd.factorize(pd.Index(keys))[0]


def bootstrap(counts: Tensor, names: Sequence[str], draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Scores with intervals of 95 %, from draws of whole blocks of depth within each well.

    The interval is that of other depths of the same wells; of other wells it says nothing. Blocks are few, so
    each draw takes one block less from a well than it has, with weights that make up for it; the variance of
    a mean is then without bias (Rao and Wu 1988, https://doi.org/10.1080/01621459.1988.10478591). The
    interval is Student's on the scale of log odds, which keeps it between 0 and 1, with as many degrees of
    freedom as there are blocks less wells ("xlogit" of https://rdrr.io/pkg/survey/man/svyciprop.html).

    A single block cannot show how blocks of its well differ. So wells of one block are drawn together as if
    they were one well, and a lone one with the well of fewest blocks (collapsed strata: Wolter 2007,
    "Introduction to Variance Estimation", section 2.5): rather too wide than too narrow. If every well has
    one block, the interval is NaN.

    Parameters
    ----------
    counts : (N, 3), as `metrics.count_pixels` gives them. names : N patch names, in the same order.

    Returns
    -------
    Rows "dice" and "mean_iou"; columns "score", "low", "high", and "blocks", their number.

    Raises
    ------
    ValueError : there are not as many names as counts, or no counts.
    """
    if len(counts) != len(names):
        raise ValueError(f"Expected one name a patch, found {len(names)} names and {len(counts)} counts.")
    table = pd.DataFrame({"score": summarise(counts)})
    block_of_patch = depth_blocks(names)
    _, first = np.unique(block_of_patch, return_index=True)
    wells = np.array([parse_name(names[patch])[0] for patch in first])  # of each block
    counts = counts.cpu().double()
    sums = torch.zeros(len(wells), 5, dtype=torch.float64)  # of a block: tp, fp, fn, IoU, patches
    of_patch = torch.cat([counts, iou_from_counts(counts)[:, None], torch.ones(len(counts), 1)], dim=1)
    sums.index_add_(0, torch.from_numpy(block_of_patch), of_patch)
    drawn = torch.from_numpy(_weights(_strata(wells), draws, np.random.default_rng(seed))) @ sums
    scores = torch.stack([dice_from_counts(drawn[:, :3]), drawn[:, 3] / drawn[:, 4]], dim=1)
    margin = t.ppf(0.975, len(wells) - len(np.unique(wells))) * scores.numpy().std(axis=0)
    table["low"], table["high"] = (_shifted(table["score"].to_numpy(), side * margin) for side in (-1, 1))
    return table.assign(blocks=len(wells))


def _strata(wells: np.ndarray) -> np.ndarray:
    """The stratum of each block, from its well: wells of one block are put together, or to another well."""
    numbers, sizes = np.unique(wells, return_counts=True)
    alone, others = numbers[sizes == 1], numbers[sizes > 1]
    if len(alone) == 1 and len(others):
        alone = [*alone, others[np.argmin(sizes[sizes > 1])]]
    return np.where(np.isin(wells, alone), -1, wells)


def _weights(strata: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each block counts in each draw, (draws, blocks); NaN if there is only one block."""
    weights = np.zeros((draws, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        taken = len(members) - 1
        if taken == 0:
            return np.full_like(weights, np.nan)
        chosen = members[rng.integers(len(members), size=(draws, taken))]
        np.add.at(weights, (np.arange(draws)[:, None], chosen), len(members) / taken)
    return weights


def _shifted(score: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Scores moved by a margin along log odds; at 0 and 1, which have none, along the score itself."""
    inside = (score > 0) & (score < 1)
    slope = np.where(inside, score * (1 - score), 1)
    odds = logit(np.where(inside, score, 0.5)) + margin / slope
    return np.where(inside, expit(odds), np.clip(score + margin, 0, 1))
