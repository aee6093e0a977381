"""Which two wells validate best? Every choice of them, ranked (R1.17). The test wells stay unseen."""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.data.split import PARTS
from helpers.data.wells import wells_of

VALIDATION_SHARE = 2 / 9  # of the patches of training and validation wells: 20 % of all, to 70 % and 10 %


def rank_splits(y: pd.DataFrame, difficulty: pd.Series, config: Config = Config()) -> pd.DataFrame:
    """Judge every choice of two validation wells among the config's training and validation wells.

    Parameters
    ----------
    y : (n, 1296) masks, indexed by patch name.
    difficulty : Dice of each of these wells for a model that has not seen it; NaN for wells without a groove.

    Returns
    -------
    One row a choice, the most balanced first: val (tuple of wells), imbalance, gap, chosen (True for the
    config's). "imbalance" is the largest relative deviation of either part: of the validation wells' share of
    patches from two ninths, or of a part's corroded pixel or patch ratio from that of all these wells.
    "gap" is by how much the patch-weighted mean Dice of the two parts differs; NaN where a part has no
    groove.
    """
    y = y[np.isin(wells_of(y), config.train_wells + config.val_wells)]
    per_patch = pd.DataFrame({"patches": 1.0, "pixels": y.mean(axis=1), "corroded": y.any(axis=1)}, y.index)
    per_well = per_patch.groupby(wells_of(y)).sum().astype(float)
    dice = difficulty.reindex(per_well.index)
    per_well["graded"] = per_well["patches"].where(dice.notna(), 0)  # patches of wells that have a Dice
    per_well["dice"] = per_well["graded"] * dice.fillna(0)
    everything, rows = per_well.sum(), []
    usual = everything[["pixels", "corroded"]] / everything["patches"]
    for val in combinations(per_well.index.tolist(), len(config.val_wells)):
        of_val = per_well.loc[list(val)].sum()
        parts = pd.DataFrame([of_val, everything - of_val])
        ratios = parts[["pixels", "corroded"]].div(parts["patches"], axis=0)
        share = of_val["patches"] / everything["patches"] / VALIDATION_SHARE
        imbalance = max(abs(share - 1), (ratios / usual - 1).abs().max(axis=None))
        means = (parts["dice"] / parts["graded"]).to_numpy()
        rows.append((val, imbalance, abs(means[0] - means[1]), set(val) == set(config.val_wells)))
    table = pd.DataFrame(rows, columns=["val", "imbalance", "gap", "chosen"])
    table = table.sort_values("imbalance", kind="stable", ignore_index=True)
    return table.set_axis(table.index + 1).rename_axis("rank")


def split_balance(*parts: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the masks of training, validation and test: its wells, patches and their share, and
    the ratios of corroded pixels and patches, in per cent."""
    total = sum(len(part) for part in parts)
    rows = [
        {
            "wells": ", ".join(map(str, sorted(set(wells_of(part))))),
            "patches": len(part),
            "share of patches, %": 100 * len(part) / total,
            "corroded pixel ratio, %": 100 * part.to_numpy().mean(),
            "corroded patch ratio, %": 100 * part.to_numpy().any(axis=1).mean(),
        }
        for part in parts
    ]
    return pd.DataFrame(rows, index=pd.Index(PARTS, name="part"))
