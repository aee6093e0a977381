"""How much too high is the score of a random split of patches? Notebook 05, section 1.

Each fold of wells is left out in turn. Of the other wells' patches a fifth is held out for validation: at
random by patch, by twin pair, or by wells. The U-Net is trained on as many of the remaining patches in each
case, and scored on its own validation patches (what it promises) and on the wells left out (what is true),
both by the labels.
"""

from common import Results, hold_out, load_folds, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.metrics import count_pixels, summarise
from helpers.studies.folds import counts_on, predict_masks, train_on

TRAIN_SHARE = 0.7  # of the seen patches, in all three cases; the held-out share varies by 0.07 around 0.2


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    results.provenance["judge"] = source.labels
    runs = [(fold, by) for fold in folds for by in ("patch", "pair", "wells")]
    for fold, by in tqdm(runs, unit="run"):
        key = {"fold": fold.number, "by": by, "epochs": arguments.epochs}
        if results.has(**key):
            continue
        y, images = fold.cleaned()
        held_out = hold_out(y, by, fold.number)
        train = y[~held_out].sample(int(TRAIN_SHARE * len(y)), random_state=fold.number)
        model = train_on(train, images, arguments.epochs, fold.number)
        own = counts_on(model, y[held_out], images)
        unseen = count_pixels(predict_masks(model, fold.unseen), fold.unseen.masks)
        dices = {"validation": own, "unseen": unseen}
        dices = {f"{part}_dice": round(summarise(counts)["dice"], 4) for part, counts in dices.items()}
        results.add(**key, train_patches=len(train), **dices)


if __name__ == "__main__":
    run_from_command_line(main)
