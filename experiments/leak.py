"""How much does a split of patches promise that it cannot keep?

Three groups of wells are left out in turn. Of the other wells' patches a fifth is held out for validation:
at random by patch, by twin pair, or by wells. The same U-Net is trained with the same budget on as many of
the remaining patches in each case, and scored on its own validation patches (what it promises) and on the
wells left out (what is true).
"""

import numpy as np
from common import Results, load_repaired, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.studies.held_out import WELL_FOLDS, counts_on, hold_out, train_on
from helpers.wells import wells_of

TRAIN_SHARE = 0.7  # of the seen patches, in all three cases; the held-out share varies by 0.07 around 0.2


def main() -> None:
    arguments = parse_arguments(__doc__, budget=10_000, seeds=3)
    source, y, images, _ = load_repaired()
    results = Results(arguments.output, __file__, source)
    runs = [
        (seed, fold, by)
        for seed in range(arguments.seeds)
        for fold in range(len(WELL_FOLDS))
        for by in ("patch", "pair", "wells")
    ]
    for seed, fold, by in tqdm(runs, unit="run"):
        if results.has(seed=seed, fold=fold, by=by, budget=arguments.budget):
            continue
        unseen = np.isin(wells_of(y), WELL_FOLDS[fold])
        seen = y[~unseen]
        validation = hold_out(seen, by, seed)
        train = seen[~validation].sample(int(TRAIN_SHARE * len(seen)), random_state=seed)
        model = train_on(train, images, arguments.budget, seed)
        row = {"seed": seed, "fold": fold, "by": by, "budget": arguments.budget, "train_patches": len(train)}
        for name, part in (("validation", seen[validation]), ("unseen", y[unseen])):
            tp, fp, fn = counts_on(model, part, images).sum(dim=0).tolist()
            row |= {f"{name}_tp": tp, f"{name}_fp": fp, f"{name}_fn": fn}
            row[f"{name}_dice"] = round(2 * tp / (2 * tp + fp + fn), 4)
        results.add(**row)


if __name__ == "__main__":
    run_from_command_line(main)
