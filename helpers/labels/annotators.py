"""An annotator's style: how wide and how smoothly the grooves of a well were drawn (review point R4.3)."""

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE
from helpers.labels.defects import masks_of_wells
from helpers.labels.ribbons import find_holes, number_stretches, ribbon_rows
from helpers.wells import label_grooves, wells_of


def label_style(mask: np.ndarray) -> dict[str, float]:
    """How a well was drawn: its annotator's style, as numbers; all NaN where nothing is drawn.

    Returns
    -------
    "width, columns of 36": mean. "width varies": share of rows of another width than the groove's median.
    "same width for, rows": median length of stretches of one width. "steps per 100 rows": sideways moves of
    half a column of 36 or more from one row to the next. "jitter, columns of 36": mean size of the second
    difference of the centre, 0 for a straight ribbon. "holes per 100 rows".
    """
    rows = ribbon_rows(mask)
    unit = mask.shape[1] / PATCH_SIZE  # columns in a column of 36
    grooves = rows.groupby("groove")
    step = grooves["centre"].diff() / unit
    bend = step.groupby(rows["groove"]).diff()
    holes = label_grooves(find_holes(mask)).max()
    return {
        "width, columns of 36": rows["width"].mean() / unit,
        "width varies": (rows["width"] != grooves["width"].transform("median")).mean(),
        "same width for, rows": number_stretches(rows["groove"], rows["width"]).value_counts().median(),
        "steps per 100 rows": 100 * (step.abs() >= 0.5 - 1e-9).mean(),  # 0.5 but for rounding
        "jitter, columns of 36": bend.abs().mean(),
        "holes per 100 rows": 100 * holes / len(rows) if len(rows) else np.nan,
    }


def annotator_styles(y: pd.DataFrame) -> pd.DataFrame:
    """`label_style` of each well: one row a well, NaN for wells without a groove.

    Parameters
    ----------
    y : (n, 1296) masks of 0 and 1, indexed by patch name.
    """
    return pd.DataFrame({well: label_style(mask) for well, mask in masks_of_wells(y)}).T.rename_axis("well")


def style_of_patches(styles: pd.DataFrame, y: pd.DataFrame) -> pd.DataFrame:
    """The style of its well as features of each patch, standardised over wells; 0, the mean, where there is
    none.

    A style is read off the labels, so it can be a feature of training patches only: for a well without labels
    choose the style that its masks shall have.

    Returns
    -------
    (n, styles), in the order of `y`.
    """
    standardised = ((styles - styles.mean()) / styles.std(ddof=0).replace(0, 1)).fillna(0.0)
    return standardised.reindex(wells_of(y), fill_value=0.0).set_axis(y.index)
