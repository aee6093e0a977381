"""Tables for the exploratory notebook: one row per well, per patch or per pair of twins.

Masks and images are (n, 1296) frames, indexed by patch name.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.data.preprocess import unusable_by_kind, usable_pixels
from helpers.data.wells import WIDE_WELLS, parse_name, well_from_frame, wells_of

# Figures of the review and of the challenge's page, for the 9,674 real patches.
PUBLISHED = {
    "patches": 9_674,
    "corroded pixels, %": 7.154,
    "corroded patches, %": 79.326,
    "patches with missing values": 2,
    "patches with outliers": 347,
    "... 1 or 2 of them": 119,
    "... at most 15": 159,
    "... at least 200": 40,
    "... all 1,296": 34,
    "left after repair": 9_633,
    "components for 95 % of variance": 565,
    "flagged by SPE/DmodX": 235,
    "flagged by DBSCAN after that": 14,
    "left in the end": 9_384,
}

# Of the fifteen real wells and their silver labels, by `resemblance`: median, lowest and highest.
REAL_WELLS = {
    "IQR": (0.01818, 0.01405, 0.02032),
    "0.5 % quantile": (-0.05571, -0.1281, -0.02872),
    "99.5 % quantile": (0.03993, 0.02772, 0.127),
    "column correlation": (0.7554, 0.227, 0.8888),
    "row correlation": (0.7429, 0.3718, 0.9115),
    "corroded pixels, %": (6.408, 1.944, 10.59),
    "corroded rows, %": (77.02, 21.87, 93.37),
    "groove width": (3.2, 2.318, 4.374),
    "groove contrast": (0.0185, 0.007285, 0.04876),
    "correlation 50° apart": (0.1676, -0.03181, 0.3318),
    "correlation 20 rows apart": (0.3481, -0.002827, 0.7377),
    "groove at the wrap, %": (2.859, 0, 29.32),
}


def corroded_ratios_per_well(y: pd.DataFrame) -> pd.DataFrame:
    """Ratio of corroded pixels and of patches with any corroded pixel, in per cent, per well."""
    per_patch = {"corroded pixels, %": 100 * y.mean(axis=1), "corroded patches, %": 100.0 * y.any(axis=1)}
    return pd.DataFrame(per_patch).groupby(wells_of(y)).mean().rename_axis("well")


def patch_statistics(images: pd.DataFrame, config: Config = Config()) -> pd.DataFrame:
    """Describe each patch of (n, 1296) thickness, as loaded: well, then how many pixels are missing, below
    and above the range, then min, median, max and std of the usable pixels, NaN where none is usable."""
    unusable = unusable_by_kind(images.to_numpy(), config)
    columns = {"well": wells_of(images)} | {kind: where.sum(axis=1) for kind, where in unusable.items()}
    usable = images.where(usable_pixels(images, config))
    columns |= {name: getattr(usable, name)(axis=1) for name in ("min", "median", "max", "std")}
    return pd.DataFrame(columns, images.index)


def thickness_per_well(images: pd.DataFrame, config: Config = Config()) -> pd.DataFrame:
    """Quantiles of the usable pixels of each well, and how many pixels are not usable, in per cent."""
    rows = {}
    for well, pixels in images.where(usable_pixels(images, config)).groupby(wells_of(images)):
        names = ["0.5 %", "25 %", "median", "75 %", "99.5 %"]
        quantiles = np.nanquantile(pixels, [0.005, 0.25, 0.5, 0.75, 0.995])
        rows[well] = {"patches": len(pixels)} | dict(zip(names, quantiles, strict=True))
        rows[well]["unusable, %"] = 100 * np.isnan(pixels.to_numpy()).mean()
    return pd.DataFrame(rows).T.astype({"patches": int}).rename_axis("well")


def twin_correlations(images: pd.DataFrame, config: Config = Config()) -> pd.DataFrame:
    """Correlation of each pair of patches 2k and 2k+1, in all wells.

    In a well logged at 72 azimuths the two are the even and odd columns of the same rows, nearly equal;
    in the others they lie one below the other. Pixels that are unusable in either patch are left out, and
    pairs with fewer than 100 usable pixels are not listed.

    Returns
    -------
    One row a pair: well, pair (k), twins (True in the wells of `WIDE_WELLS`), correlation.
    """
    usable = images.where(usable_pixels(images, config)).to_numpy()
    row_of = {parse_name(name): row for row, name in enumerate(images.index)}
    rows = []
    for (well, patch), row in row_of.items():
        if patch % 2 == 0 and (well, patch + 1) in row_of:
            first, second = usable[row], usable[row_of[well, patch + 1]]
            if np.isfinite(first + second).sum() >= 100:
                rows.append((well, patch // 2, well in WIDE_WELLS, _correlation(first, second)))
    return pd.DataFrame(rows, columns=["well", "pair", "twins", "correlation"])


def published_and_here(here: dict[str, float]) -> pd.DataFrame:
    """Put figures beside the published ones; keys are those of `PUBLISHED`."""
    table = pd.DataFrame({"published": {key: PUBLISHED[key] for key in here}, "here": here})
    return table.map(lambda value: f"{value:,.3f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}")


def well_features(y: pd.DataFrame, images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Describe each well by its repaired image and by its mask, to see which wells are odd.

    Returns
    -------
    image features, one row a well: interquartile range, 0.5 % and 99.5 % quantiles, correlation of
        neighbouring columns (around the pipe) and of neighbouring rows (along it).
    mask features: corroded pixels and rows in per cent, groove width in columns of 36, and contrast, the
        median of the wall minus the median of the groove; 0 for wells without a groove.
    """
    image_rows, mask_rows = {}, {}
    for well, image, mask in _wells(y, images):
        low, q25, q75, high = np.nanquantile(image, [0.005, 0.25, 0.75, 0.995])
        image_rows[well] = {
            "IQR": q75 - q25,
            "0.5 % quantile": low,
            "99.5 % quantile": high,
            "column correlation": _correlation(image, np.roll(image, 1, axis=1)),
            "row correlation": _correlation(image[1:], image[:-1]),
        }
        rows = mask.any(axis=1)
        mask_rows[well] = {
            "corroded pixels, %": 100 * mask.mean(),
            "corroded rows, %": 100 * rows.mean(),
            "groove width": 36 * mask[rows].mean() if mask.any() else 0.0,
            "groove contrast": np.nanmedian(image[~mask]) - np.nanmedian(image[mask]) if mask.any() else 0.0,
        }
    frames = (pd.DataFrame(rows).T.rename_axis("well") for rows in (image_rows, mask_rows))
    return tuple(frames)


