"""How sure is a score? Bootstrap intervals over blocks of depth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.metrics import summarise
from helpers.wells import block_of

BLOCK = 10  # patches of 36 rows, one below the other: longer than most grooves keep their look


def depth_blocks(names: Sequence[str], size: int = BLOCK) -> np.ndarray:
    """Number the block of depth that each patch lies in, (N,): `size` patches of a well, with their twins.

    Neighbours show the same groove, so they are no independent draws; a block of them nearly is.
    """
    keys = [(well, block // size) for well, block in map(block_of, names)]
    return pd.factorize(pd.Index(keys))[0]


def bootstrap(
    counts: Tensor, blocks: np.ndarray, draws: int = 1000, seed: int = 0, share: float = 0.95
) -> pd.DataFrame:
    """Scores with percentile intervals, drawing whole blocks with replacement.

    The interval is that of other depths of the same wells. How other wells would do it cannot say: for that
    the wells are too few.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13, on blocks section 8.6.

    Parameters
    ----------
    counts : (N, 3), as `metrics.count_pixels` gives them.
    blocks : (N,) from `depth_blocks`.
    share : of the draws that lie in the interval.

    Returns
    -------
    Rows "dice" and "mean_iou"; columns "score", "low", "high".

    Raises
    ------
    ValueError : there are not as many blocks as counts, or no counts.
    """
    if len(counts) != len(blocks):
        raise ValueError(f"Expected one block a patch, found {len(blocks)} blocks and {len(counts)} counts.")
    table = pd.DataFrame({"score": summarise(counts)})
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    rng = np.random.default_rng(seed)
    scores = []
    for _ in range(draws):
        chosen = rng.integers(len(members), size=len(members))
        rows = np.concatenate([members[block] for block in chosen])
        scores.append(summarise(counts[torch.from_numpy(rows)]))
    edges = pd.DataFrame(scores).quantile([(1 - share) / 2, (1 + share) / 2])
    return table.assign(low=edges.iloc[0], high=edges.iloc[1])
