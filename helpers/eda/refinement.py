"""Label refinement, and whether it helps (review point R1.18).

Masks are refined patch by patch, as the review has it. A hole that a patch border cuts open is no hole
there; on assembled wells, (1, rows, columns), the same functions see it whole.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from helpers.metrics import count_pixels, summarise

Refinement = Callable[[np.ndarray], np.ndarray]
CROSS_IN_A_PATCH = ndimage.generate_binary_structure(2, 1)[None]  # (1, 3, 3): patches do not touch each other
RING = ((0, 0), (1, 1), (1, 1))  # one pixel of wall around each patch
SIDES = {"right": (2, 1), "left": (2, -1), "down": (1, 1), "up": (1, -1)}  # axis and step


def fill_holes(masks: np.ndarray) -> np.ndarray:
    """Fill what a groove encloses on all sides within its patch; nothing is removed.

    Parameters
    ----------
    masks : (N, H, W) of 0 and 1.

    Returns
    -------
    (N, H, W) uint8 of 0 and 1.

    Raises
    ------
    ValueError : another shape, or a value that is neither 0 nor 1.
    """
    return ndimage.binary_fill_holes(checked_masks(masks), CROSS_IN_A_PATCH).astype(np.uint8)


def dilate_2x2(masks: np.ndarray) -> np.ndarray:
    """Dilate as `cv2.dilate(mask, numpy.ones((2, 2)))` does: one pixel right and down, none left or up.

    OpenCV takes the maximum of src(x + x' - anchor) over the kernel's x' = 0, 1, and the anchor that it
    calls the centre is at 2 // 2 = 1: so over src(x - 1) and src(x). Parameters, returns and raises as
    in `fill_holes`. See https://docs.opencv.org/4.x/d4/d86/group__imgproc__filter.html
    """
    # scipy centres a window of 2 at the same place; outside of a patch there is no groove
    return ndimage.maximum_filter(checked_masks(masks).astype(np.uint8), size=(1, 2, 2), mode="constant")


def close_symmetric(masks: np.ndarray) -> np.ndarray:
    """Close gaps and notches narrower than 3 x 3 pixels, the same in all directions; nothing is removed.

    Parameters, returns and raises as in `fill_holes`. Source: Serra 1982, Image Analysis and
    Mathematical Morphology, ISBN 0-12-637240-3.
    """
    # The closing's erosion would eat at the patch border, were there not one ring more around it
    closed = ndimage.binary_closing(np.pad(checked_masks(masks), RING), np.ones((1, 3, 3)))
    return closed[:, 1:-1, 1:-1].astype(np.uint8)


def agreement_with_truth(
    labels: np.ndarray, truth: np.ndarray, refinements: dict[str, Refinement]
) -> pd.DataFrame:
    """Score labels, as drawn and after each refinement, against the true masks.

    Parameters
    ----------
    labels : (N, H, W) of 0 and 1, as drawn.
    truth : the same of the true grooves, or any other masks to compare with.
    refinements : name and function, (N, H, W) to (N, H, W).

    Returns
    -------
    One row a refinement, "as drawn" first: dice (all pixels), mean_iou (mean over patches), corroded
    pixels in per cent, and how much of the mask's straight border moved outwards by a pixel, in per cent
    of the border on its right, left, lower and upper side: all are alike if no direction is preferred.

    Raises
    ------
    ValueError : a mask of another shape, or a value that is neither 0 nor 1.
    """
    target, drawn = torch.from_numpy(checked_masks(truth)), checked_masks(labels)
    rows = {}
    for name, refine in {"as drawn": np.copy, **refinements}.items():
        refined = checked_masks(refine(labels))
        scores = summarise(count_pixels(torch.from_numpy(refined), target))
        rows[name] = scores | {"corroded, %": 100 * refined.mean()} | _border_moved(drawn, refined)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("labels")


def _border_moved(drawn: np.ndarray, refined: np.ndarray) -> dict[str, float]:
    """Per cent of the wall that touches the groove on one side only, and is groove in `refined`, by side."""
    padded = np.pad(drawn, RING)
    touch = {name: np.roll(padded, step, axis)[:, 1:-1, 1:-1] for name, (axis, step) in SIDES.items()}
    one_side = ~drawn & (sum(side.astype(int) for side in touch.values()) == 1)
    borders = {name: refined[one_side & side] for name, side in touch.items()}
    return {f"{name}, %": 100 * border.mean() if border.size else 0.0 for name, border in borders.items()}


def checked_masks(masks: np.ndarray) -> np.ndarray:
    """Return the masks as bool; ValueError unless they are (N, H, W) of 0 and 1."""
    if masks.ndim != 3:
        raise ValueError(f"Expected masks of shape (N, H, W), found {masks.shape}.")
    if masks.dtype != bool and not np.isin(masks, (0, 1)).all():
        raise ValueError(f"Expected masks of 0 and 1, found values from {masks.min()} to {masks.max()}.")
    return masks.astype(bool)
