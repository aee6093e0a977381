"""All splits of fifteen wells into 9, 2 and 4, ranked: was the reviewer's a good choice? (R1.17)"""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.wells import wells_of

TARGET_SHARES = (0.7, 0.2, 0.1)  # of the patches, for training, validation and test


def rank_splits(
    y: pd.DataFrame, difficulty: pd.Series | None = None, config: Config = Config()
) -> pd.DataFrame:
    """Judge every split with as many wells in each part as the config's.

    Parameters
    ----------
    y : (n, 1296) masks, indexed by patch name.
    difficulty : Dice of each well for a model that has not seen it, by well; NaN for wells without a groove.

    Returns
    -------
    One row a split, the most balanced first: val, test (tuples of wells), imbalance, chosen (True for the
    config's), and, with `difficulty`, gap.
    "imbalance" is the largest relative deviation of a part, in its share of patches from 70/20/10 %, or in
    its corroded pixel or patch ratio from that of all wells. "gap" is the largest difference in
    patch-weighted mean Dice between two parts; it is small where no part is much harder than another.
    """
    per_patch = pd.DataFrame({"patches": 1, "pixels": y.mean(axis=1), "corroded": y.any(axis=1)}, y.index)
    totals = per_patch.groupby(wells_of(y)).sum()
    wells = totals.index.to_numpy()
    if difficulty is not None:
        totals["weight"] = totals["patches"].where(difficulty.reindex(wells).notna(), 0)
        totals["dice"] = totals["weight"] * difficulty.reindex(wells).fillna(0)

    splits = [
        (val, test)
        for val in combinations(range(len(wells)), len(config.val_wells))
        for test in combinations(sorted(set(range(len(wells))) - set(val)), len(config.test_wells))
    ]
    member = np.zeros((3, len(splits), len(wells)))
    rows = np.arange(len(splits))[:, None]
    member[1][rows, [val for val, _ in splits]] = 1
    member[2][rows, [test for _, test in splits]] = 1
    member[0] = 1 - member[1] - member[2]

    sums = {column: member @ totals[column].to_numpy(float) for column in totals}  # (3, splits) each
    share = sums["patches"] / totals["patches"].sum() / np.array(TARGET_SHARES)[:, None]
    pixels = sums["pixels"] / sums["patches"] / (totals["pixels"].sum() / totals["patches"].sum())
    corroded = sums["corroded"] / sums["patches"] / (totals["corroded"].sum() / totals["patches"].sum())
    table = pd.DataFrame(
        {
            "val": [tuple(wells[list(val)].tolist()) for val, _ in splits],
            "test": [tuple(wells[list(test)].tolist()) for _, test in splits],
            "imbalance": np.abs(np.stack([share, pixels, corroded]) - 1).max(axis=(0, 1)),
        }
    )
    table["chosen"] = [
        set(val) == set(config.val_wells) and set(test) == set(config.test_wells)
        for val, test in zip(table["val"], table["test"], strict=True)
    ]
    if difficulty is not None:
        with np.errstate(invalid="ignore"):  # a part of groove-less wells has no difficulty
            dice = sums["dice"] / sums["weight"]
        table["gap"] = dice.max(axis=0) - dice.min(axis=0)
    return table.sort_values("imbalance", kind="stable", ignore_index=True).rename_axis("rank")
