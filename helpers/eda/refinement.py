"""Label refinement, and whether it helps (review point R1.18).

Masks are (N, H, W) of 0 and 1, refined patch by patch, as the review has it, and returned as uint8; nothing
is removed. A hole that a patch border cuts open is no hole there.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from helpers.metrics import count_pixels, summarise

CROSS_IN_A_PATCH = ndimage.generate_binary_structure(2, 1)[None]  # (1, 3, 3): patches do not touch each other
RING = ((0, 0), (1, 1), (1, 1))  # one pixel of wall around each patch
SIDES = {"right": (2, 1), "left": (2, -1), "down": (1, 1), "up": (1, -1)}  # axis and step


def fill_holes(masks: np.ndarray) -> np.ndarray:
    """Fill what a groove encloses on all sides within its patch."""
    return ndimage.binary_fill_holes(_checked(masks), CROSS_IN_A_PATCH).astype(np.uint8)


def dilate_2x2(masks: np.ndarray) -> np.ndarray:
    """Dilate as `cv2.dilate(mask, numpy.ones((2, 2)))` does: one pixel right and down, none left or up.

    OpenCV takes the maximum of src(x + x' - anchor) over the kernel's x' = 0, 1, and the anchor that it
    calls the centre is at 2 // 2 = 1: so over src(x - 1) and src(x). See
    https://docs.opencv.org/4.x/d4/d86/group__imgproc__filter.html
    """
    # scipy centres a window of 2 at the same place; outside of a patch there is no groove
    return ndimage.maximum_filter(_checked(masks).astype(np.uint8), size=(1, 2, 2), mode="constant")


def close_symmetric(masks: np.ndarray) -> np.ndarray:
    """Close gaps and notches narrower than 3 x 3 pixels, the same in all directions.

    Source: Serra 1982, Image Analysis and Mathematical Morphology, ISBN 0-12-637240-3.
    """
    # The closing's erosion would eat at the patch border, were there not one ring more around it
    closed = ndimage.binary_closing(np.pad(_checked(masks), RING), np.ones((1, 3, 3)))
    return closed[:, 1:-1, 1:-1].astype(np.uint8)


def agreement_with_truth(
    labels: np.ndarray, truth: np.ndarray, refinements: dict[str, Callable[[np.ndarray], np.ndarray]]
) -> pd.DataFrame:
    """Score labels, as drawn and after each refinement, against the true masks, or others to compare with.

    Returns
    -------
    One row a refinement, "as drawn" first: dice (all pixels), mean_iou (mean over patches), corroded
    pixels in per cent, and how much of the mask's straight border moved outwards by a pixel, in per cent
    of the border on its right, left, lower and upper side: all are alike if no direction is preferred.
    """
    target, drawn = torch.from_numpy(_checked(truth)), _checked(labels)
    padded = np.pad(drawn, RING)
    touch = {name: np.roll(padded, step, axis)[:, 1:-1, 1:-1] for name, (axis, step) in SIDES.items()}
    one_side = ~drawn & (
        sum(side.astype(int) for side in touch.values()) == 1
    )  # wall beside a straight border
    rows = {}
    for name, refine in {"as drawn": np.copy, **refinements}.items():
        refined = _checked(refine(labels))
        scores = summarise(count_pixels(torch.from_numpy(refined), target))
        rows[name] = scores | {"corroded, %": 100 * refined.mean()}
        for side, touches in touch.items():
            border = refined[one_side & touches]
            rows[name][f"{side}, %"] = 100 * border.mean() if border.size else 0.0
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("labels")


def _checked(masks: np.ndarray) -> np.ndarray:
    """Return the masks as bool; ValueError unless they are (N, H, W) of 0 and 1."""
    if masks.ndim != 3:
        raise ValueError(f"Expected masks of shape (N, H, W), found {masks.shape}.")
    if masks.dtype != bool and not np.isin(masks, (0, 1)).all():
        raise ValueError(f"Expected masks of 0 and 1, found values from {masks.min()} to {masks.max()}.")
    return masks.astype(bool)
