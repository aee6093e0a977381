"""Image enhancement as 8-bit pictures, and what it does to the contrast of grooves (review point R1.18).

Patches are (N, H, W) thickness variation, repaired; each function raises ValueError where values are missing.
`low` and `high` are the thickness that becomes black (0) and white (255).
"""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

MIN_PIXELS = 20  # fewer pixels of groove or of wall give no median to rely on


def to_uint8(images: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Scale thickness to 8 bits, rounded, any shape. With the same two numbers for all images equal depths
    get equal greys; arrays that broadcast against `images` give each patch a scale of its own."""
    return np.rint(255 * _to_unit(images, low, high)).astype(np.uint8)


def naive_uint8(images: np.ndarray) -> np.ndarray:
    """What `(images * 255).astype(numpy.uint8)` gives on a usual PC: below zero it starts again at 255.

    The plain cast is undefined for negative numbers in C (other processors give 0), so this one goes through
    int64, cut towards zero, and keeps the lowest eight bits. For demonstration only.
    """
    return ((_checked(images) * 255).astype(np.int64) & 255).astype(np.uint8)


def clahe(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of each patch, then 8 bits.

    It spreads the greys of every tile of 12 x 12 pixels, after stretching each patch from its own minimum to
    its own maximum: a grey no longer says how deep a groove is. Source: Zuiderveld 1994, Graphics Gems IV,
    https://doi.org/10.1016/B978-0-12-336156-1.50061-6.
    """
    from skimage.exposure import equalize_adapthist  # slow to import

    pictures = _to_unit(images, low, high)
    for picture in pictures:
        if picture.min() < picture.max():
            picture[:] = equalize_adapthist(picture, kernel_size=12, clip_limit=0.01)
    return np.rint(255 * pictures).astype(np.uint8)


def bilateral(images: np.ndarray, low: float, high: float, sigma_thickness: float = 0.01) -> np.ndarray:
    """Bilateral filter of each patch, then 8 bits: smooths noise, and keeps differences well above
    `sigma_thickness`. Source: Tomasi and Manduchi 1998, https://doi.org/10.1109/ICCV.1998.710815.
    """
    from skimage.restoration import denoise_bilateral

    pictures, sigma = _to_unit(images, low, high), sigma_thickness / (high - low)
    for picture in pictures:  # mode="edge": by default all is black outside, and bleeds into dark grooves
        picture[:] = denoise_bilateral(picture, sigma_color=sigma, sigma_spatial=1, mode="edge")
    return np.rint(255 * pictures).astype(np.uint8)


def groove_contrast(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """How far the groove stands out of the wall's own pattern, whatever the scale of the pictures, (N,).

    (median of the wall - median of the groove) / interquartile range of the wall: 1 means that the groove is
    as much darker than the wall as the middle half of the wall spreads; below 0 it is brighter. NaN for a
    patch with fewer than 20 pixels of groove or of wall, or a wall of one value.
    """
    contrast = np.full(len(images), np.nan)
    for index, (patch, groove) in enumerate(zip(_checked(images), masks.astype(bool), strict=True)):
        if min(groove.sum(), (~groove).sum()) >= MIN_PIXELS:
            lower, middle, upper = np.quantile(patch[~groove], [0.25, 0.5, 0.75])
            if upper > lower:
                contrast[index] = (middle - np.median(patch[groove])) / (upper - lower)
    return contrast


def compare_enhancements(
    thickness: np.ndarray, pictures: dict[str, np.ndarray], masks: np.ndarray
) -> pd.DataFrame:
    """Set pictures of the same patches side by side: is the groove clearer, does grey still tell depth?

    Returns
    -------
    One row a picture, "thickness" first, over the patches that have a contrast in all of them: contrast
    (median of `groove_contrast`), clearer in % of patches than thickness, and depth kept: the rank
    correlation, over patches, between the groove's median in the picture and in thickness (1 is all).
    """
    pictures = {"thickness": thickness, **pictures}
    contrasts = pd.DataFrame({name: groove_contrast(picture, masks) for name, picture in pictures.items()})
    scored = contrasts.notna().all(axis=1)
    contrasts, grooves = contrasts[scored], masks[scored].astype(bool)
    levels = {
        name: [np.median(patch[groove]) for patch, groove in zip(picture[scored], grooves, strict=True)]
        for name, picture in pictures.items()
    }
    return pd.DataFrame(
        {
            "contrast": contrasts.median(),
            "clearer, %": 100 * contrasts.gt(contrasts["thickness"], axis=0).mean(),
            "depth kept": {name: spearmanr(levels["thickness"], levels[name]).statistic for name in levels},
        }
    ).rename_axis(f"{scored.sum()} patches")


def _to_unit(images: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    if not np.all(np.less(low, high)):
        raise ValueError(f"Expected low below high, found {low} and {high}.")
    return (np.clip(_checked(images), low, high) - low) / (high - low)


def _checked(images: np.ndarray) -> np.ndarray:
    if missing := int((~np.isfinite(images)).sum()):
        raise ValueError(
            f"Expected finite values, found {missing} missing or infinite ones: repair the patches first, "
            "with PreprocessData().transform or helpers.data.preprocess.repair_pixels."
        )
    return np.asarray(images, dtype=np.float64)
