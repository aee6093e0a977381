"""How much too high is the score of a random split of patches? Notebook 05, section 1.

Each fold of wells is left out in turn. Of the other wells' patches a fifth is held out for validation: at
random by patch, by twin pair, or by wells. The U-Net is trained on as many of the remaining patches in each
case, and scored on its own validation patches (what it promises) and on the wells left out (what is true),
both by the labels.
"""

from common import Results, every, hold_out, load_folds, parse_arguments, run_from_command_line

from experiments.folds import predict_masks, train_on
from helpers.data.dataset import SegmentationDataset
from helpers.data.transforms import normalize
from helpers.metrics import count_pixels, summarise

TRAIN_SHARE = 0.7  # of the seen patches, in all three cases; the held-out share varies by 0.07 around 0.2


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    results.provenance["judge"] = source.labels
    for key in results.missing(
        every(fold=range(3), by=("patch", "pair", "wells"), epochs=[arguments.epochs])
    ):
        fold = folds[key["fold"]]
        y, images = fold.cleaned()
        held_out = hold_out(y, key["by"], fold.number)
        train = y[~held_out].sample(int(TRAIN_SHARE * len(y)), random_state=fold.number)
        model = train_on(train, images, arguments.epochs, fold.number)
        own = SegmentationDataset.from_frames(y[held_out], images, normalize())
        dices = {}
        for name, dataset in {"validation_dice": own, "unseen_dice": fold.unseen}.items():
            counts = count_pixels(predict_masks(model, dataset), dataset.masks)
            dices[name] = round(summarise(counts)["dice"], 4)
        results.add(**key, train_patches=len(train), **dices)


if __name__ == "__main__":
    run_from_command_line(main)
