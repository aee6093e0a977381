"""What an inspection engineer wants of a well: a list of its grooves."""

import numpy as np
import pandas as pd
from scipy import ndimage

from helpers.config import Config
from helpers.preprocess import usable_pixels
from helpers.wells import column_azimuths, label_grooves
from helpers.whole_wells.geometry import check_well

NEIGHBOURHOOD = (5, 13)  # rows and columns around a pixel whose sound wall is its background


def number_grooves(mask: np.ndarray, gap: int = 3) -> np.ndarray:
    """Number the grooves of a well; pieces apart by at most `gap` rows and two columns are one groove.

    Parameters
    ----------
    mask : (H, W) of 0 and 1, once around the pipe; the last column meets the first.

    Returns
    -------
    (H, W) int: 0 where there is no groove, else 1 ... n, from the top of the well downwards.

    Raises
    ------
    ValueError : the mask cannot be a well's, see `geometry.check_well`, or the gap is negative.
    """
    if gap < 0:
        raise ValueError(f"Expected a gap of 0 or more rows, found {gap}.")
    mask = np.asarray(mask).astype(bool)
    check_well(mask.shape)
    if gap:
        around = np.pad(mask, ((0, 0), (1, 1)), mode="wrap")
        near = ndimage.binary_dilation(around, np.ones((2 * (gap // 2) + 1, 3)))[:, 1:-1]
        if gap % 2:  # an odd gap is closed by reaching one row further, on one side
            near[1:] |= near[:-1]
    else:
        near = mask
    labels = np.where(mask, label_grooves(near), 0)
    numbers, first = np.unique(labels[mask], return_index=True)
    order = np.zeros(labels.max(initial=0) + 1, int)
    order[numbers[np.argsort(first)]] = np.arange(1, len(numbers) + 1)
    return order[labels]


def groove_report(
    mask: np.ndarray,
    thickness: np.ndarray,
    probability: np.ndarray | None = None,
    gap: int = 3,
    config: Config = Config(),
) -> pd.DataFrame:
    """List the grooves of an assembled well, from the top downwards.

    Parameters
    ----------
    mask : (H, W) of 0 and 1.
    thickness : (H, W), variation of the wall thickness around its mean, as the tool gives it. What
        `helpers.preprocess.usable_pixels` does not let pass was not measured.
    probability : (H, W) of each pixel to be groove.
    gap : see `number_grooves`.

    Returns
    -------
    A row a groove, indexed by its number in `number_grooves`:

    start_row, end_row : first and last row, counted from 0 at the top of the image.
    length_rows : rows from the first to the last, gaps included.
    azimuth_deg : mean direction of the middles of its pixels, from 0 to below 360, see
        `helpers.wells.column_azimuths`.
    width_columns, width_deg : mean width over the rows that it is in.
    mean_loss, max_loss : of metal, in the files' units: how far its pixels lie below the mean of the sound
        wall around them, 13 columns wide and 5 rows high. NaN if nothing was measured there.
    confidence : mean probability of its pixels; NaN without `probability`.

    Raises
    ------
    ValueError : shapes differ, or cannot be a well's.
    """
    shapes = {"mask": mask.shape, "thickness": thickness.shape}
    if probability is not None:
        shapes["probability"] = probability.shape
    if len(set(shapes.values())) > 1:
        raise ValueError(f"Expected arrays of one shape (H, W), found {shapes}.")
    labels = number_grooves(mask, gap)
    thickness = np.where(usable_pixels(thickness, config), thickness, np.nan)
    loss = _background(mask.astype(bool), thickness) - thickness
    directions = np.exp(1j * np.deg2rad(column_azimuths(mask.shape[1])))
    rows = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[place] == number
        across = inside.sum(axis=1)
        direction = directions[np.nonzero(inside)[1] + place[1].start].mean()
        measured = loss[place][inside]
        measured = measured[np.isfinite(measured)]
        rows.append(
            {
                "groove": number,
                "start_row": place[0].start,
                "end_row": place[0].stop - 1,
                "length_rows": place[0].stop - place[0].start,
                # rounded, or a last bit below 0° would come out as 360°
                "azimuth_deg": np.rad2deg(np.angle(direction)).round(6) % 360,
                "width_columns": across[across > 0].mean(),
                "width_deg": across[across > 0].mean() * 360 / mask.shape[1],
                "mean_loss": measured.mean() if len(measured) else np.nan,
                "max_loss": measured.max() if len(measured) else np.nan,
                "confidence": np.nan if probability is None else probability[place][inside].mean(),
            }
        )
    columns = ["groove", "start_row", "end_row", "length_rows", "azimuth_deg", "width_columns", "width_deg"]
    columns += ["mean_loss", "max_loss", "confidence"]
    return pd.DataFrame(rows, columns=columns).set_index("groove")


def _background(mask: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Mean of the measured, sound pixels around each pixel; NaN where there are none."""
    sound = ~mask & np.isfinite(thickness)
    modes = {"size": NEIGHBOURHOOD, "mode": ("nearest", "wrap")}
    total = ndimage.uniform_filter(np.where(sound, thickness, 0).astype(float), **modes)
    share = ndimage.uniform_filter(sound.astype(float), **modes)
    pixels = NEIGHBOURHOOD[0] * NEIGHBOURHOOD[1]
    return np.where(share > 0.5 / pixels, total / np.maximum(share, 0.5 / pixels), np.nan)
