"""The study of recipes for whole wells."""

import numpy as np
import pytest
import recipes

from experiments.folds import leave_out
from helpers.data.wells import wells_of


@pytest.mark.parametrize(
    "variant", ["simulated, then trained, averaged", "rival, 144 rows", "group norm, 36 rows", "patches"]
)
def test_every_kind_of_recipe_trains_on_the_wells_that_are_not_left_out(variant, simulated, monkeypatch):
    """On two small wells, with a simulation of two, which is like the fold's training wells only."""
    images, labels, _ = simulated
    few = np.isin(wells_of(images), [8, 10, 12])
    fold = leave_out(0, (12,), labels[few], images[few])
    monkeypatch.setattr(recipes, "SIMULATED", 2)
    monkeypatch.setattr(recipes, "SIMULATED_EPOCHS", 1)
    liked, simulate = [], recipes.simulate_wells
    monkeypatch.setattr(
        recipes, "simulate_wells",
        lambda count, like, seed: liked.append(like) or simulate(count, like, seed, rows=200),
    )  # fmt: skip
    model = recipes.model_of(variant, fold, epochs=2, trained={})
    assert all(like == [8, 10] for like in liked) and bool(liked) == ("simulated" in variant)
    found = recipes.probabilities(variant, model, images[few], fold)
    assert list(found) == [12] and found[12].shape == (144, 36)
    assert ((found[12] > 0) & (found[12] < 1)).all()
    scores = recipes.score(found, fold, fold.unseen.masks)
    assert 0 <= scores["dice"] == scores["well_12_dice"] <= 1 and scores["well_3_dice"] == ""
