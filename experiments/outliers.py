"""Does it help the model to leave odd patches out of its training? Notebook 01, section 6.

Each fold of wells is left out in turn. A detector drops its patches from the other wells, the U-Net is
trained on the rest and scored on the wells left out, of which none is dropped but the ruined patches. "none"
drops nothing; the others drop as many patches as SPE/DmodX, "random" any.
"""

import numpy as np
from common import Results, judged, load_folds, parse_arguments, run_from_command_line
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from experiments.folds import train_on
from helpers.config import Config
from helpers.data.preprocess import PreprocessData, spe_outliers

DETECTORS = ("none", "SPE/DmodX", "Q residual", "isolation forest", "random")


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    keys = [(fold.number, detector) for fold in folds for detector in DETECTORS]
    keys = [{"fold": fold, "detector": name, "epochs": arguments.epochs} for fold, name in keys]
    for key in results.missing(keys):
        fold = folds[key["fold"]]
        y, images = PreprocessData().transform(fold.y, fold.images)  # repaired: nothing dropped yet but ruins
        flagged = flag(key["detector"], images.to_numpy())
        model = train_on(y[~flagged], images, arguments.epochs, fold.number)
        results.add(**key, dropped=int(flagged.sum()), **judged(model, source, fold))


def flag(detector: str, pixels: np.ndarray, seed: int = Config().seed) -> np.ndarray:
    """Which of (n, 1296) repaired patches a detector drops: (n,) bool, as many as SPE/DmodX flags.

    The Q residual is the squared distance from the plane of the components that hold 95 % of the variance
    (Jackson and Mudholkar 1979, https://doi.org/10.1080/00401706.1979.10489779).
    """
    if detector == "none":
        return np.zeros(len(pixels), bool)
    flagged = spe_outliers(pixels)
    if detector == "SPE/DmodX":
        return flagged
    if detector == "Q residual":
        model = PCA(0.95, svd_solver="full").fit(pixels)
        oddness = ((pixels - model.inverse_transform(model.transform(pixels))) ** 2).sum(axis=1)
    elif detector == "isolation forest":
        oddness = -IsolationForest(random_state=seed).fit(pixels).score_samples(pixels)
    else:
        oddness = np.random.default_rng(seed).random(len(pixels))
    return oddness > np.sort(oddness)[-1 - flagged.sum()]


if __name__ == "__main__":
    run_from_command_line(main)
