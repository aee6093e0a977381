import numpy as np
import pandas as pd
import pytest
import torch

from helpers.metrics import summarise
from helpers.patch_files import COLUMNS
from helpers.studies.held_out import WELL_FOLDS, FlippedBatches, counts_on, hold_out, train_on
from helpers.wells import ALL_WELLS, parse_name, patch_name, wells_of


@pytest.fixture(scope="module")
def striped() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Masks and images of 32 patches of well 1 with a plain vertical groove."""
    rng = np.random.default_rng(0)
    masks = np.zeros((32, 36, 36), np.uint8)
    for mask, column in zip(masks, rng.integers(2, 30, 32), strict=True):
        mask[:, column : column + 4] = 1
    images = rng.normal(0, 0.005, masks.shape) - 0.05 * masks
    index = pd.Index([patch_name(1, patch) for patch in range(32)], name="patch")
    return tuple(
        pd.DataFrame(pixels.reshape(32, -1).astype(kind), index, COLUMNS)
        for pixels, kind in ((masks, np.uint8), (images, np.float32))
    )


def test_each_well_is_left_out_once():
    assert sorted(well for fold in WELL_FOLDS for well in fold) == list(ALL_WELLS)


def test_flips_move_image_and_mask_together_and_each_sample_by_itself(striped):
    y, _ = striped
    masks = torch.tensor(y.to_numpy(np.float32)).view(-1, 1, 36, 36)
    batches = FlippedBatches(-masks, masks, 8, torch.Generator().manual_seed(0))
    images_out, masks_out = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert torch.equal(images_out, -masks_out)
    columns = {tuple(mask[0, 0].nonzero().flatten().tolist()) for mask in masks}
    flipped = [tuple(mask[0, 0].nonzero().flatten().tolist()) not in columns for mask in masks_out]
    assert 0 < sum(flipped) < len(flipped)


def test_an_epoch_shows_each_patch_once():
    numbers = torch.arange(10.0).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    batches = FlippedBatches(numbers, numbers, 3, torch.Generator().manual_seed(0))
    shown = torch.cat([images[:, 0, 0, 0] for images, _ in batches])
    assert sorted(shown.tolist()) == list(range(10)) and shown.tolist() != list(range(10))


def test_a_model_is_trained_to_find_grooves(striped):
    model = train_on(*striped, budget=32 * 25)
    assert summarise(counts_on(model, *striped))["dice"] > 0.9


def test_the_same_seed_trains_the_same_model(striped):
    first, second, other = (train_on(*striped, budget=64, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.head.weight, second.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_counts_are_in_the_order_of_the_masks(striped):
    y, images = striped
    model = train_on(y, images, budget=32)
    forwards, backwards = counts_on(model, y, images), counts_on(model, y[::-1], images)
    assert torch.equal(forwards, backwards.flip(0))


@pytest.mark.parametrize("by", ["patch", "pair", "wells"])
def test_about_a_fifth_is_held_out(simulated, by):
    shares = [hold_out(simulated[1], by, seed).mean() for seed in range(5)]
    assert all(0.13 <= share <= 0.27 for share in shares)


def test_pairs_are_not_torn_apart(simulated):
    y = simulated[1]
    held_out = pd.Series(hold_out(y, "pair", 0), [(w, p // 2) for w, p in map(parse_name, y.index)])
    assert held_out.groupby(level=0).nunique().max() == 1


def test_a_random_split_of_patches_tears_pairs_apart(simulated):
    y = simulated[1]
    held_out = pd.Series(hold_out(y, "patch", 0), [(w, p // 2) for w, p in map(parse_name, y.index)])
    assert held_out.groupby(level=0).nunique().max() == 2


def test_wells_are_held_out_whole(simulated):
    y = simulated[1]
    held_out = pd.Series(hold_out(y, "wells", 0), wells_of(y))
    assert held_out.groupby(level=0).nunique().max() == 1


def test_an_unknown_way_to_hold_out_is_refused(simulated):
    with pytest.raises(ValueError, match="'joint'"):
        hold_out(simulated[1], "joint", 0)


def test_wells_that_cannot_be_held_out_are_named(simulated):
    y = simulated[1]
    with pytest.raises(ValueError, match=r"\[3\].*20%"):
        hold_out(y[wells_of(y) == 3], "wells", 0)
