"""Probability of detection."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.detection import (
    calls,
    false_calls,
    fit_detection_curve,
    groove_shape,
    hit_or_miss,
)


def test_a_short_find_is_no_call():
    mask = np.zeros((60, 36), np.uint8)
    mask[5:14, 3] = 1  # 9 rows
    mask[20:30, 35] = mask[25:31, 0] = 1  # 11 rows, around the wrap
    found = calls(mask)
    assert found.max() == 1
    assert not found[:20].any() and (found[mask.astype(bool)][9:] == 1).all()


def test_a_planted_groove_has_its_depth_width_length_and_azimuth():
    shape = groove_shape((200, 360), row=50, azimuth=0.5, width=30, length=80)
    assert shape.max() == pytest.approx(1, abs=1e-3)
    rows = np.flatnonzero(shape.max(axis=1) >= 0.5)
    assert (rows[0], rows[-1]) == (50, 129)
    across = np.flatnonzero(shape[90] >= 0.5)
    assert len(across) == 31 and {0, 15, 345} <= set(across)  # around the wrap, 15 degrees to each side
    assert 16 not in across


def finder(threshold: float):
    """Finds every pixel that lies deeper than the threshold."""
    return lambda thickness: (thickness < -threshold).astype(np.uint8)


def test_hits_are_the_grooves_that_the_finder_sees():
    trials = hit_or_miss(finder(0.03), np.zeros((2000, 72)), 60, (0.01, 0.1), width=40, length=40, seed=1)
    assert len(trials) == 60
    sure = (trials["depth"] > 0.031) | (trials["depth"] < 0.029)
    np.testing.assert_array_equal(trials["hit"][sure], (trials["depth"] > 0.03)[sure])
    assert 0 < trials["hit"].mean() < 1
    assert trials["depth"].between(0.01, 0.1).all()


def test_same_seed_same_trials():
    def plant(seed):
        return hit_or_miss(finder(0.03), np.zeros((500, 36)), 9, (0.01, 0.1), 30, 40, seed)

    pd.testing.assert_frame_equal(plant(3), plant(3))
    assert not plant(3).equals(plant(4))


def test_a_call_elsewhere_is_no_hit():
    def find_top(thickness):
        mask = np.zeros(thickness.shape, np.uint8)
        mask[:20] = 1
        return mask

    trials = hit_or_miss(find_top, np.zeros((500, 36)), 6, (0.01, 0.1), 30, 40)
    assert trials["hit"].sum() == 0


def test_a_wall_too_short_is_refused():
    with pytest.raises(ValueError, match="160 rows, found one of 159"):
        hit_or_miss(finder(0.03), np.zeros((159, 36)), 5, (0.01, 0.1), 30, 40)


def test_false_calls_are_counted_by_length():
    wall = np.zeros((2000, 36))
    wall[100:130, 5] = wall[900:915, 20] = -1
    wall[1500:1503, 7] = -1  # too short
    assert false_calls(finder(0.5), wall) == pytest.approx(10)


def simulated_trials(b0: float, b1: float, count: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    depth = np.exp(rng.uniform(np.log(0.002), np.log(0.1), count))
    pod = 1 / (1 + np.exp(-(b0 + b1 * np.log(depth))))
    return pd.DataFrame({"depth": depth, "hit": (rng.random(count) < pod).astype(int)})


def test_the_curve_finds_the_coefficients_that_made_the_data():
    curve = fit_detection_curve(simulated_trials(14.0, 3.5, 20_000, 0))
    np.testing.assert_allclose(curve.coefficients, [14.0, 3.5], rtol=0.05)
    a90 = np.exp((np.log(9) - 14.0) / 3.5)
    assert curve.depth_at(0.9) == pytest.approx(a90, rel=0.03)


def test_a90_95_lies_above_the_true_a90_nineteen_times_of_twenty():
    true = np.exp((np.log(9) - 14.0) / 3.5)
    above = [
        fit_detection_curve(simulated_trials(14.0, 3.5, 150, seed)).depth_at(0.9, 0.95) > true
        for seed in range(200)
    ]
    assert 0.90 < np.mean(above) < 0.985


@given(pod=st.floats(0.05, 0.95), confidence=st.sampled_from([0.5, 0.8, 0.95]))
@settings(deadline=None, max_examples=30)
def test_depth_at_undoes_pod(pod, confidence):
    curve = fit_detection_curve(simulated_trials(14.0, 3.5, 400, 0))
    assert curve.pod(curve.depth_at(pod, confidence), confidence)[0] == pytest.approx(pod, abs=1e-6)


def test_a_depth_that_is_never_found_so_often_is_nan():
    rng = np.random.default_rng(0)
    trials = pd.DataFrame({"depth": rng.uniform(0.01, 0.1, 100), "hit": rng.integers(0, 2, 100)})
    assert np.isnan(fit_detection_curve(trials).depth_at(0.999, 0.95))


@pytest.mark.parametrize("hits", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
def test_trials_that_no_curve_fits_are_refused(hits):
    trials = pd.DataFrame({"depth": [0.01, 0.02, 0.03, 0.04], "hit": hits})
    with pytest.raises(ValueError, match="do not overlap in depth"):
        fit_detection_curve(trials)
