"""Probability of detection, as non-destructive testing gives it: how deep must a groove be to be found?

Grooves of known depth are planted in a wall that has none, and each is a hit or a miss. Source:
MIL-HDBK-1823A (2009), "Nondestructive evaluation system reliability assessment", appendix G on hit/miss data;
Berens 1989, "NDE reliability data analysis", ASM Handbook 17. The handbook takes trials for independent.
Grooves planted in one stretch of wall are not, since its pattern hides or helps them all; so standard errors
are clustered by stretch (Cameron and Miller 2015, https://doi.org/10.3368/jhr.50.2.317, sections II and VI).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import ndimage
from scipy.optimize import brentq
from scipy.stats import chi2, t

from helpers.data.wells import column_azimuths
from helpers.report.grooves import calls
from helpers.whole_wells.geometry import check_well

_SPACE = 120  # rows between two planted grooves: each stands alone


class GrooveShape(NamedTuple):
    """What grooves are planted: rounded across, their ends fading over a few rows."""

    width: float = 30.0  # degrees across at half of the depth
    length: int = 72  # rows
    drift: float = 0.0  # degrees in 100 rows that it moves around the pipe
    broken: bool = False  # its middle third lacks every second dozen of rows, as where a joint rode over it


def groove_shape(
    shape: tuple[int, int], row: int, azimuth: float, width=30.0, length=72, drift=0.0, broken=False
) -> np.ndarray:
    """A `GrooveShape` of depth 1, (H, W), from this row on, its middle at so many degrees."""
    middles = azimuth + drift / 100 * (np.arange(shape[0]) - row - (length - 1) / 2)
    away = np.abs((column_azimuths(shape[1]) - middles[:, None] + 180) % 360 - 180)
    across = np.exp(-np.log(2) * (2 * away / width) ** 2)
    along = np.zeros(shape[0])
    along[row : row + length] = 1
    if broken:
        third = np.arange(row + length // 3, row + 2 * length // 3)
        along[third[(third - third[0]) % 24 < 12]] = 0
    return ndimage.gaussian_filter1d(along, 2.0)[:, None] * across


def hit_or_miss(
    find: Callable[[np.ndarray], np.ndarray],
    background: np.ndarray,
    trials: int,
    depths: tuple[float, float],
    shape: GrooveShape,
    seed: int = 0,
) -> pd.DataFrame:
    """Plant single grooves in a wall without any, and see which are found.

    The wall is divided into stretches, one groove in each, with sound wall between them, and is rolled and
    mirrored anew for each round. Depths, from the smallest to the largest of `depths`, are drawn evenly on a
    logarithmic scale, azimuths evenly. A groove is a hit if a call touches its half-depth area.

    Parameters
    ----------
    find : takes (H, W) thickness, returns a mask of 0 and 1.
    background : (H, W) thickness without grooves; ValueError if it is too short for one.
    shape : of all grooves; every second one drifts the other way.

    Returns
    -------
    One row a planted groove: depth, row (its first, in `background` as it was given), stretch (of the wall,
    from 0 at the top; each comes once a round), hit (0 or 1).
    """
    check_well(background.shape)
    height, columns = background.shape
    length = shape.length
    step = length + _SPACE
    spare = height - step
    if spare < 0:
        raise ValueError(f"A groove of {length} rows needs a wall of {step} rows, found one of {height}.")
    # The stretches lie in the middle of the wall, so that mirrored ones fall on each other, within a row
    starts = _SPACE // 2 + spare % step // 2 + step * np.arange(spare // step + 1)
    rng = np.random.default_rng(seed)
    rows = []
    while len(rows) < trials:
        roll = int(rng.integers(columns))
        along, around = rng.choice([-1, 1]), rng.choice([-1, 1])  # -1: mirrored
        wall = np.roll(background, roll, axis=1)[::along, ::around].copy()
        planted = []
        for stretch, start in enumerate(starts[: trials - len(rows)]):
            depth, azimuth = np.exp(rng.uniform(*np.log(depths))), rng.uniform(0, 360)
            turned = shape._replace(drift=shape.drift * (-1) ** stretch)
            groove = groove_shape(wall.shape, start, azimuth, *turned)
            wall -= depth * groove
            place = (start, stretch) if along == 1 else (height - length - start, len(starts) - 1 - stretch)
            planted.append((depth, *place, groove >= 0.5))
        called = calls(find(wall)) > 0
        rows += [(*trial, int((called & area).any())) for *trial, area in planted]
    return pd.DataFrame(rows, columns=["depth", "row", "stretch", "hit"])


def false_calls(find: Callable[[np.ndarray], np.ndarray], background: np.ndarray) -> float:
    """Calls per 10,000 rows of a wall without grooves."""
    return int(calls(find(background)).max()) / len(background) * 10_000


def rate_interval(count: int, rows: int) -> tuple[float, float]:
    """Exact 95 % Poisson interval of calls per 10,000 rows (Garwood 1936) from a count in so many rows."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return low / rows * 10_000, chi2.ppf(0.975, 2 * count + 2) / 2 / rows * 10_000


