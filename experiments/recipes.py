"""Which recipe finds most grooves in whole wells? Notebook 06, section 4.

Each fold of wells is left out in turn; each recipe is trained on the other wells, and all are judged on the
same patches of the wells left out.

patches : the baseline U-Net of notebook 04.
batch norm : the network of whole_well.py, on sections of 144 rows.
group norm : the same with group normalisation. The levers after it change one more thing in it: channels,
learning rate, loss, the mean of the weights of the last quarter of the epochs, noise, sections a batch,
epochs.
rival : what the challenge's first place describes, rebuilt: a recurrent residual U-Net on sections of 360
rows with IoU and focal loss; once more on 144 rows, with BCE, and with batches of 32 for
three times the epochs (longer).
simulated only : the network with group norm, trained on 200 simulated wells by their truth: no pixel and no
label of the wells at hand. Their recipes are drawn from ranges of this fold's training wells. Then trained on
the wells at hand too, at the usual rate or at a quarter of it.
ensemble : the mean probability of "simulated only" and "simulated, then trained".
windows of 144 rows : the network searches a well in windows as tall as the sections that it learned from,
overlapping by 36; all others in windows of 720 rows, overlapping by 144.
"""

import time
from dataclasses import dataclass, field, replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn
from torchvision.transforms import v2
from tqdm import tqdm

from helpers.config import Config
from helpers.data import load_data
from helpers.losses import LOSSES, focal, soft_iou
from helpers.metrics import count_pixels, scores_per_well, summarise
from helpers.runs import Run, unsaved_run
from helpers.studies.folds import STUDY_CONFIG, Fold, training_loader
from helpers.training import train
from helpers.transforms import PixelNoise, well_transform
from helpers.wells import well_from_frame, wells_of
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import predict_well, predict_well_by_patches
from helpers.whole_wells.sections import HEIGHT, SectionDataset, SectionLoader, Wells, assemble_wells
from helpers.whole_wells.simulation import simulate_wells

SIMULATED = 200  # wells of 1,440 rows to learn from before
SIMULATED_EPOCHS, SIMULATED_BATCH = 6, 32  # a batch in patches: the wells are many, so batches may be large


@dataclass(frozen=True)
class Training:
    """How a network for whole wells is trained."""

    model: str = "well_resunet"
    options: dict = field(default_factory=lambda: {"norm": "group"})
    height: int = HEIGHT
    loss: str = "bce"
    longer: int = 1  # times the epochs
    averaged: bool = False
    noise: bool = False
    config: dict = field(default_factory=dict)


RIVAL = Training(model="recurrent_unet", options={}, height=360, loss="iou_focal")
LEVERS = {
    "batch norm": Training(options={"norm": "batch"}),
    "group norm": Training(),
    "24 channels": Training(options={"norm": "group", "width": 24}),
    "half the rate": Training(config={"learning_rate": 1e-3}),
    "twice the rate": Training(config={"learning_rate": 4e-3}),
    "Dice + BCE": Training(loss="dice_bce"),
    "Lovász": Training(loss="lovasz"),
    "averaged weights": Training(averaged=True),
    "noise": Training(noise=True),
    "batches of 32": Training(config={"batch_size": 32}),
    "three times the epochs": Training(longer=3),
    "rival, 360 rows": RIVAL,
    "rival, 144 rows": replace(RIVAL, height=144),
    "rival, 360 rows, BCE": replace(RIVAL, loss="bce"),
    "rival, 360 rows, BCE, longer": replace(RIVAL, loss="bce", longer=3, config={"batch_size": 32}),
}
SIMULATIONS = [
    "simulated only",
    "simulated, then trained",
    "simulated, then trained slowly",
    "ensemble",
]
WINDOWS = ", windows of 144 rows"
VARIANTS = ["patches", *LEVERS, "group norm" + WINDOWS, *SIMULATIONS]
VARIANTS += [name + WINDOWS for name in SIMULATIONS[:2]]


def iou_focal(logits: Tensor, masks: Tensor) -> Tensor:
    """The sum of both: the loss that the challenge's first place names."""
    return soft_iou(logits, masks) + focal(logits, masks)


def main() -> None:
    arguments = parse_arguments(__doc__, {"variants": VARIANTS, "folds": ["0", "1", "2"]})
    source, folds = load_folds()
    _, images = load_data(source.folder, Config().unpacked_dir)
    results = Results(arguments.output, __file__, source)
    for fold in [fold for fold in folds if str(fold.number) in arguments.folds]:
        truth = judge_of(source, fold.unseen)
        trained = {}  # by name: those that others go on from
        for variant in tqdm(arguments.variants, unit="run", desc=f"fold {fold.number}"):
            key = {"fold": fold.number, "variant": variant, "epochs": arguments.epochs}
            if results.has(**key):
                continue
            start = time.perf_counter()
            found = find(variant, fold, images, arguments.epochs, trained)
            row = key | {"seconds": round(time.perf_counter() - start)}
            results.add(**row, **score(found, fold, truth))


