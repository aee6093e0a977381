"""Detectors of odd patches, compared: what each would leave out of the training set (review point R1.16).

The two that the cleaning uses, SPE/DmodX and DBSCAN, are in `helpers.data.preprocess`. The others here flag
as many patches as SPE/DmodX does, so that equal numbers are compared.
"""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from helpers.config import Config
from helpers.data.preprocess import dbscan_outliers, spe_outliers


def compare_detectors(pixels: np.ndarray, config: Config = Config()) -> pd.DataFrame:
    """Flag odd patches, of (n, 1296) repaired thickness, with every detector: (n, 7) bool, a column a
    detector. "random" flags any, as a control."""
    spe = spe_outliers(pixels, config)
    with_dbscan = spe.copy()
    with_dbscan[~spe] = dbscan_outliers(pixels[~spe], config)
    t2, q = hotelling_t2_and_q(pixels)
    oddness = {
        "Hotelling T²": t2,
        "Q residual": q,
        "isolation forest": -IsolationForest(random_state=config.seed).fit(pixels).score_samples(pixels),
        "local outlier factor": -LocalOutlierFactor().fit(pixels).negative_outlier_factor_,
        "random": np.random.default_rng(config.seed).random(len(pixels)),
    }
    flags = {"SPE/DmodX": spe, "SPE/DmodX, DBSCAN": with_dbscan}
    for name, score in oddness.items():
        flags[name] = score > np.sort(score)[len(score) - 1 - spe.sum()]
    return pd.DataFrame(flags)


def hotelling_t2_and_q(pixels: np.ndarray, variance: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The two distances of principal component analysis, with components for so much of the variance.

    Returns
    -------
    Hotelling's T², (n,): squared distance from the mean inside the plane of the components, each in its own
        standard deviations.
    Q residual, (n,): squared distance from that plane. This is what "SPE" names in the literature; what the
        `pca` package calls SPE/DmodX is an ellipse in the plane of the first two components.

    Source: Jackson and Mudholkar 1979, https://doi.org/10.1080/00401706.1979.10489779.
    """
    model = PCA(variance, svd_solver="full").fit(pixels)
    scores = model.transform(pixels)
    t2 = (scores**2 / model.explained_variance_).sum(axis=1)
    return t2, ((pixels - model.inverse_transform(scores)) ** 2).sum(axis=1)
