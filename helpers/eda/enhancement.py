"""Image enhancement as 8-bit pictures, and what it does to the contrast of grooves (review point R1.18)."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from helpers.eda.refinement import checked_masks

MIN_PIXELS = 20  # fewer pixels of groove or of wall give no median to rely on


def to_uint8(images: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Scale thickness to 8 bits: `low` and less is 0 (black), `high` and more is 255 (white), rounded.

    Parameters
    ----------
    images : thickness variation, any shape, finite; repaired, as a telemetry code becomes black too.
    low, high : the same two numbers for all images, so that equal depths get equal greys. Arrays that
        broadcast against `images` give each patch a scale of its own.

    Returns
    -------
    uint8 of the same shape.

    Raises
    ------
    ValueError : missing values, or `low` is not below `high`.
    """
    return np.rint(255 * _to_unit(images, low, high)).astype(np.uint8)


def naive_uint8(images: np.ndarray) -> np.ndarray:
    """What `(images * 255).astype(numpy.uint8)` gives on a usual PC: below zero it starts again at 255.

    For demonstration only. The plain cast is undefined for negative numbers in C (other processors give
    0), so this one goes through int64, cut towards zero, and keeps the lowest eight bits.
    Parameters and raises as in `to_uint8`.
    """
    return ((_checked_images(images) * 255).astype(np.int64) & 255).astype(np.uint8)


def clahe(
    images: np.ndarray, low: float, high: float, clip_limit: float = 0.01, tile: int = 12
) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of each patch, then 8 bits.

    It spreads the greys of every tile, after stretching each patch from its own minimum to its own
    maximum: whatever `low` and `high` are, a grey no longer says how deep a groove is.

    Parameters
    ----------
    images : (N, H, W) thickness variation, finite.
    low, high : as in `to_uint8`.
    clip_limit : 0 ... 1, more gives more contrast.
    tile : rows and columns of a tile.

    Returns
    -------
    (N, H, W) uint8. A patch of one value stays one grey.

    Raises
    ------
    ValueError : as `to_uint8`.

    Source: Zuiderveld 1994, Graphics Gems IV, https://doi.org/10.1016/B978-0-12-336156-1.50061-6.
    """
    from skimage.exposure import equalize_adapthist  # here, so that masks can be refined without it

    pictures = _to_unit(images, low, high)
    for picture in pictures:
        if picture.min() < picture.max():
            picture[:] = equalize_adapthist(picture, kernel_size=tile, clip_limit=clip_limit)
    return np.rint(255 * pictures).astype(np.uint8)


def bilateral(
    images: np.ndarray, low: float, high: float, sigma_thickness: float = 0.01, sigma_pixels: float = 1.0
) -> np.ndarray:
    """Bilateral filter of each patch, then 8 bits: smooths noise, and keeps edges that are higher than it.

    Parameters
    ----------
    images : (N, H, W) thickness variation, finite.
    low, high : as in `to_uint8`.
    sigma_thickness : differences well above it are kept; in the images' own unit.
    sigma_pixels : reach of the filter, in pixels.

    Returns
    -------
    (N, H, W) uint8.

    Raises
    ------
    ValueError : as `to_uint8`.

    Source: Tomasi and Manduchi 1998, https://doi.org/10.1109/ICCV.1998.710815.
    """
    from skimage.restoration import denoise_bilateral

    sigma = sigma_thickness / (high - low)
    pictures = _to_unit(images, low, high)
    for picture in pictures:  # mode="edge": by default all is black outside, and bleeds into dark grooves
        picture[:] = denoise_bilateral(picture, sigma_color=sigma, sigma_spatial=sigma_pixels, mode="edge")
    return np.rint(255 * pictures).astype(np.uint8)


def groove_contrast(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """How far the groove stands out of the wall's own pattern, whatever the scale of the pictures.

    (median of the wall - median of the groove) / interquartile range of the wall: 1 means that the
    groove is as much darker than the wall as the middle half of the wall spreads; below 0 it is brighter.

    Parameters
    ----------
    images : (N, H, W), finite, of any scale: thickness or grey values.
    masks : (N, H, W) of 0 and 1.

    Returns
    -------
    (N,) float64; NaN for a patch with fewer than 20 pixels of groove or of wall, or a wall of one value.

    Raises
    ------
    ValueError : missing values, or shapes that differ.
    """
    pixels, grooves = _checked_images(images), checked_masks(masks)
    if pixels.shape != grooves.shape:
        raise ValueError(f"Images and masks differ in shape: {pixels.shape} and {grooves.shape}.")
    contrast = np.full(len(pixels), np.nan)
    for index, (patch, groove) in enumerate(zip(pixels, grooves, strict=True)):
        if min(groove.sum(), (~groove).sum()) >= MIN_PIXELS:
            lower, middle, upper = np.quantile(patch[~groove], [0.25, 0.5, 0.75])
            if upper > lower:
                contrast[index] = (middle - np.median(patch[groove])) / (upper - lower)
    return contrast


def compare_enhancements(
    thickness: np.ndarray, pictures: dict[str, np.ndarray], masks: np.ndarray
) -> pd.DataFrame:
    """Set pictures of the same patches side by side: is the groove clearer, does grey still tell depth?

    Parameters
    ----------
    thickness : (N, H, W), finite, as measured.
    pictures : name and (N, H, W) pictures of the same patches, on any scale.
    masks : (N, H, W) of 0 and 1.

    Returns
    -------
    One row a picture, "thickness" first, over the patches that have a contrast in all of them: contrast
    (median of `groove_contrast`), clearer in % of patches than thickness, and depth kept: the rank
    correlation, over patches, between the groove's median in the picture and in thickness (1 is all).

    Raises
    ------
    ValueError : as `groove_contrast`.
    """
    pictures = {"thickness": thickness, **pictures}
    contrasts = pd.DataFrame({name: groove_contrast(picture, masks) for name, picture in pictures.items()})
    scored = contrasts.notna().all(axis=1)
    contrasts, grooves = contrasts[scored], checked_masks(masks)[scored]

    def levels(picture: np.ndarray) -> list[float]:
        return [np.median(patch[groove]) for patch, groove in zip(picture[scored], grooves, strict=True)]

    depths = levels(thickness)
    return pd.DataFrame(
        {
            "contrast": contrasts.median(),
            "clearer, %": 100 * contrasts.gt(contrasts["thickness"], axis=0).mean(),
            "depth kept": {name: spearmanr(depths, levels(p)).statistic for name, p in pictures.items()},
        }
    ).rename_axis(f"{scored.sum()} patches")


def _to_unit(images: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    if not np.all(np.less(low, high)):
        raise ValueError(f"Expected low below high, found {low} and {high}.")
    return (np.clip(_checked_images(images), low, high) - low) / (high - low)


def _checked_images(images: np.ndarray) -> np.ndarray:
    missing = int((~np.isfinite(images)).sum())
    if missing:
        raise ValueError(
            f"Expected finite values, found {missing} missing or infinite ones: repair the patches first, "
            "with PreprocessData().transform or helpers.preprocess.repair_pixels."
        )
    return np.asarray(images, dtype=np.float64)
