"""Probability of detection, as non-destructive testing gives it: how deep must a groove be to be found?

Grooves of known depth are planted in a wall that has none, and each is a hit or a miss. Source:
MIL-HDBK-1823A (2009), "Nondestructive evaluation system reliability assessment", appendix G on hit/miss data;
Berens 1989, "NDE reliability data analysis", ASM Handbook 17.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import ndimage
from scipy.optimize import brentq
from scipy.stats import norm

from helpers.inspection import number_grooves

SHORTEST_CALL = 10  # rows; a shorter find is not called a groove
_SPACE = 120  # rows between two planted grooves: each stands alone


def calls(mask: np.ndarray, shortest: int = SHORTEST_CALL) -> np.ndarray:
    """Number the grooves that an inspection would call: (H, W) int, 0 where there is none.

    Parameters
    ----------
    mask : (H, W) of 0 and 1, once around the pipe. Grooves are joined as in `inspection.number_grooves`.
    shortest : rows that a groove needs at least.
    """
    labels = number_grooves(mask)
    rows = [place[0].stop - place[0].start for place in ndimage.find_objects(labels)]
    kept = np.flatnonzero(np.array(rows) >= shortest) + 1
    numbers = np.zeros(len(rows) + 1, int)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return numbers[labels]


def groove_shape(shape: tuple[int, int], row: int, azimuth: float, width: float, length: int) -> np.ndarray:
    """A groove of depth 1: (H, W), rounded across, its ends fading over a few rows.

    Parameters
    ----------
    row : first row. length : rows.
    azimuth, width : degrees, of its middle and across it at 1/2 of its depth.
    """
    columns = (np.arange(shape[1]) + 0.5) * 360 / shape[1]
    away = np.abs((columns - azimuth + 180) % 360 - 180)
    across = np.exp(-np.log(2) * (2 * away / width) ** 2)
    along = np.zeros(shape[0])
    along[row : row + length] = 1
    return ndimage.gaussian_filter1d(along, 2.0)[:, None] * across


def hit_or_miss(
    find: Callable[[np.ndarray], np.ndarray],
    background: np.ndarray,
    trials: int,
    depths: tuple[float, float],
    width: float,
    length: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Plant single grooves in a wall without any, and see which are found.

    Their depths are drawn evenly on a logarithmic scale, their azimuths evenly, and the wall is rolled and
    mirrored anew for each round. A groove is a hit if a call touches its half-depth area.

    Parameters
    ----------
    find : takes (H, W) thickness, returns a mask of 0 and 1.
    background : (H, W) thickness without grooves; NaN where there is none.
    depths : smallest and largest, in the files' units.
    width, length : degrees and rows of each groove, see `groove_shape`.

    Returns
    -------
    One row a planted groove: depth, row, azimuth, hit (0 or 1).

    Raises
    ------
    ValueError : the wall is too short for one groove.
    """
    height = len(background)
    starts = np.arange(_SPACE // 2, height - length - _SPACE // 2 + 1, length + _SPACE)
    if len(starts) == 0:
        raise ValueError(
            f"A groove of {length} rows needs a wall of {length + _SPACE} rows, found one of {height}."
        )
    rng = np.random.default_rng(seed)
    rows = []
    while len(rows) < trials:
        wall = np.roll(background, rng.integers(background.shape[1]), axis=1)
        wall = wall[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])].copy()
        planted = []
        for start in starts[: trials - len(rows)]:
            depth = float(np.exp(rng.uniform(*np.log(depths))))
            groove = groove_shape(wall.shape, start, rng.uniform(0, 360), width, length)
            wall -= depth * groove
            planted.append((depth, groove >= 0.5))
        called = calls(find(wall)) > 0
        for (depth, area), start in zip(planted, starts, strict=False):
            rows.append({"depth": depth, "row": int(start), "hit": int((called & area).any())})
    return pd.DataFrame(rows)


def false_calls(find: Callable[[np.ndarray], np.ndarray], background: np.ndarray) -> float:
    """Calls per 10,000 rows of a wall without grooves."""
    return int(calls(find(background)).max()) / len(background) * 10_000


@dataclass(frozen=True)
class DetectionCurve:
    """POD(a) = logistic(b0 + b1 ln a), fitted to hits and misses."""

    coefficients: np.ndarray  # (2,)
    covariance: np.ndarray  # (2, 2)
    depths: tuple[float, float]  # smallest and largest of the trials: beyond them the curve is a guess

    def pod(self, depth: np.ndarray | float, confidence: float = 0.5) -> np.ndarray:
        """Probability of detection at these depths; with a confidence above 0.5 its one-sided lower bound."""
        x = sm.add_constant(np.log(np.atleast_1d(depth)), has_constant="add")
        error = np.sqrt(np.einsum("ij,jk,ik->i", x, self.covariance, x))
        return 1 / (1 + np.exp(-(x @ self.coefficients - norm.ppf(confidence) * error)))

    def depth_at(self, pod: float, confidence: float = 0.5) -> float:
        """Depth that is found with probability `pod`: `depth_at(0.9)` is a90, `depth_at(0.9, 0.95)` a90/95.

        NaN where the curve does not get there up to ten times the deepest trial.
        """
        low, high = self.depths[0] / 10, self.depths[1] * 10

        def gap(logarithm: np.ndarray | float) -> np.ndarray:
            return self.pod(np.exp(logarithm), confidence) - pod

        # The bound may fall again far from the data, so the crossing is looked for from the shallow side
        grid = np.linspace(np.log(low), np.log(high), 400)
        above = np.flatnonzero(gap(grid) >= 0)
        if len(above) == 0 or above[0] == 0:
            return float("nan")
        return float(np.exp(brentq(lambda at: gap(at)[0], grid[above[0] - 1], grid[above[0]])))


def fit_detection_curve(trials: pd.DataFrame) -> DetectionCurve:
    """Fit the probability of detection by maximum likelihood, with the confidence of the fit (Wald).

    Parameters
    ----------
    trials : from `hit_or_miss`.

    Raises
    ------
    ValueError : hits and misses do not overlap in depth, so no finite curve fits.
    """
    hits, misses = (trials.loc[trials["hit"] == value, "depth"] for value in (1, 0))
    if len(hits) == 0 or len(misses) == 0 or hits.min() > misses.max() or misses.min() > hits.max():
        raise ValueError(
            f"{len(hits)} hits and {len(misses)} misses do not overlap in depth, so no curve can be fitted. "
            "Plant more grooves, around the depth where finds begin."
        )
    x = sm.add_constant(np.log(trials["depth"].to_numpy()))
    fitted = sm.GLM(trials["hit"].to_numpy(), x, family=sm.families.Binomial()).fit()
    depths = float(trials["depth"].min()), float(trials["depth"].max())
    return DetectionCurve(fitted.params, fitted.cov_params(), depths)
