"""Probability of detection."""

import numpy as np
import pandas as pd
import pytest

from groove_report.pod import (
    fit_detection_curve,
    groove_shape,
    hit_or_miss,
    rate_interval,
)
from helpers.data.wells import column_azimuths


def test_a_planted_groove_has_its_depth_width_length_and_azimuth():
    shape = groove_shape((200, 360), row=50, azimuth=0.5, width=30, length=80)
    assert shape.max() == pytest.approx(1, abs=1e-3)
    rows = np.flatnonzero(shape.max(axis=1) >= 0.5)
    assert (rows[0], rows[-1]) == (50, 129)
    across = np.flatnonzero(shape[90] >= 0.5)
    assert len(across) == 31 and {0, 15, 345} <= set(across)  # around the wrap, 15 degrees to each side
    assert 16 not in across


def test_a_broken_and_drifting_groove_is_both():
    shape = groove_shape((200, 72), 20, 180, 30, 144, drift=40, broken=True)
    middles = column_azimuths(72)[shape.argmax(axis=1)]
    assert middles[160] - middles[25] == pytest.approx(0.4 * 135, abs=5)
    assert shape[74].max() < 0.1 < 0.9 < shape[86].max()  # a gap in the middle third, then the groove again


def finder(threshold: float):
    """Finds every pixel that lies deeper than the threshold."""
    return lambda thickness: (thickness < -threshold).astype(np.uint8)


def test_hits_are_the_grooves_that_the_finder_sees_by_seed():
    def plant(seed):
        return hit_or_miss(finder(0.03), np.zeros((2000, 72)), 60, (0.01, 0.1), 40, seed=seed, width=40)

    trials = plant(1)
    sure = (trials["depth"] > 0.031) | (trials["depth"] < 0.029)
    np.testing.assert_array_equal(trials["hit"][sure], (trials["depth"] > 0.03)[sure])
    assert len(trials) == 60 and 0 < trials["hit"].mean() < 1 and trials["depth"].between(0.01, 0.1).all()
    assert trials.equals(plant(1)) and not trials.equals(plant(2))


