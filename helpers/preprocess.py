"""Cleaning: repair pixels, drop ruined patches, and leave odd patches out of the training set.

Review points R1.13, R1.15, R1.16 and R2.1. The junior's notebook left out images with missing values, and
trained on the sentinels −999.25 and −999.0. The reviewer's code repairs them; three of its flaws are kept
out: a fill replaces the unusable pixels only, never the whole row; all 1,296 pixels are counted, the last one
too; and the detectors see the training wells only, so no validation well shapes the training set.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.cluster import DBSCAN

from helpers.config import PATCH_SIZE, Config
from helpers.data import COLUMNS, check_same_patches
from helpers.files import DataError
from helpers.wells import wells_of

PIXELS = PATCH_SIZE * PATCH_SIZE
# What can be wrong with a pixel, and the step of cleaning that it makes
UNUSABLE = {
    "missing": "missing values",
    "below": "outliers below the range",
    "above": "outliers above the range",
}
SPE, CLUSTER = "outside the SPE/DmodX ellipse", "outside the largest DBSCAN cluster"


def usable_pixels(pixels: np.ndarray, config: Config = Config()) -> np.ndarray:
    """Which pixels, of an array of any shape, hold a measurement: not missing, no telemetry outlier; bool."""
    return (pixels >= config.outlier_threshold) & (pixels <= config.upper_outlier_threshold)


def unusable_by_kind(pixels: np.ndarray, config: Config = Config()) -> dict[str, np.ndarray]:
    """Which pixels, of an array of any shape, hold no measurement, by what is wrong with them; bool.

    Returns
    -------
    "missing": NaN or infinite. "below", "above": finite, and outside `config.outlier_threshold` ...
    `config.upper_outlier_threshold`.
    """
    finite = np.isfinite(pixels)
    below, above = pixels < config.outlier_threshold, pixels > config.upper_outlier_threshold
    return {"missing": ~finite, "below": finite & below, "above": finite & above}


def repair_pixels(pixels: np.ndarray, config: Config = Config()) -> tuple[np.ndarray, pd.DataFrame]:
    """Give each pixel without a measurement the median of its patch's usable pixels.

    Each patch is repaired by itself: nothing is learned from the others.

    Parameters
    ----------
    pixels : (n, ...) thickness variation, any shape of patch, for example (n, 1296) or (n, 36, 36).

    Returns
    -------
    repaired : copy of `pixels`, all usable. A patch without any usable pixel becomes 0 everywhere,
        which is "no variation", since the data are deviations from a mean.
    counts : a row a patch, in its order: pixels that were missing, below and above the range, see
        `unusable_by_kind`. The caller decides which patch is ruined.
    """
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:])).copy()
    by_kind = unusable_by_kind(flat, config)
    counts = pd.DataFrame({kind: where.sum(axis=1) for kind, where in by_kind.items()})
    for row in np.flatnonzero(counts.sum(axis=1)):
        usable = usable_pixels(flat[row], config)
        flat[row, ~usable] = np.median(flat[row, usable]) if usable.any() else 0.0
    return flat.reshape(pixels.shape), counts


def spe_outliers(pixels: np.ndarray, config: Config = Config()) -> np.ndarray:
    """Flag patches with the SPE/DmodX test of the `pca` package.

    What the package calls SPE/DmodX is an ellipse of `config.spe_std` standard deviations in the plane
    of the first two principal components, however many are kept. So two are enough: they flag the same
    patches as the 565 that hold 95 % of the variance. The distance to the model proper (Q residuals) is
    another test, and flags others.

    Parameters
    ----------
    pixels : (n, 1296) repaired thickness variation.

    Returns
    -------
    (n,) bool, True outside the ellipse; the same on every run.

    Raises
    ------
    DataError : fewer than 3 patches, which span no ellipse.

    See https://erdogant.github.io/pca/
    """
    # Imported here because it loads pyplot and statsmodels, which a DataLoader worker that only
    # repairs pixels does not need.
    from pca import pca

    if len(pixels) < 3:
        raise DataError(f"SPE/DmodX needs at least 3 patches, found {len(pixels)}.")
    spe = {"detect_outliers": ["spe"], "n_std": config.spe_std}
    model = pca(n_components=2, **spe, random_state=config.seed, verbose=0)  # its solver draws numbers
    # The package calls scikit-learn once a patch, where checking arguments takes much of the time.
    # Identical patches divide 0 by 0, and none is flagged.
    with config_context(skip_parameter_validation=True), np.errstate(invalid="ignore", divide="ignore"):
        outliers = model.fit_transform(pixels)["outliers"]
    return outliers["y_bool_spe"].to_numpy()


def dbscan_outliers(pixels: np.ndarray, config: Config = Config()) -> np.ndarray:
    """Flag (n, 1296) repaired patches outside the largest DBSCAN cluster: (n,) bool, all if there is none.

    scikit-learn lists the neighbours of each patch, nearly all others: 8 bytes a pair, so 0.7 GB for all
    9,400 patches of the challenge. Its compiled search would also keep every distance; without that it
    takes half the memory and half the time.
    """
    clusters = DBSCAN(eps=config.dbscan_eps, min_samples=config.dbscan_min_samples)
    with config_context(enable_cython_pairwise_dist=False, working_memory=64):  # MiB of distances at a time
        labels = clusters.fit_predict(pixels)
    sizes = np.bincount(labels + 1)[1:]  # without noise, which is -1
    return labels != sizes.argmax() if len(sizes) else np.ones(len(pixels), bool)


class PreprocessData:
    """Clean masks and images together.

    `fit_transform(y, images)` is for the training wells: it repairs pixels, drops ruined patches, then
    those that the detectors flag: `spe_outliers`, and `dbscan_outliers` on the rest.

    `transform(y, images)` is for validation and test wells: it repairs and drops ruined patches only.
    The detectors choose what to learn from, not what to be judged on: a score without the odd patches
    would flatter the model.

    Names follow scikit-learn, but dropping rows is resampling in the sense of imbalanced-learn's
    `fit_resample`: the detectors judge the patches they are given and leave nothing behind that other
    patches need. So there is no `fit`, and `transform` works without `fit_transform` before it.

    Attributes, all about the last call, so take one object for each part
    ----------
    report_ : one row per touched patch (the index): well, missing, below, above (pixels, see
        `unusable_by_kind`), action ("filled" or "dropped"), reason.
    dropped_ : names of the dropped patches, in the order of the input.
    summary_ : one row per step: patches touched, dropped, left.

    >>> cleaner = PreprocessData()
    >>> y_train, images_train = cleaner.fit_transform(y_train, images_train)  # doctest: +SKIP
    >>> cleaner.summary_  # doctest: +SKIP
    """

    def __init__(self, config: Config = Config()):
        self.config = config

    def fit_transform(
        self, y: pd.DataFrame, images: pd.DataFrame | Sequence[np.ndarray]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Repair and drop ruined and odd patches: for the training wells.

        Parameters
        ----------
        y : (n, 1296), one row per patch, indexed by patch name.
        images : the same, with the same index; or n arrays of 36 x 36, in the order of `y`. Arrays have no
            names, so another order cannot be noticed.

        Returns
        -------
        y, images : new frames of the patches that are left, masks as they came and float32 thickness; the
            input is not modified.

        Raises
        ------
        DataError : frames that do not fit together or have another number of columns, names twice,
            fewer than 3 patches for the detectors, or nothing left.
        ValueError : a name in the index is no patch name.
        """
        return self._clean(y, images, {SPE: spe_outliers, CLUSTER: dbscan_outliers})

    def transform(
        self, y: pd.DataFrame, images: pd.DataFrame | Sequence[np.ndarray]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Repair and drop ruined patches only: for validation and test wells. See `fit_transform`."""
        return self._clean(y, images, {})

    def _clean(self, y, images, detectors):
        if not isinstance(images, pd.DataFrame):
            images = _as_frame(y, images)
        _check(y, images)
        pixels = images.to_numpy()
        if pixels.dtype.kind != "f":
            pixels = pixels.astype(np.float64)
        # Repaired before it becomes float32, in which a large double would overflow
        pixels, counts = repair_pixels(pixels, self.config)
        pixels = pixels.astype(np.float32, copy=False)
        unusable = counts.sum(axis=1).to_numpy()
        left = unusable < min(self.config.ruined_pixels, PIXELS)
        report = counts.set_index(images.index.rename("patch"))
        report.insert(0, "well", wells_of(images))
        report["action"] = np.select([~left, unusable > 0], ["dropped", "filled"], "")
        most = np.array(list(UNUSABLE.values()))[counts.to_numpy().argmax(axis=1)]
        report["reason"] = np.where(unusable > 0, most, "")
        touched = {"loaded": 0} | {step: (counts[kind] > 0).sum() for kind, step in UNUSABLE.items()}
        pixels = pixels[left]  # only what is left from here on: a copy of all would double the memory
        for reason, detector in detectors.items():
            flags = detector(pixels, self.config) if len(pixels) else np.zeros(0, bool)
            flagged = np.flatnonzero(left)[flags]
            left[flagged] = False
            pixels = pixels[~flags]
            report.loc[report.index[flagged], ["action", "reason"]] = "dropped", reason
            touched[reason] = len(flagged)

        self.report_ = report[report["action"] != ""]
        self.dropped_ = list(images.index[~left])
        self.summary_ = pd.DataFrame({"touched": touched}).rename_axis("step")
        dropped = report.loc[~left, "reason"].value_counts()
        self.summary_["dropped"] = dropped.reindex(self.summary_.index, fill_value=0)
        self.summary_["left"] = len(report) - self.summary_["dropped"].cumsum()
        if not left.any():
            raise DataError(
                f"Cleaning left none of {len(left)} patches:\n{self.summary_}\n"
                "Check the thresholds of the config against the data."
            )
        return y[left].copy(), pd.DataFrame(pixels, images.index[left], images.columns)


def _as_frame(y: pd.DataFrame, images: Sequence[np.ndarray]) -> pd.DataFrame:
    """Images in the order of `y` as a frame, with the names of `y`."""
    if len(images) != len(y):
        raise DataError(f"Expected one image for each of {len(y)} masks, found {len(images)}.")
    for name, image in zip(y.index, images, strict=True):
        if np.shape(image) != (PATCH_SIZE, PATCH_SIZE):
            raise DataError(
                f"Expected images of {PATCH_SIZE} x {PATCH_SIZE} pixels, found {np.shape(image)} for {name}."
            )
    return pd.DataFrame(np.reshape(images, (len(y), PIXELS)), y.index, COLUMNS)


def _check(y: pd.DataFrame, images: pd.DataFrame) -> None:
    """Raise DataError unless both frames have 1,296 columns and the same patches in the same order."""
    for kind, frame in (("masks", y), ("images", images)):
        if frame.shape[1] != PIXELS:
            raise DataError(f"Expected {PIXELS} columns of {kind}, one per pixel, found {frame.shape[1]}.")
        if frame.index.has_duplicates:
            twice = frame.index[frame.index.duplicated()]
            raise DataError(f"{len(twice)} patches appear twice among the {kind}, first {twice[0]}.")
    if not y.index.equals(images.index):
        check_same_patches(y, images)
        first = np.flatnonzero(y.index != images.index)[0]
        raise DataError(
            "Masks and images must be in the same order. "
            f"Row {first} is {y.index[first]} in the masks, {images.index[first]} in the images."
        )
