"""Which recipe finds most grooves in whole wells? Notebook 07.

Each fold of wells is left out in turn; each recipe is trained on the other wells, and all are judged on the
same patches of the wells left out.

patches : the baseline U-Net of notebook 04.
group norm, batch norm : the network for whole wells, on sections of 144 rows. With group norm also on
sections of 36 to 360 rows, and for three times the epochs.
rival : what the challenge's first place does (rival.py), on sections of 360 rows; once more on 144 rows.
simulated only : on 200 simulated wells, by their truth: no pixel and no label of the wells at hand. Their
recipes are drawn from ranges of this fold's training wells. Then trained on the wells at hand too. Averaged:
the mean of the weights before and after (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
"""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from common import FOLDS, Results, every, judge_of, load_folds, parse_arguments, run_from_command_line
from rival import train_rival
from torch import Tensor, nn

from experiments.folds import STUDY_CONFIG, Fold, train_on
from helpers.config import Config
from helpers.data import load_data
from helpers.data.wells import well_from_frame, wells_of
from helpers.metrics import count_pixels, scores_per_well, summarise
from helpers.models import mean_of_weights
from helpers.training import train
from helpers.training.runs import unsaved_run
from helpers.whole_wells import sections
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import predict_well, predict_well_by_patches
from helpers.whole_wells.sections import HEIGHT, SectionDataset, assemble_wells
from helpers.whole_wells.simulation import simulate_wells

SIMULATED, SIMULATED_EPOCHS = 200, 6  # wells of 1,440 rows to learn from before

OURS = {"norm": "group"}
RECIPES = {
    "batch norm": {"norm": "batch"},
    "group norm": OURS,
    **{f"group norm, {rows} rows": OURS | {"height": rows} for rows in (36, 72, 360)},
    "three times the epochs": OURS,
}
RIVALS = {"rival, 360 rows": 360, "rival, 144 rows": 144}
BEFORE, AFTER = "simulated only", "simulated, then trained"
VARIANTS = ["patches", *RECIPES, *RIVALS, BEFORE, AFTER, f"{AFTER}, averaged"]


def main() -> None:
    arguments = parse_arguments(__doc__, {"variants": VARIANTS, "folds": FOLDS})
    source, folds = load_folds()
    _, images = load_data(source.folder)
    results, trained = Results(arguments.output, __file__, source), {}
    numbers = map(int, arguments.folds)
    for key in results.missing(every(fold=numbers, variant=arguments.variants, epochs=[arguments.epochs])):
        fold, start = folds[key["fold"]], time.perf_counter()
        model = model_of(key["variant"], fold, key["epochs"], trained)
        seconds = round(time.perf_counter() - start)
        found = probabilities(key["variant"], model, images, fold)
        results.add(**key, seconds=seconds, **score(found, fold, judge_of(source, fold.unseen)))


def model_of(variant: str, fold: Fold, epochs: int, trained: dict[tuple, nn.Module]) -> nn.Module:
    """The network of this variant and fold: from `trained`, or newly trained and put there."""
    if (variant, fold.number) in trained:
        return trained[variant, fold.number]
    seen = sorted(set(wells_of(fold.y).tolist()))
    if variant == "patches":
        model = train_on(*fold.cleaned(), epochs, fold.number)
    elif variant == BEFORE:
        wells = simulate_wells(SIMULATED, seen, seed=fold.number)
        model = train_on_wells(wells, SIMULATED_EPOCHS, fold.number, batch_size=32, **OURS)
    elif variant in RIVALS:
        model = train_rival(assemble_wells(fold.y, fold.images, seen), epochs, fold.number, RIVALS[variant])
    elif variant.endswith("averaged"):
        model = mean_of_weights(*(model_of(name, fold, epochs, trained) for name in (BEFORE, AFTER)))
    else:
        recipe = RECIPES.get(variant) or OURS | {"start": model_of(BEFORE, fold, epochs, trained)}
        wells = assemble_wells(fold.y, fold.images, seen)
        model = train_on_wells(wells, epochs * (3 if "three" in variant else 1), fold.number, **recipe)
    trained[variant, fold.number] = model
    return model


def train_on_wells(
    wells: dict, epochs: int, seed: int, start: nn.Module | None = None, height: int = HEIGHT,
    batch_size: int = 8, **options
) -> nn.Module:  # fmt: skip
    """Train by a recipe: a new model, or one from the weights of `start`, which stays."""
    config = replace(STUDY_CONFIG, seed=seed, batch_size=batch_size)
    run = unsaved_run("well_resunet", config, **options)
    if start is not None:
        run.model.load_state_dict(start.state_dict())
    dataset = SectionDataset(wells, height, sections.well_transform(), moving=True, config=config)
    for _ in train(run, sections.section_loader(dataset, batch_size, shuffle=True), epochs):
        pass
    return run.model


def probabilities(variant: str, model: nn.Module, images: pd.DataFrame, fold: Fold) -> dict[int, np.ndarray]:
    """Groove probabilities, (H, W), of each well left out."""
    predict = predict_well_by_patches if variant == "patches" else predict_well
    return {well: predict(model, well_from_frame(images, well)) for well in fold.wells}


def score(found: dict[int, np.ndarray], fold: Fold, truth: Tensor) -> dict[str, float]:
    """Scores on the patches of the wells left out, and the Dice of each of these wells."""
    masks = torch.from_numpy(patches_of_wells(found, fold.unseen.names))[:, None] >= STUDY_CONFIG.threshold
    counts = count_pixels(masks, truth)
    scores = {name: round(value, 4) for name, value in summarise(counts).items()}
    dices = scores_per_well(counts, fold.unseen.names)["dice"].round(4).to_dict()
    wells = sorted(Config().train_wells + Config().val_wells)
    return scores | {f"well_{well}_dice": dices.get(well, "") for well in wells}


if __name__ == "__main__":
    run_from_command_line(main)
