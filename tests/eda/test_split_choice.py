from math import comb

import numpy as np
import pandas as pd
import pytest

from helpers.config import Config
from helpers.data import COLUMNS
from helpers.data.split import split_by_wells
from helpers.data.wells import patch_name, wells_of
from helpers.eda.split_choice import rank_splits, split_balance

WELLS = sorted(Config().train_wells + Config().val_wells)


@pytest.fixture(scope="module")
def ranking(simulated):
    difficulty = pd.Series({well: 0.5 for well in WELLS if well not in (9, 10)} | {3: 0.1})
    return rank_splits(simulated[1], difficulty)


def test_every_choice_of_two_training_and_validation_wells_is_there_once(ranking):
    assert len(ranking) == comb(11, 2) and not ranking["val"].duplicated().any()
    assert {well for val in ranking["val"] for well in val} == set(WELLS)


def test_the_most_balanced_come_first_and_the_chosen_is_the_configs(ranking):
    assert ranking["imbalance"].is_monotonic_increasing
    assert ranking.loc[ranking["chosen"], "val"].tolist() == [(3, 9)]


def test_imbalance_is_the_largest_deviation_of_a_part(ranking, simulated):
    y = simulated[1]
    y = y[np.isin(wells_of(y), WELLS)]
    val = np.isin(wells_of(y), (3, 9))
    deviations = [val.mean() / (2 / 9) - 1]
    for mean in (lambda part: part.to_numpy().mean(), lambda part: part.to_numpy().any(axis=1).mean()):
        deviations += [mean(part) / mean(y) - 1 for part in (y[val], y[~val])]
    assert ranking.loc[ranking["chosen"], "imbalance"].item() == pytest.approx(np.abs(deviations).max())


def test_the_gap_is_the_difference_in_mean_dice_of_the_parts(ranking):
    """Validation wells 3 (Dice 0.1) and 9 (none) against 0.5 everywhere else."""
    assert ranking.loc[ranking["chosen"], "gap"].item() == pytest.approx(0.4)


def test_a_part_without_any_groove_has_no_gap(ranking):
    assert ranking.set_index("val")["gap"].isna().to_dict()[9, 10]


def test_split_balance_counts_by_hand():
    config = Config(train_wells=(1, 6), val_wells=(3,), test_wells=(2,))
    numbers = {1: 3, 6: 3, 3: 2, 2: 2}
    names = [patch_name(well, patch) for well, count in numbers.items() for patch in range(count)]
    y = pd.DataFrame(np.zeros((10, 1296), np.uint8), names, COLUMNS)
    y.iloc[0, :648] = 1  # half of one of the six training patches
    y.iloc[6] = 1  # one of two validation patches
    balance = split_balance(*split_by_wells(y, config))
    assert balance.index.tolist() == ["train", "val", "test"]
    assert balance["wells"].tolist() == ["1, 6", "3", "2"]
    assert balance["patches"].tolist() == [6, 2, 2]
    np.testing.assert_allclose(balance["share of patches, %"], [60, 20, 20])
    np.testing.assert_allclose(balance["corroded pixel ratio, %"], [100 / 12, 50, 0])
    np.testing.assert_allclose(balance["corroded patch ratio, %"], [100 / 6, 50, 0])
