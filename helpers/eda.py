"""Tables for the exploratory notebook: one row per well, per patch or per pair of twins."""

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.wells import WIDE_WELLS, parse_name, wells_of


def corroded_ratios_per_well(y: pd.DataFrame) -> pd.DataFrame:
    """Ratio of corroded pixels and of patches with any corroded pixel, in per cent, per well.

    Parameters
    ----------
    y : (n, 1296) masks of 0 and 1, indexed by patch name.
    """
    wells = wells_of(y)
    pixels = y.to_numpy()
    per_patch = pd.DataFrame(
        {"corroded pixels, %": 100 * pixels.mean(axis=1), "corroded patches, %": 100.0 * pixels.any(axis=1)}
    )
    return per_patch.groupby(wells).mean().rename_axis("well")


def patch_statistics(images: pd.DataFrame, config: Config = Config()) -> pd.DataFrame:
    """Describe each patch: usable minimum, median, maximum and spread, and how many pixels are unusable.

    Parameters
    ----------
    images : (n, 1296) thickness, indexed by patch name, as loaded.

    Returns
    -------
    One row a patch: well, missing and outliers (pixels), then min, median, max, std of the usable pixels,
    NaN where none is usable.
    """
    missing = ~np.isfinite(images)
    outliers = images < config.outlier_threshold
    usable = images.mask(missing | outliers)
    return pd.DataFrame(
        {
            "well": wells_of(images),
            "missing": missing.sum(axis=1),
            "outliers": outliers.sum(axis=1),
            "min": usable.min(axis=1),
            "median": usable.median(axis=1),
            "max": usable.max(axis=1),
            "std": usable.std(axis=1),
        },
        index=images.index,
    )


def twin_correlations(images: pd.DataFrame, config: Config = Config()) -> pd.DataFrame:
    """Correlation of each pair of patches 2k and 2k+1, in all wells.

    In a well logged at 72 azimuths the two are the even and odd columns of the same rows, nearly equal;
    in the others they lie one below the other. Pixels that are unusable in either patch are left out, and
    pairs with fewer than 100 usable pixels are not listed.

    Returns
    -------
    One row a pair: well, pair (k), twins (True in the wells of `WIDE_WELLS`), correlation.
    """
    usable = images.where(images >= config.outlier_threshold).to_numpy()
    row_of = {parse_name(name): row for row, name in enumerate(images.index)}
    rows = []
    for (well, patch), first in row_of.items():
        second = row_of.get((well, patch + 1))
        if patch % 2 or second is None:
            continue
        both = np.isfinite(usable[first]) & np.isfinite(usable[second])
        if both.sum() >= 100:
            correlation = np.corrcoef(usable[first, both], usable[second, both])[0, 1]
            rows.append(
                {"well": well, "pair": patch // 2, "twins": well in WIDE_WELLS, "correlation": correlation}
            )
    return pd.DataFrame(rows)
