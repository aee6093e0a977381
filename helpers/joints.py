"""Pipes of a well: where the collars between two joints are, found in the image itself."""

import numpy as np
from scipy.ndimage import median_filter


def row_roughness(thickness: np.ndarray) -> np.ndarray:
    """Median step between neighbouring columns of each row, (H,); NaN where a row has no measured pair.

    A median, so that a few false echoes do not make a row rough.

    Parameters
    ----------
    thickness : (H, W), once around the pipe; NaN where nothing was measured.
    """
    steps = np.abs(thickness - np.roll(thickness, 1, axis=1))
    steps = np.where(np.isfinite(steps).any(axis=1, keepdims=True), steps, np.inf)  # no warning of empty rows
    rough = np.nanmedian(steps, axis=1)
    return np.where(np.isfinite(rough), rough, np.nan)


def find_collars(
    thickness: np.ndarray, times: float = 2.0, window: int = 61, apart: int = 20
) -> list[tuple[int, int]]:
    """Find the collars of an assembled well: a few rows in which the echo swings from column to column.

    In the thread between two pipes the tool loses the echo. A row belongs to a collar if its roughness is
    `times` that of the rows around it; rough rows less than `apart` rows from each other are one collar.

    Parameters
    ----------
    thickness : (H, W), repaired; NaN where nothing was measured.
    window : rows whose median roughness is the usual one.

    Returns
    -------
    (first row, last row) of each collar, downwards.
    """
    rough = row_roughness(thickness)
    measured = np.flatnonzero(np.isfinite(rough))
    if len(measured) == 0:
        return []
    usual = median_filter(rough[measured], size=window, mode="nearest")
    rows = measured[rough[measured] > times * np.maximum(usual, 1e-6)]
    groups = np.split(rows, np.flatnonzero(np.diff(rows) >= apart) + 1)
    return [(int(group[0]), int(group[-1])) for group in groups if len(group)]


def joint_numbers(rows: int, collars: list[tuple[int, int]]) -> np.ndarray:
    """Number of the joint that each of so many rows lies in, (rows,), from 0 at the top; a collar's first row
    begins the next joint."""
    return np.searchsorted([first for first, _ in collars], np.arange(rows), side="right")


def near_collars(rows: int, collars: list[tuple[int, int]], margin: int = 5) -> np.ndarray:
    """Which of so many rows lie in a collar or within `margin` rows of one, (rows,) bool."""
    near = np.zeros(rows, bool)
    for first, last in collars:
        near[max(0, first - margin) : last + margin + 1] = True
    return near
