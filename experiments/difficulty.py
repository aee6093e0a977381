"""How hard is each well for a model that has not seen it? Notebook 05, section 2.

Each training and validation well is left out in turn; the U-Net is trained on the others and scored on the
one left out, against the clean truth where it is known. A well's number is also the seed.
"""

from common import Results, every, judged, load_folds, parse_arguments, run_from_command_line

from experiments.folds import leave_out, predict_masks, train_on
from helpers.config import Config
from helpers.data import load_data


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, _ = load_folds()
    y, images = load_data(source.folder)
    results = Results(arguments.output, __file__, source)
    wells = sorted(Config().train_wells + Config().val_wells)
    for key in results.missing(every(well=wells, epochs=[arguments.epochs])):
        fold = leave_out(key["well"], (key["well"],), y, images)
        model = train_on(*fold.cleaned(), arguments.epochs, fold.number)
        found = int(predict_masks(model, fold.unseen).sum())
        results.add(**key, patches=len(fold.unseen), found_pixels=found, **judged(model, source, fold))


if __name__ == "__main__":
    run_from_command_line(main)
