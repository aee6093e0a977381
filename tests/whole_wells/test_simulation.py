"""Simulated wells to learn from."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from helpers.config import Config
from helpers.data.synthetic import RECIPES, simulate_well
from helpers.whole_wells.simulation import SPREAD, WIDER, draw_recipe, simulate_sound_wall, simulate_wells

LIKE = Config().train_wells


def test_wells_follow_from_the_seed_and_more_begin_with_the_same_ones():
    first, again, other = (simulate_wells(n, LIKE, seed, rows=100) for n, seed in ((2, 0), (3, 0), (2, 1)))
    assert list(again) == [1000, 1001, 1002]
    for well in first:
        for one, two in zip(first[well], again[well], strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)
    assert any(not torch.equal(first[well][0], other[well][0]) for well in first)


def test_wells_come_as_assembled_ones_do():
    wells = simulate_wells(12, LIKE, rows=200).values()
    assert any(truth.isnan().any() for _, truth in wells)  # where nothing was measured
    for thickness, truth in wells:
        assert thickness.shape == truth.shape and thickness.shape[0] == 200
        assert thickness.shape[1] in (36, 72)
        assert thickness.dtype == truth.dtype == torch.float32
        assert torch.isfinite(thickness).all() and thickness.abs().max() < 0.5
        assert set(truth[~truth.isnan()].unique().tolist()) <= {0.0, 1.0}
        assert (thickness[truth.isnan()] == 0).all()


def test_where_metal_is_lost_the_truth_is_a_groove():
    wells = simulate_wells(12, LIKE, rows=400).values()
    inside = [float(thickness[truth == 1].mean()) for thickness, truth in wells if (truth == 1).any()]
    assert len(inside) > 6 and max(inside) < 0 and np.mean(inside) < -0.008


def test_recipes_stay_within_the_ranges_of_the_wells_they_are_drawn_from():
    rng = np.random.default_rng(0)
    drawn = [draw_recipe((3, 13), rng) for _ in range(200)]
    for name in ("noise", "pattern", "contrast", "groove_width", "wander"):
        known = sorted(getattr(RECIPES[well], name) for well in (3, 13))
        values = [getattr(recipe, name) for recipe in drawn if recipe.groove_share]
        assert known[0] / WIDER <= min(values) and max(values) <= known[1] * WIDER
    assert {recipe.columns for recipe in drawn} == {36, 72}
    spreads = [recipe.spread for recipe in drawn if recipe.groove_share]
    assert SPREAD[0] <= min(spreads) and max(spreads) <= SPREAD[1]
    assert 0.05 < np.mean([recipe.groove_share == 0 for recipe in drawn]) < 0.3


def test_grooveless_wells_alone_are_refused():
    with pytest.raises(ValueError, match=r"wells with a groove to draw from, found \[9, 10\]"):
        draw_recipe((9, 10), np.random.default_rng(0))


@pytest.mark.parametrize(("well", "columns"), [(9, 72), (13, 36)])
def test_a_sound_wall_is_made_as_the_well_is_without_a_groove(well, columns):
    with patch.dict(RECIPES, {well: replace(RECIPES[well], groove_share=0.0, patches=90, spikes=0.0)}):
        like = simulate_well(well).thickness
    wall = simulate_sound_wall(1000, well)
    assert wall.shape == (1000, columns) and wall.dtype == np.float32
    assert np.isfinite(wall).all() and wall.min() > -0.25
    assert wall.std() == pytest.approx(like[like > -0.25].std(), rel=0.3)
    np.testing.assert_array_equal(wall, simulate_sound_wall(1000, well))
    assert not np.array_equal(wall, simulate_sound_wall(1000, well, seed=1))