def test_a_stretch_is_the_same_rows_of_the_wall_in_every_round_and_keeps_its_pattern():
    """A stretch where nothing can be found is a miss in every round, mirrored or not."""
    background = np.zeros((2000, 36))
    background[:180] = 1  # deep grooves are not deep there
    trials = hit_or_miss(finder(0.03), background, 60, (0.05, 0.1), 40)
    rows = trials.groupby("stretch")["row"]
    assert list(rows.groups) == list(range(12)) and (rows.count() == 5).all()
    assert (rows.max() - rows.min() <= 1).all()  # mirrored, a wall of odd spare rows is a row off
    assert (rows.min().diff().dropna() >= 159).all()
    stretches = [group.tolist() for _, group in trials["stretch"].groupby(trials.index // 12)]
    assert {tuple(round_) for round_ in stretches} == {tuple(range(12)), tuple(range(12))[::-1]}
    hits = trials.groupby("stretch")["hit"].agg(["min", "max"])
    assert (hits.loc[0] == 0).all() and (hits.loc[1:] == 1).all(axis=None)


def test_a_call_elsewhere_is_no_hit_and_a_wall_too_short_is_refused():
    top = lambda wall: np.arange(len(wall))[:, None] + 0 * wall < 20  # noqa: E731
    assert hit_or_miss(top, np.zeros((500, 36)), 6, (1, 2))["hit"].sum() == 0
    with pytest.raises(ValueError, match="160 rows, found one of 159"):
        hit_or_miss(finder(0.03), np.zeros((159, 36)), 5, (0.01, 0.1), 40)


def test_the_interval_of_a_rate_is_the_exact_one_of_poisson():
    assert rate_interval(0, 10_000) == (0, pytest.approx(3.689, abs=1e-3))
    assert rate_interval(10, 20_000) == pytest.approx((4.795 / 2, 18.390 / 2), abs=1e-3)  # Garwood 1936


A90 = np.exp((np.log(9) - 14.0) / 3.5)  # of the trials below


def simulated_trials(count: int, seed: int, stretches: int | None = None, spread=0.0) -> pd.DataFrame:
    """Trials of stretches that differ by so much on the scale of log odds; by default each its own."""
    rng = np.random.default_rng(seed)
    depth = np.exp(rng.uniform(np.log(0.002), np.log(0.1), count))
    stretch = np.arange(count) % (stretches or count)
    pod = 1 / (1 + np.exp(-(14.0 + 3.5 * np.log(depth) + rng.normal(0, spread, count)[stretch])))
    return pd.DataFrame({"depth": depth, "stretch": stretch, "hit": (rng.random(count) < pod).astype(int)})


def test_a90_95_nearly_keeps_its_word_where_stretches_of_wall_differ():
    """160 grooves, as in notebook 08, where they lie in 18 stretches."""
    of_stretch = np.random.default_rng(0).normal(0, 1.5, 100_000)
    depths = np.geomspace(0.02, 0.1, 300)
    pod = [(1 / (1 + np.exp(-(14.0 + 3.5 * np.log(depth) + of_stretch)))).mean() for depth in depths]
    true = np.interp(0.9, pod, depths)
    curves = [fit_detection_curve(simulated_trials(160, seed, 18, 1.5)) for seed in range(300)]
    assert np.mean([curve.depth_at(0.9, 0.95) > true for curve in curves]) >= 0.90


@pytest.mark.parametrize("stretches", [1, 2])
def test_too_few_stretches_leave_the_bound_unknown(stretches):
    curve = fit_detection_curve(simulated_trials(160, 0, stretches))
    assert curve.depth_at(0.9) == pytest.approx(A90, rel=0.3)
    assert np.isnan(curve.depth_at(0.9, 0.95)) and np.isnan(curve.pod(0.05, 0.95)).all()


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95])
def test_depth_at_undoes_pod_and_a_depth_never_found_so_often_is_nan(confidence):
    curve = fit_detection_curve(simulated_trials(400, 0))
    for pod in (0.05, 0.5, 0.9, 0.95):
        assert curve.pod(curve.depth_at(pod, confidence), confidence)[0] == pytest.approx(pod, abs=1e-6)
    depths = np.linspace(0.01, 0.1, 100)
    guessed = pd.DataFrame({"depth": depths, "hit": np.arange(100) % 2, "stretch": range(100)})
    assert np.isnan(fit_detection_curve(guessed).depth_at(0.999, confidence))


@pytest.mark.parametrize("hits", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
def test_trials_that_no_curve_fits_are_refused(hits):
    with pytest.raises(ValueError, match="do not overlap in depth"):
        fit_detection_curve(pd.DataFrame({"depth": [0.01, 0.02, 0.03, 0.04], "hit": hits}))


def test_the_curve_is_that_of_a_textbook():
    """Bliss 1935, killed beetles by dose: hits and misses, and a logit of a logarithm, with known results.

    Coefficients as in Dobson 2002, "An introduction to generalized linear models", table 7.3 (dose as log10):
    -60.72 and 34.27.
    """
    log_dose = np.array([1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839])
    beetles = np.array([59, 60, 62, 56, 63, 59, 62, 60])
    killed = np.array([6, 13, 18, 28, 52, 53, 61, 60])
    hit = np.concatenate([np.r_[np.ones(k), np.zeros(n - k)] for k, n in zip(killed, beetles, strict=True)])
    depth = 10 ** np.repeat(log_dose, beetles)
    curve = fit_detection_curve(pd.DataFrame({"depth": depth, "hit": hit, "stretch": range(len(hit))}))
    assert curve.coefficients * [1, np.log(10)] == pytest.approx([-60.72, 34.27], abs=0.01)  # ours of ln dose
    expected = 10 ** ((np.log10(9) / np.log10(np.e) + 60.72) / 34.27)
    assert curve.depth_at(0.9) == pytest.approx(expected, rel=1e-3)
