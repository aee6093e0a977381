"""Folds of wells: what is trained on, what judges, and how differences are told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ttest_rel
from small_wells import small_wells
from torch import nn

from experiments.folds import (
    STUDY_CONFIG,
    leave_out,
    make_folds,
    paired_differences,
    predict_masks,
    probabilities_on,
    summary,
    train_on,
    training_loader,
    well_folds,
)
from helpers.config import Config
from helpers.data import COLUMNS
from helpers.data.dataset import SegmentationDataset
from helpers.data.transforms import normalize
from helpers.data.wells import patch_name, wells_of
from helpers.files import DataError
from helpers.metrics import count_pixels, summarise
from helpers.training import fit
from helpers.training.runs import start_run


@pytest.fixture(scope="module")
def wells() -> tuple[pd.DataFrame, pd.DataFrame]:
    return small_wells()


@pytest.fixture(scope="module")
def striped(wells) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Masks and images of 32 patches with a plain vertical groove."""
    return tuple(frame[:32] for frame in wells)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_folds_leave_each_well_out_once_and_never_hold_a_test_well(wells, count):
    folds = make_folds(*wells, count)
    left_out = [well for fold in folds for well in fold.wells]
    assert sorted(left_out) == sorted(Config().train_wells + Config().val_wells)
    for number, fold in enumerate(folds):
        unseen = {int(name.split("_")[1]) for name in fold.unseen.names}
        assert fold.number == number and unseen == set(fold.wells)
        assert set(wells_of(fold.y)) == set(left_out) - unseen
        assert fold.images.index.equals(fold.y.index)


def test_a_folds_training_wells_are_cleaned_by_themselves(wells):
    """One patch of a well left out is changed beyond recognition: what is trained on stays the same."""
    y, images = wells
    before = make_folds(y, images, 2)[0]
    strange = images.copy()
    strange.loc[before.unseen.names[0]] = 0.3
    for first, second in zip(before.cleaned(), make_folds(y, strange, 2)[0].cleaned(), strict=True):
        pd.testing.assert_frame_equal(first, second)


def test_wells_left_out_are_judged_by_all_their_patches_but_the_ruined(wells):
    y, images = wells
    images = images.copy()
    images.loc[patch_name(7, 0), : COLUMNS[299]] = np.nan
    images.loc[patch_name(7, 1), : COLUMNS[49]] = np.nan
    fold = leave_out(0, (7,), y, images, Config(ruined_pixels=200))
    assert patch_name(7, 0) not in fold.unseen.names and patch_name(7, 1) in fold.unseen.names


def test_a_study_trains_as_fit_does_by_its_seed(striped, tmp_path):
    """One recipe: the network of a study has the weights of a run of notebook 04 with the same settings."""
    config = replace(Config(), runs_dir=tmp_path, seed=3)
    loader = training_loader(*striped, config)
    run = start_run("unet", config, dropout=config.dropout)
    fit(run, loader, loader, epochs=2)
    same, other = (train_on(*striped, epochs=2, seed=seed) for seed in (3, 4))
    for mine, theirs in zip(same.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(same.head.weight, other.head.weight)


def test_a_model_is_trained_to_find_grooves_wherever_a_patch_stands_in_the_list(striped):
    model, dataset = train_on(*striped, epochs=25), SegmentationDataset.from_frames(*striped, normalize())
    assert summarise(count_pixels(predict_masks(model, dataset), dataset.masks))["dice"] > 0.9
    forwards, backwards = (probabilities_on(model, images) for images in (striped[1], striped[1][::-1]))
    pd.testing.assert_frame_equal(forwards, backwards.loc[forwards.index])


def test_masks_are_predicted_in_the_datasets_order(striped):
    unseen = SegmentationDataset.from_frames(*striped, normalize())
    model = nn.Conv2d(1, 1, 1)  # finds what lies under -0.02
    with torch.no_grad():
        model.weight.fill_(-1.0)
        model.bias.fill_(-1.0)  # in units of 0.02
    assert STUDY_CONFIG.threshold == 0.5
    assert torch.equal(predict_masks(model, unseen), unseen.images <= -0.02)


def test_a_summary_has_mean_and_spread_of_the_runs_best_first():
    rows = pd.DataFrame({"model": list("aabbc"), "dice": [0.1, 0.3, 0.5, 0.5, 0.1]})
    table = summary(rows, "model", ["dice"])
    assert list(table.index) == ["b", "a", "c"] and list(table["runs"]) == [2, 2, 1]
    assert list(table["dice"]) == ["0.500 ± 0.000", "0.200 ± 0.141", "0.100"]


def test_a_paired_difference_is_that_of_the_paired_t_test():
    rng, of_fold = np.random.default_rng(0), {"fold": [0, 1, 2]}
    rows = pd.concat(
        pd.DataFrame(of_fold | {"case": case, "dice": rng.normal([0.2, 0.5, 0.8], 0.01) + gain})
        for case, gain in (("plain", 0.0), ("better", 0.05))
    )
    (difference,) = paired_differences(rows, "case", "dice", "plain").to_dict("records")
    plain, better = (rows.loc[rows["case"] == case, "dice"].to_numpy() for case in ("plain", "better"))
    low, high = ttest_rel(better, plain).confidence_interval()
    assert difference == pytest.approx({"difference": (better - plain).mean(), "low": low, "high": high})
    with pytest.raises(ValueError, match="needs a run a fold"):
        paired_differences(rows.iloc[1:], "case", "dice", "plain")


def test_folds_share_out_the_wells_that_are_named_in_equal_sizes(wells):
    sizes = {1: 166, 2: 616, 3: 1774, 6: 964, 7: 1654, 8: 78, 9: 166, 10: 80, 11: 1512, 12: 44, 13: 1905}
    y = pd.DataFrame({0: 1}, [patch_name(well, n) for well, count in sizes.items() for n in range(count)])
    y.loc[[name for name in y.index if name.startswith(("well_9_", "well_10_"))]] = 0
    folds = well_folds(y)
    assert sorted(sum(folds, ())) == sorted(set(sizes) - {2})
    counts = [sum(sizes[well] for well in fold) for fold in folds]
    assert max(counts) < 1.6 * min(counts)
    assert all(9 not in fold or 10 not in fold for fold in folds)
    assert well_folds(wells[0], 2, wells=(1, 3)) == [(1,), (3,)]
    with pytest.raises(DataError, match="10 folds need as many wells with a groove"):
        make_folds(*wells, 10)
