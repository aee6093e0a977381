"""Does it help the model to leave odd patches out of its training? Notebook 01, section 6.

Each fold of wells is left out in turn. A detector drops its patches from the other wells, the U-Net is
trained on the rest and scored on the wells left out, of which none is dropped but the ruined patches. "none"
drops nothing; the others drop about as many patches as SPE/DmodX, "random" any.
"""

from common import Results, judged, load_folds, parse_arguments, run_from_command_line

from experiments.folds import train_on
from helpers.data.preprocess import PreprocessData
from helpers.eda.outliers import compare_detectors

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
        flags = compare_detectors(images.to_numpy()).assign(none=False)
        flagged = flags[key["detector"]].to_numpy()
        model = train_on(y[~flagged], images, arguments.epochs, fold.number)
        results.add(**key, dropped=int(flagged.sum()), **judged(model, source, fold))


if __name__ == "__main__":
    run_from_command_line(main)