def threshold_for(probability: np.ndarray, rate: float) -> float:
    """The lowest threshold with at most `rate` calls in 10,000 rows of a sound wall, to 0.1 of the logit.

    Networks can be compared at the same rate of false calls only. `probability` is what one gives the wall,
    (H, W). Raises ValueError if there is no such threshold up to 0.999999.
    """
    lowest = None
    for logit in np.arange(13.8, -5, -0.1):
        threshold = 1 / (1 + np.exp(-logit))
        if false_calls(lambda wall, limit=threshold: wall >= limit, probability) > rate:
            break
        lowest = float(threshold)
    if lowest is None:
        raise ValueError(f"No threshold brings false calls down to {rate:g} in 10,000 rows.")
    return lowest


@dataclass(frozen=True)
class DetectionCurve:
    """POD(a) = logistic(b0 + b1 ln a), fitted to hits and misses."""

    coefficients: np.ndarray  # (2,)
    covariance: np.ndarray  # (2, 2), clustered by stretch of wall; NaN for one or two stretches
    depths: tuple[float, float]  # smallest and largest of the trials: beyond them the curve is a guess
    stretches: int  # of wall that the trials lie in

    def pod(self, depth: np.ndarray | float, confidence: float = 0.5) -> np.ndarray:
        """Probability of detection at these depths; with a confidence above 0.5 its one-sided lower bound."""
        x = sm.add_constant(np.log(np.atleast_1d(depth)), has_constant="add")
        logit = x @ self.coefficients
        if confidence != 0.5:
            error = np.sqrt(np.einsum("ij,jk,ik->i", x, self.covariance, x))
            logit = logit - t.ppf(confidence, self.stretches - 1) * error
        return 1 / (1 + np.exp(-logit))

    def depth_at(self, pod: float, confidence: float = 0.5) -> float:
        """Depth that is found with probability `pod`: `depth_at(0.9)` is a90, `depth_at(0.9, 0.95)` a90/95.

        NaN where the curve does not get there up to ten times the deepest trial, or there is no bound.
        """

        def gap(logarithm: np.ndarray | float) -> np.ndarray:
            return self.pod(np.exp(logarithm), confidence) - pod

        # The bound may fall again far from the data, so the crossing is looked for from the shallow side
        grid = np.linspace(np.log(self.depths[0] / 10), np.log(self.depths[1] * 10), 400)
        above = np.flatnonzero(gap(grid) >= 0)
        if len(above) == 0 or above[0] == 0:
            return float("nan")
        return float(np.exp(brentq(lambda at: gap(at)[0], grid[above[0] - 1], grid[above[0]])))


def fit_detection_curve(trials: pd.DataFrame) -> DetectionCurve:
    """Fit the probability of detection by maximum likelihood, with the confidence of the fit (Wald).

    `trials` are those of `hit_or_miss`; ValueError if hits and misses do not overlap in depth, so that no
    finite curve fits. Standard errors are clustered by stretch of wall, and bounds take the t distribution
    with one degree of freedom less than there are stretches; fewer than three tell nothing of two
    coefficients. Where few stretches differ much, bounds are still too bold: of 600 simulations each, with
    160 trials, a90/95 lay above the true a90 in 0.90 with 5 or 8 stretches, 0.92 with 12 or 18 and 0.95 with
    30; without clustering in 0.79, 0.82, 0.87, 0.89 and 0.93.
    """
    hits, misses = (trials.loc[trials["hit"] == value, "depth"] for value in (1, 0))
    if len(hits) == 0 or len(misses) == 0 or hits.min() > misses.max() or misses.min() > hits.max():
        raise ValueError(
            f"{len(hits)} hits and {len(misses)} misses do not overlap in depth, so no curve can be fitted. "
            "Plant more grooves, around the depth where finds begin."
        )
    x = sm.add_constant(np.log(trials["depth"].to_numpy()))
    model = sm.GLM(trials["hit"].to_numpy(), x, family=sm.families.Binomial())
    stretches, covariance = trials["stretch"].nunique(), np.full((2, 2), np.nan)
    if stretches >= 3:
        clusters = {"groups": trials["stretch"].to_numpy()}
        covariance = model.fit(cov_type="cluster", cov_kwds=clusters).cov_params()
    depths = float(trials["depth"].min()), float(trials["depth"].max())
    return DetectionCurve(model.fit().params, covariance, depths, stretches)
