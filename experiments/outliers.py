"""Does it help to leave odd patches out of training (R1.16)? Notebook 01.

"none" drops nothing, the others as many patches as SPE/DmodX flags. No patch that judges is dropped.
"""

import numpy as np
from common import run_from_command_line, run_study
from sklearn.ensemble import IsolationForest

from experiments.draws import STUDY_CONFIG, Draw, train_on
from helpers.data.preprocess import PreprocessData, spe_outliers


def without(draw: Draw, epochs: int, detector: str) -> dict[str, float]:
    y, images = PreprocessData(STUDY_CONFIG).transform(draw.y, draw.images)  # repaired; only ruins dropped
    flagged = flag(detector, images.to_numpy(), draw.number)
    return draw.score(train_on(y[~flagged], images, epochs, draw.number))


def flag(detector: str, pixels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Which of (n, 1296) repaired patches a detector drops: (n,) bool."""
    if detector == "none":
        return np.zeros(len(pixels), bool)
    flagged = spe_outliers(pixels)
    if detector == "SPE/DmodX":
        return flagged
    if detector == "isolation forest":
        oddness = -IsolationForest(random_state=seed).fit(pixels).score_samples(pixels)
    else:
        oddness = np.random.default_rng(seed).random(len(pixels))
    return oddness > np.sort(oddness)[-1 - flagged.sum()]


VARIANTS = {
    name: lambda draw, epochs, name=name: without(draw, epochs, name)
    for name in ("none", "SPE/DmodX", "isolation forest", "random")
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="none"))
