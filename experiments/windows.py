"""How tall should the window be that slides down a well? Notebook 08.

The shipped network searches wells of 2,880 rows, simulated like the training and validation wells, with their
own and with fainter grooves, in windows that overlap by a quarter, and all rows at once. It learned from
sections of 144 rows, and group norm takes its mean and spread over all that it sees at once."""

from dataclasses import replace
from itertools import product

import numpy as np
import torch
from common import Results, parse_arguments, run_from_command_line

from helpers.config import Config
from helpers.data import DataSource
from helpers.data.synthetic import RECIPES, simulate
from helpers.metrics import count_pixels, summarise
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS, predict_well

HEIGHTS = (72, 144, 288, 720, 2880)
WELLS = [well for well in Config().train_wells + Config().val_wells if RECIPES[well].groove_share]


def main() -> None:
    torch.set_num_threads(1)
    source = DataSource(WEIGHTS, simulated=True, labels="clean truth")
    results = Results(parse_arguments(__doc__, epochs=False).output, __file__, source)
    model, config = load_model(WEIGHTS)
    for seed, well, contrast in product((1, 2, 3), WELLS, (1.0, 0.7, 0.5)):  # shares of the well's contrast
        if results.has(seed=seed, well=well, contrast=contrast):
            continue
        recipe = replace(RECIPES[well], contrast=contrast * RECIPES[well].contrast, frozen=None)
        made, dices = simulate(recipe, HEIGHTS[-1], np.random.default_rng([seed, well])), {}
        for rows in HEIGHTS:
            found = predict_well(model, made.thickness, rows, (1.0,), config) >= config.threshold
            counts = count_pixels(*(torch.from_numpy(mask)[None, None] for mask in (found, made.truth)))
            dices[f"dice_{rows}_rows"] = round(summarise(counts)["dice"], 4)
        results.add(seed=seed, well=well, contrast=contrast, **dices)


if __name__ == "__main__":
    run_from_command_line(main)