def find(
    variant: str, fold: Fold, images: pd.DataFrame, epochs: int, trained: dict[str, nn.Module]
) -> dict[int, np.ndarray]:
    """Train what is needed; return the groove probability of each well that was left out, (H, W)."""
    wells = {well: well_from_frame(images, well) for well in fold.wells}
    if variant == "patches":
        config = replace(STUDY_CONFIG, seed=fold.number)
        run = unsaved_run("unet", config, dropout=config.dropout)
        for _ in train(run, training_loader(*fold.cleaned(config), config), epochs):
            pass
        return {well: predict_well_by_patches(run.model, image, well) for well, image in wells.items()}
    if variant == "ensemble":
        parts = [model_of(name, fold, epochs, trained) for name in SIMULATIONS[:2]]
        return {
            well: np.mean([predict_well(part, image) for part in parts], axis=0)
            for well, image in wells.items()
        }
    model = model_of(variant.removesuffix(WINDOWS), fold, epochs, trained)
    windows = {"rows": HEIGHT, "overlap": HEIGHT // 4} if variant.endswith(WINDOWS) else {}
    return {well: predict_well(model, image, **windows) for well, image in wells.items()}


def model_of(variant: str, fold: Fold, epochs: int, trained: dict[str, nn.Module]) -> nn.Module:
    """The network of this variant: from `trained`, or newly trained and put there."""
    if variant in trained:
        return trained[variant]
    seen = sorted(set(wells_of(fold.y).tolist()))
    own = assemble_wells(fold.y, fold.images, seen)
    if variant in LEVERS:
        model = train_on_wells(LEVERS[variant], own, epochs, fold.number)
    elif variant == "simulated only":
        simulated = simulate_wells(SIMULATED, seen, seed=fold.number)
        recipe = Training(config={"batch_size": SIMULATED_BATCH})
        model = train_on_wells(recipe, simulated, SIMULATED_EPOCHS, fold.number)
    else:
        start = model_of("simulated only", fold, epochs, trained)
        rate = STUDY_CONFIG.learning_rate / (4 if variant.endswith("slowly") else 1)
        recipe = Training(config={"learning_rate": rate})
        model = train_on_wells(recipe, own, epochs, fold.number, start)
    trained[variant] = model
    return model


def train_on_wells(
    recipe: Training, wells: Wells, epochs: int, seed: int, start: nn.Module | None = None
) -> nn.Module:
    """Train by a recipe, from new weights or from those of `start`, which stays as it is."""
    config = replace(STUDY_CONFIG, seed=seed, **recipe.config)
    transform = well_transform(config)
    if recipe.noise:
        *moves, scale = transform.transforms
        transform = v2.Compose([*moves, PixelNoise(config.noisy_share, config.p_noise), scale])
    with patch.dict(LOSSES, iou_focal=iou_focal):
        run = unsaved_run(recipe.model, config, recipe.loss, **recipe.options)
        if start is not None:
            run.model.load_state_dict(start.state_dict())
        sections = SectionDataset(wells, recipe.height, transform, moving=True, seed=seed)
        loader = SectionLoader(sections, config.batch_size, shuffle=True, seed=seed)
        return last_or_average(run, loader, epochs * recipe.longer, recipe.averaged)


def last_or_average(run: Run, loader: SectionLoader, epochs: int, averaged: bool) -> nn.Module:
    """The network after the last epoch, or the mean of its weights after each of the last quarter."""
    average = AveragedModel(run.model)
    for row in train(run, loader, epochs):
        if row["epoch"] > epochs - max(1, epochs // 4):
            average.update_parameters(run.model)
    if not averaged:
        return run.model
    update_bn(loader, average, run.device)
    return average.module


def score(found: dict[int, np.ndarray], fold: Fold, truth: Tensor) -> dict[str, float]:
    """Scores on the patches of the wells left out, and the Dice of each of these wells."""
    probability = torch.from_numpy(patches_of_wells(found, fold.unseen.names))[:, None]
    counts = count_pixels(probability >= STUDY_CONFIG.threshold, truth)
    scores = {name: round(value, 4) for name, value in summarise(counts).items()}
    dices = scores_per_well(counts, fold.unseen.names)["dice"].round(4).to_dict()
    wells = sorted(Config().train_wells + Config().val_wells)
    return scores | {f"well_{well}_dice": dices.get(well, "") for well in wells}


if __name__ == "__main__":
    run_from_command_line(main)
