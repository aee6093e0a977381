from math import comb

import numpy as np
import pandas as pd
import pytest

from helpers.eda.plots import leak_summary
from helpers.eda.split_choice import rank_splits
from helpers.patch_files import COLUMNS
from helpers.split import split_balance, split_y_to_train_val_test


@pytest.fixture(scope="module")
def ranking(simulated):
    difficulty = pd.Series({well: 0.5 for well in range(1, 16) if well not in (9, 10)} | {3: 0.1})
    return rank_splits(simulated[1], difficulty)


def test_every_split_is_there_once(ranking):
    assert len(ranking) == comb(15, 2) * comb(13, 4)
    assert not ranking[["val", "test"]].duplicated().any()
    assert all(not set(val) & set(test) for val, test in zip(ranking["val"], ranking["test"], strict=True))


def test_the_most_balanced_come_first(ranking):
    assert ranking["imbalance"].is_monotonic_increasing


def test_the_chosen_split_is_the_config_s(ranking):
    chosen = ranking[ranking["chosen"]]
    assert chosen[["val", "test"]].values.tolist() == [[(3, 9), (2, 4, 5, 15)]]


def test_imbalance_is_the_largest_deviation_of_the_balance_table(ranking, simulated):
    y = simulated[1]
    balance = split_balance(*split_y_to_train_val_test(y)).drop(columns=["wells", "patches"])
    whole = [np.array([70, 20, 10]), 100 * y.to_numpy().mean(), 100 * y.to_numpy().any(axis=1).mean()]
    deviations = [
        np.abs(balance[column] / target - 1).max() for column, target in zip(balance, whole, strict=True)
    ]
    assert ranking.loc[ranking["chosen"], "imbalance"].item() == pytest.approx(max(deviations))


def test_the_gap_is_the_difference_in_mean_dice_of_the_parts(ranking):
    """Validation wells 3 (Dice 0.1) and 9 (none) against 0.5 everywhere else."""
    assert ranking.loc[ranking["chosen"], "gap"].item() == pytest.approx(0.4)


def test_a_part_without_any_groove_has_no_gap(ranking):
    assert ranking.loc[ranking["val"] == (9, 10), "gap"].isna().all()


def test_without_difficulties_there_is_no_gap(simulated):
    masks = pd.DataFrame(
        np.eye(15, 1296, dtype=np.uint8), [f"well_{w}_patch_0" for w in range(1, 16)], COLUMNS
    )
    assert "gap" not in rank_splits(masks)


def test_the_leak_is_pooled_over_folds_before_dice_is_taken():
    rows = [
        {"by": "patch", "seed": 0, "fold": 0, "validation": (10, 0, 0), "unseen": (0, 5, 5)},
        {"by": "patch", "seed": 0, "fold": 1, "validation": (0, 0, 20), "unseen": (10, 0, 0)},
    ]
    frame = pd.DataFrame(
        {"by": row["by"], "seed": row["seed"], "fold": row["fold"]}
        | {
            f"{part}_{c}": n
            for part in ("validation", "unseen")
            for c, n in zip(("tp", "fp", "fn"), row[part], strict=True)
        }
        for row in rows
    )
    assert leak_summary(frame).loc[("patch", 0)].tolist() == pytest.approx([0.5, 20 / 30, 0.5 - 20 / 30])
