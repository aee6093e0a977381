"""Does it help the model to leave odd patches out of its training?

The reviewer's split. Each detector drops its patches from the training wells, the U-Net is trained on the
rest with the same budget, and scored on the validation and test wells, of which none is dropped but the
ruined ones. "none" drops nothing; the others drop about as many patches as SPE/DmodX, "random" any.
"""

import numpy as np
from common import Results, load_repaired, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.config import Config
from helpers.eda.outliers import compare_detectors
from helpers.metrics import summarise
from helpers.studies.held_out import counts_on, train_on
from helpers.wells import wells_of


def main() -> None:
    arguments = parse_arguments(__doc__, budget=6_000, seeds=3)
    config = Config()
    source, y, images, judge = load_repaired()
    results = Results(arguments.output, __file__, source)
    wells = wells_of(y)
    y_train = y[np.isin(wells, config.train_wells)]
    flags = compare_detectors(images.loc[y_train.index].to_numpy(), config)
    flags.insert(0, "none", False)
    for seed, name in tqdm([(s, n) for s in range(arguments.seeds) for n in flags], unit="run"):
        if results.has(seed=seed, detector=name, budget=arguments.budget):
            continue
        flagged = flags[name].to_numpy()
        model = train_on(y_train[~flagged], images, arguments.budget, seed)
        row = {"seed": seed, "detector": name, "budget": arguments.budget, "dropped": int(flagged.sum())}
        for part, part_wells in (("val", config.val_wells), ("test", config.test_wells)):
            scores = summarise(counts_on(model, judge[np.isin(wells, part_wells)], images))
            row |= {f"{part}_{score}": round(value, 4) for score, value in scores.items()}
        results.add(**row)


if __name__ == "__main__":
    run_from_command_line(main)
