"""Do probabilities mean what they say, and where should they be cut?"""

import numpy as np
import pandas as pd
from sklearn.calibration import calibration_curve
from torch import Tensor

from helpers.data.dataset import as_images
from helpers.data.wells import wells_of
from helpers.metrics import count_pixels, summarise


def reliability(probability: np.ndarray, target: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """The reliability diagram as a table: of the pixels given about p, what share is groove?

    One row a bin of equal width that is not empty: predicted (mean probability), observed (share of groove),
    pixels. Source: Niculescu-Mizil and Caruana 2005, https://doi.org/10.1145/1102351.1102430.
    """
    p, t = np.asarray(probability, np.float64).ravel(), np.asarray(target).ravel()
    observed, predicted = calibration_curve(t, p, n_bins=bins, strategy="uniform")
    edges = np.linspace(0, 1, bins + 1)
    pixels = np.bincount(np.searchsorted(edges[1:-1], p), minlength=bins)  # the bins of calibration_curve
    return pd.DataFrame({"predicted": predicted, "observed": observed, "pixels": pixels[pixels > 0]})


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean gap between predicted and observed over the bins of `reliability`, each weighed by its pixels.

    Source: Naeini, Cooper and Hauskrecht 2015, https://doi.org/10.1609/aaai.v29i1.9602, equation 3.
    """
    gap = (table["predicted"] - table["observed"]).abs()
    return float(np.average(gap, weights=table["pixels"]))


def calibration_per_well(probability: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """How well calibrated a model is on each well, from frames of the same patches.

    Nine pixels of ten are sound wall, and known to be; they hide the others. So the error is also given for
    the pixels of which the model is not sure, between 0.05 and 0.95.

    Returns
    -------
    One row a well: "groove, %" (of all pixels), "predicted, %" (mean probability), "ECE" (of all pixels),
    "unsure pixels, %", "ECE, unsure" and "bias, unsure": mean probability minus share of groove there,
    positive where the model claims too much.
    """
    wells, rows = wells_of(truth), {}
    for well in sorted(set(wells.tolist())):
        p, t = (frame[wells == well].to_numpy(np.float64).ravel() for frame in (probability, truth))
        unsure = (p >= 0.05) & (p <= 0.95)
        rows[well] = {
            "groove, %": 100 * t.mean(),
            "predicted, %": 100 * p.mean(),
            "ECE": expected_calibration_error(reliability(p, t)),
            "unsure pixels, %": 100 * unsure.mean(),
        }
        if unsure.any():
            table = reliability(p[unsure], t[unsure])
            rows[well]["ECE, unsure"] = expected_calibration_error(table)
            rows[well]["bias, unsure"] = p[unsure].mean() - t[unsure].mean()
    columns = ["groove, %", "predicted, %", "ECE", "unsure pixels, %", "ECE, unsure", "bias, unsure"]
    return pd.DataFrame(rows, columns).T.rename_axis("well")


def threshold_curve(probabilities: Tensor, masks: Tensor) -> pd.DataFrame:
    """Dice and mean IoU at the thresholds 0.05, 0.10 ... 0.95, which index the frame; of (N, 1, H, W) patches
    that the model was not trained on. Chosen on test patches a threshold would flatter the test score."""
    rows = {
        round(0.05 * step, 2): summarise(count_pixels(probabilities >= 0.05 * step, masks.bool()))
        for step in range(1, 20)
    }
    return pd.DataFrame(rows).T.rename_axis("threshold")


def thresholds_per_well(probability: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Dice of each well (columns) at each threshold (rows), see `threshold_curve`."""
    wells = wells_of(truth)
    curves = {
        well: threshold_curve(as_images(probability[wells == well]), as_images(truth[wells == well]))["dice"]
        for well in sorted(set(wells.tolist()))
    }
    return pd.DataFrame(curves).rename_axis(columns="well")
