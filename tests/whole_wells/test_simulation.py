"""Simulated wells to learn from."""

import hashlib
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from helpers.config import Config
from helpers.data.synthetic import RECIPES, simulate_well
from helpers.whole_wells import simulation
from helpers.whole_wells.simulation import BEYOND, draw_recipe, simulate_sound_wall, simulate_wells

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


def test_as_drawn_they_are_the_same_bytes_on_every_machine():
    parts = [part for well in simulate_wells(3, LIKE, rows=200).values() for part in well]
    digest = hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()
    assert digest == "4983641b85988ccf779f84f24f97f8e4bb9f8277a53c119ff659351dd1b8773a"


def both(beyond: str, count: int = 12, rows: int = 600) -> list[tuple]:
    """(thickness, truth) as drawn, and (thickness, truth) with one thing besides, of each of these wells."""
    wells = simulate_wells(count, LIKE, rows=rows), simulate_wells(count, LIKE, rows=rows, beyond=[beyond])
    return [(*before, *after) for before, after in zip(*(part.values() for part in wells), strict=True)]


@pytest.mark.parametrize(("beyond", "deepest"), [("specks", 0.02), ("corrosion", 0.05)])
def test_loss_that_is_no_groove_is_wall(beyond, deepest):
    deep = []
    for before, groove, after, truth in both(beyond):
        torch.testing.assert_close(truth, groove, rtol=0, atol=0, equal_nan=True)
        loss = (before - after)[truth == 0]
        assert loss.quantile(0.5) < 0.005 and after.min() >= -0.25
        assert (after[truth.isnan()] == 0).all()
        whole = ~truth.isnan().any(1) & (after.min(1).values > -0.249)  # rows that are not cut off
        assert (before - after)[whole].mean(1).abs().max() < 1e-6  # the tool reports deviations from a mean
        deep.append(loss.max() > deepest)
    assert sum(deep) > 6


def test_no_loss_goes_beyond_what_counts_as_measured():
    with patch.object(simulation, "other_loss", return_value=1.0):
        ((thickness, truth),) = simulate_wells(1, LIKE, rows=100).values()
    assert set(thickness[~truth.isnan()].tolist()) == {Config().outlier_threshold}


def test_faint_grooves_are_grooves():
    depths = []
    for before, groove, after, truth in both("faint"):
        torch.testing.assert_close(truth, groove, rtol=0, atol=0, equal_nan=True)
        if (truth == 1).any():
            depths.append(float(after[truth == 1].mean() / before[truth == 1].mean()))
    assert 0.2 < min(depths) < 0.7 and max(depths) < 1.05


def test_grooves_are_as_wide_as_10_to_100_degrees():
    widths = [truth.nansum(1).max() * 36 / truth.shape[1] for *_, truth in both("wide", 40)]
    assert 0.5 <= min(width for width in widths if width) < 1.5 and 8 < max(widths) <= 10


def test_columns_without_measurement_are_unknown_for_a_long_way():
    lost, side_by_side = [], 0
    for before, groove, after, truth in both("gaps"):
        gone = truth.isnan() & ~groove.isnan()
        assert (after[gone] == 0).all() and torch.equal(after[~gone], before[~gone])
        assert not gone.all(1).any()
        lost += gone.sum(0)[gone.any(0)].tolist()
        side_by_side += bool((gone[:, 1:] & gone[:, :-1]).any())
    assert len(lost) > 6 and np.median(lost) > 100 and side_by_side > 3


def test_a_well_at_half_its_rows_is_the_mean_of_each_two():
    long, halves = simulate_wells(12, LIKE, rows=800), []
    for well, (thickness, _) in simulate_wells(12, LIKE, rows=400, beyond=["shrunk"]).items():
        mean = long[well][0].unflatten(0, (400, 2)).mean(1)
        halves.append(thickness.shape == mean.shape and torch.allclose(thickness, mean, atol=1e-6))
    assert 0 < sum(halves) < 12


@pytest.mark.parametrize(("beyond", "rows"), [("stretched", {600, 400, 300}), ("shrunk", {600, 800, 1200})])
def test_wells_are_shown_at_other_depth_scales_with_noise_from_pixel_to_pixel(beyond, rows):
    with patch.object(simulation, "simulate", wraps=simulation.simulate) as made:
        pairs = both(beyond)
    assert {call.args[1] for call in made.call_args_list} == rows
    if beyond == "stretched":
        steps = [[one.diff(dim=0).abs().median() for one in pair[::2]] for pair in pairs]
        assert all(0.9 < after / before < 1.06 for before, after in steps)


def test_all_of_it_goes_together():
    for thickness, truth in simulate_wells(6, LIKE, rows=300, beyond=BEYOND).values():
        assert thickness.shape == truth.shape and len(truth) == 300 and torch.isfinite(thickness).all()


def test_about_one_well_in_seven_has_no_groove_but_what_it_is_drawn_from_must_have():
    drawn = [draw_recipe(LIKE, np.random.default_rng(number)) for number in range(1000)]
    assert np.mean([recipe.groove_share == 0 for recipe in drawn]) == pytest.approx(0.15, abs=0.03)
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
    there = like > -0.25  # of this very well, or of another one, it would be no new wall
    for others in (like, simulate_sound_wall(len(like), 10 if well == 9 else 14)):
        assert abs(np.corrcoef(simulate_sound_wall(len(like), well)[there], others[there])[0, 1]) < 0.2
    np.testing.assert_array_equal(wall, simulate_sound_wall(1000, well))
    assert not np.array_equal(wall, simulate_sound_wall(1000, well, seed=1))
