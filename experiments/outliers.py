"""Does it help the model to leave odd patches out of its training? Notebook 01, section 6.

Each fold of wells is left out in turn. A detector drops its patches from the other wells, the U-Net is
trained on the rest and scored on the wells left out, of which none is dropped but the ruined patches. "none"
drops nothing; the others drop about as many patches as SPE/DmodX, "random" any.
"""

from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.config import Config
from helpers.eda.outliers import compare_detectors
from helpers.metrics import count_pixels, summarise
from helpers.preprocess import PreprocessData
from helpers.studies.folds import predict_masks, train_on

DETECTORS = ("none", "SPE/DmodX", "Q residual", "isolation forest", "random")


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    for fold in tqdm(folds, unit="fold"):
        y, images = PreprocessData().transform(fold.y, fold.images)  # repaired: nothing dropped yet but ruins
        flags = compare_detectors(images.to_numpy(), Config())
        flags.insert(0, "none", False)
        for name in DETECTORS:
            key = {"fold": fold.number, "detector": name, "epochs": arguments.epochs}
            if results.has(**key):
                continue
            flagged = flags[name].to_numpy()
            model = train_on(y[~flagged], images, arguments.epochs, fold.number)
            counts = count_pixels(predict_masks(model, fold.unseen), judge_of(source, fold.unseen))
            scores = {score: round(value, 4) for score, value in summarise(counts).items()}
            results.add(**key, dropped=int(flagged.sum()), **scores)


if __name__ == "__main__":
    run_from_command_line(main)
