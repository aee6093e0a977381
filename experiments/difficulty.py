"""How hard is each well for a model that has not seen it?

Each well is left out in turn; the U-Net is trained on all the others with the same budget and scored on the
one left out, against the clean truth where it is known.
"""

import numpy as np
from common import Results, load_repaired, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.metrics import summarise
from helpers.studies.held_out import counts_on, train_on
from helpers.wells import ALL_WELLS, wells_of


def main() -> None:
    arguments = parse_arguments(__doc__, budget=6_000, seeds=2)
    source, y, images, judge = load_repaired()
    results = Results(arguments.output, __file__, source)
    wells = wells_of(y)
    runs = [(seed, well) for seed in range(arguments.seeds) for well in ALL_WELLS]
    for seed, well in tqdm(runs, unit="run"):
        if results.has(seed=seed, well=well, budget=arguments.budget):
            continue
        model = train_on(y[wells != well], images, arguments.budget, seed)
        counts = counts_on(model, judge[wells == well], images)
        scores = {name: round(score, 4) for name, score in summarise(counts).items()}
        found = int(np.asarray(counts[:, :2]).sum())
        results.add(
            seed=seed, well=well, budget=arguments.budget, patches=len(counts), found_pixels=found, **scores
        )


if __name__ == "__main__":
    run_from_command_line(main)
