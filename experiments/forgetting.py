"""What do the shipped weights forget when they learn from wells at hand? Notebook 07, section 5.

They are trained further on the training wells and judged on the validation wells, which are unlike most of
them: at the usual rate, at a quarter of it, with the encoder frozen, and rehearsed, that is on as many rows
of simulated wells besides (half the epochs, at least one). Averaged: the mean of the weights before and after
(Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", https://arxiv.org/abs/2109.01903).
"""

import pandas as pd
from common import Results, judge_of, parse_arguments, run_from_command_line
from recipes import Training, as_many_rows, train_on_wells
from torch import nn
from tqdm import tqdm

from helpers.checkpoint import load_model
from helpers.config import Config
from helpers.data import find_data, load_data
from helpers.metrics import count_pixels, scores_per_well, summarise
from helpers.models import mean_of_weights
from helpers.studies.folds import STUDY_CONFIG, leave_out
from helpers.whole_wells.prediction import WEIGHTS, predict_patches
from helpers.whole_wells.sections import Wells, assemble_wells

SLOW = {"learning_rate": STUDY_CONFIG.learning_rate / 4}
RECIPES = {
    "as shipped": None,
    "trained": Training(),
    "averaged": Training(),
    "slowly": Training(config=SLOW),
    "encoder frozen": Training(frozen=True),
    "rehearsed": Training(),
    "slowly, rehearsed": Training(config=SLOW),
}


def main() -> None:
    arguments = parse_arguments(__doc__, {"variants": list(RECIPES), "seeds": ["0", "1", "2"]})
    source = find_data()
    config = Config()
    y, images = load_data(source.folder, config.unpacked_dir)
    unseen = leave_out(0, config.val_wells, y, images).unseen
    truth = judge_of(source, unseen)
    own = assemble_wells(y, images, config.train_wells)
    results = Results(arguments.output, __file__, source)
    for seed in map(int, arguments.seeds):
        for variant in tqdm(arguments.variants, unit="run", desc=f"seed {seed}"):
            key = {"seed": seed, "variant": variant, "epochs": arguments.epochs}
            if results.has(**key) or (variant == "as shipped" and seed):
                continue
            model = further(variant, own, arguments.epochs, seed)
            probability = predict_patches(model, images.loc[unseen.names], config)
            counts = count_pixels(probability >= config.threshold, truth)
            scores = {name: round(value, 4) for name, value in summarise(counts).items()}
            results.add(**key, **scores, **per_well(counts, unseen.names))


def further(variant: str, own: Wells, epochs: int, seed: int) -> nn.Module:
    start, config = load_model(WEIGHTS)
    recipe = RECIPES[variant]
    if recipe is None:
        return start
    if "rehearsed" in variant:
        own, epochs = own | as_many_rows(own, list(config.train_wells), seed), max(1, epochs // 2)
    model = train_on_wells(recipe, own, epochs, seed, start)
    return mean_of_weights(start, model) if variant == "averaged" else model


def per_well(counts, names: list[str]) -> dict[str, float]:
    dices: pd.Series = scores_per_well(counts, names)["dice"].round(4)
    return dices.add_prefix("dice_of_well_").to_dict()


if __name__ == "__main__":
    run_from_command_line(main)