def compare_with_real_wells(y: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Put `resemblance` of these wells beside that of the real ones: median (lowest to highest), as text."""
    here = resemblance(y, images)
    real = pd.DataFrame(REAL_WELLS, index=here.columns).T
    texts = {
        whose: [f"{median:.3g} ({low:.3g} to {high:.3g})" for median, low, high in table.to_numpy()]
        for whose, table in (("here", here), ("real wells", real))
    }
    return pd.DataFrame(texts, index=here.index)


def resemblance(y: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Statistics of `well_features` and three more, over wells: columns median, lowest, highest. Those of
    grooves leave out the wells that have none."""
    of_images, of_masks = well_features(y, images)
    rows = {}
    for well, image, mask in _wells(y, images):
        sector = image.shape[1] // 36
        at_wrap = mask[:, :sector].sum() + mask[:, -sector:].sum()
        rows[well] = {
            "correlation 50° apart": _correlation(image, np.roll(image, 5 * sector, axis=1)),
            "correlation 20 rows apart": _correlation(image[20:], image[:-20]),
            "groove at the wrap, %": 100 * at_wrap / mask.sum() if mask.any() else np.nan,
        }
    of_masks = of_masks[of_masks["corroded pixels, %"] > 0]
    table = pd.concat([of_images, of_masks, pd.DataFrame(rows).T], axis=1)
    return table.agg(["median", "min", "max"]).T.set_axis(["median", "lowest", "highest"], axis=1)


def _wells(y: pd.DataFrame, images: pd.DataFrame) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(well, image, mask) of each well; dropped patches are NaN, and sound wall."""
    for well in sorted(set(wells_of(images).tolist())):
        mask = np.nan_to_num(well_from_frame(y, well)).astype(bool)
        yield well, well_from_frame(images, well), mask


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[both], b[both])[0, 1])
