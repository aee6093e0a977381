"""Probability of detection, as non-destructive testing gives it: how deep must a groove be to be found?

Grooves of known depth are planted in a wall that has none, and each is a hit or a miss: MIL-HDBK-1823A
(2009), appendix G; Berens 1989, "NDE reliability data analysis", ASM Handbook 17. The handbook takes trials
for independent. Grooves in one stretch of wall are not, since its pattern hides or helps all; so standard
errors are clustered by stretch (Cameron and Miller 2015, https://doi.org/10.3368/jhr.50.2.317, II and VI).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.special import expit
from scipy.stats import chi2, t
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from groove_report.grooves import calls
from helpers.data.wells import column_azimuths
from helpers.whole_wells.geometry import check_well

SPACE = 120  # rows between two planted grooves: each stands alone


def groove_shape(
    shape: tuple[int, int], row: int, azimuth: float, width=30.0, length=72, drift=0.0, broken=False
) -> np.ndarray:
    """A groove of depth 1, (H, W), from a row on, its middle at an azimuth in degrees, its ends fading.

    Its width, at half of the depth, is in degrees, its length in rows, its drift in degrees in 100 rows. A
    broken one lacks every second dozen rows of its middle third, as where a joint rode over it.
    """
    middles = azimuth + drift / 100 * (np.arange(shape[0]) - row - (length - 1) / 2)
    away = np.abs((column_azimuths(shape[1]) - middles[:, None] + 180) % 360 - 180)
    along = np.zeros(shape[0])
    along[row : row + length] = 1
    if broken:
        third = np.arange(row + length // 3, row + 2 * length // 3)
        along[third[(third - third[0]) % 24 < 12]] = 0
    return ndimage.gaussian_filter1d(along, 2.0)[:, None] * 0.5 ** ((2 * away / width) ** 2)


def hit_or_miss(
    find: Callable[[np.ndarray], np.ndarray],
    background: np.ndarray,
    trials: int,
    depths: tuple[float, float],
    length: int = 72,
    drift: float = 0.0,
    seed: int = 0,
    **shape,
) -> pd.DataFrame:
    """Plant grooves of one `groove_shape` in a wall without any, and see which `find` marks, (H, W) each.

    The wall is divided into stretches, one groove in each, and is rolled and mirrored anew for each round;
    ValueError if it is too short for one. Depths are drawn evenly on a logarithmic scale, azimuths evenly,
    and every second groove drifts the other way. It is a hit if a call touches its half-depth area.

    A row that comes back is a groove: depth, row (its first, in `background` as it was given), stretch (of
    the wall, from 0 at the top; each comes once a round), hit (0 or 1).
    """
    check_well(background.shape)
    (height, columns), step = background.shape, length + SPACE
    if height < step:
        raise ValueError(f"A groove of {length} rows needs a wall of {step} rows, found one of {height}.")
    # The stretches lie in the middle of the wall, so that mirrored ones fall on each other, within a row
    starts = np.arange(SPACE // 2 + (height - step) % step // 2, height - length, step)
    rng, rows = np.random.default_rng(seed), []
    while len(rows) < trials:
        roll, down, around = rng.integers(columns), rng.choice([-1, 1]), rng.choice([-1, 1])  # -1: mirrored
        wall = np.roll(background, roll, axis=1)[::down, ::around].copy()
        planted = []
        for stretch, start in enumerate(starts[: trials - len(rows)]):
            depth, azimuth = np.exp(rng.uniform(*np.log(depths))), rng.uniform(0, 360)
            turned = drift * (-1) ** stretch
            groove = groove_shape(wall.shape, start, azimuth, length=length, drift=turned, **shape)
            wall -= depth * groove
            place = (start, stretch) if down == 1 else (height - length - start, len(starts) - 1 - stretch)
            planted.append((depth, *place, groove >= 0.5))
        called = calls(find(wall)) > 0
        rows += [(*trial, int((called & area).any())) for *trial, area in planted]
    return pd.DataFrame(rows, columns=["depth", "row", "stretch", "hit"])


def rate_interval(count: int, rows: int) -> tuple[float, float]:
    """Exact 95 % Poisson interval of calls per 10,000 rows (Garwood 1936) from a count in so many rows."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return low / rows * 10_000, chi2.ppf(0.975, 2 * count + 2) / 2 / rows * 10_000


@dataclass(frozen=True)
class DetectionCurve:
    """POD(a) = logistic(b0 + b1 ln a), fitted to hits and misses."""

    coefficients: np.ndarray  # b0, b1
    covariance: np.ndarray  # (2, 2); NaN where there are too few stretches to tell it
    depths: tuple[float, float]  # the shallowest and the deepest trial
    stretches: int  # of wall that the trials lie in

    def pod(self, depth: np.ndarray | float, confidence: float = 0.5) -> np.ndarray:
        """Probability of detection at these depths; with a confidence above 0.5 its one-sided lower bound."""
        x = np.vander(np.log(np.atleast_1d(depth)), 2, increasing=True)
        logit = x @ self.coefficients
        if confidence != 0.5:
            error = np.sqrt(((x @ self.covariance) * x).sum(axis=1))
            logit = logit - t.ppf(confidence, self.stretches - 1) * error
        return expit(logit)

    def depth_at(self, pod: float, confidence: float = 0.5) -> float:
        """Depth that is found with probability `pod`: `depth_at(0.9)` is a90, `depth_at(0.9, 0.95)` a90/95.

        NaN where the curve does not get there up to ten times the deepest trial, or there is no bound.
        """
        depths = np.geomspace(self.depths[0] / 10, self.depths[1] * 10, 20_000)
        pods = self.pod(depths, confidence)
        above = np.flatnonzero(pods >= pod)  # its first: the bound may fall again far from the data
        if len(above) == 0 or above[0] == 0:
            return float("nan")
        ends = slice(above[0] - 1, above[0] + 1)
        return float(np.interp(pod, pods[ends], depths[ends]))


Measured = tuple[DetectionCurve, pd.DataFrame]  # and the trials that it was fitted to


def fit_detection_curve(trials: pd.DataFrame) -> DetectionCurve:
    """Fit the probability of detection to `hit_or_miss` by maximum likelihood, with its confidence (Wald).

    ValueError if hits and misses do not overlap in depth: no finite curve fits. Fewer than three stretches
    tell nothing of the errors of two coefficients. Bounds, by the t distribution, are still a little bold: of
    simulated a90/95 with 160 trials, 0.90 lay above the true a90 with 5 or 8 stretches, 0.95 with 30.
    """
    hits, misses = (trials.loc[trials["hit"] == value, "depth"] for value in (1, 0))
    if len(hits) == 0 or len(misses) == 0 or hits.min() > misses.max() or misses.min() > hits.max():
        raise ValueError(
            f"{len(hits)} hits and {len(misses)} misses do not overlap in depth, so no curve can be fitted. "
            "Plant more grooves, around the depth where finds begin."
        )
    depth, hit, stretch = (trials[name].to_numpy() for name in ("depth", "hit", "stretch"))
    model = GLM(hit, np.vander(np.log(depth), 2, increasing=True), family=Binomial())
    stretches, covariance = len(np.unique(stretch)), np.full((2, 2), np.nan)
    if stretches >= 3:
        covariance = model.fit(cov_type="cluster", cov_kwds={"groups": stretch}).cov_params()
    return DetectionCurve(model.fit().params, covariance, (depth.min(), depth.max()), stretches)
