"""Which recipe finds most grooves in whole wells? Notebook 07, section 4.

Each fold of wells is left out in turn; each recipe is trained on the other wells, and all are judged on the
same patches of the wells left out.

patches : the baseline U-Net of notebook 04.
batch norm : the network of whole_well.py, on sections of 144 rows.
group norm : the same with group normalisation. The levers after it change one more thing in it: channels,
learning rate, its warm-up (a tenth of it in the first epoch), loss, the mean of the weights of the last
quarter of the epochs, noise, rows that the tool dropped, stretched joints, sections of 72, 144 or 288 rows
in turn, sections a batch, epochs.
rival : what the challenge's first place describes, rebuilt: a recurrent residual U-Net on sections of 360
rows with IoU and focal loss; once more on 144 rows, with BCE, and for three times the epochs (longer; at 360
rows with batches of 32).
simulated only : the network with group norm, trained on 200 simulated wells by their truth: no pixel and no
label of the wells at hand. Their recipes are drawn from ranges of this fold's training wells. Then trained on
the wells at hand too: at the usual rate, at a quarter of it, with the encoder frozen, or on the wells at hand
and as many rows of simulated ones for half the epochs (rehearsed). Averaged: the mean of the weights before
and after (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903). The rival learns in both ways too.
ensemble : the mean probability of "simulated only" and "simulated, then trained".
windows of 144 rows : the network searches a well in windows as tall as the sections that it learned from,
overlapping by 36; all others in windows of 720 rows, overlapping by 144.
"""

import time
from collections.abc import Callable
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
from helpers.models import mean_of_weights
from helpers.runs import Run, unsaved_run
from helpers.studies.folds import STUDY_CONFIG, Fold, training_loader
from helpers.training import train
from helpers.transforms import BatchTransform, PixelNoise, to_tensors, well_transform
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
    augmentation: Callable[[Config], v2.Transform] | None = None  # before the network's scale
    warm_up: bool = False
    frozen: bool = False  # the encoder, when training goes on from other weights
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
    "warm-up": Training(warm_up=True),
    "noise": Training(augmentation=lambda config: PixelNoise(config.noisy_share, config.p_noise)),
    "dropped rows": Training(augmentation=lambda config: DroppedRows()),
    "stretched joints": Training(augmentation=lambda config: StretchedJoints()),
    "mixed heights": Training(height=2 * HEIGHT, augmentation=lambda config: MixedHeights()),
    "batches of 32": Training(config={"batch_size": 32}),
    "three times the epochs": Training(longer=3),
    "rival, 360 rows": RIVAL,
    "rival, 144 rows": replace(RIVAL, height=144),
    "rival, 144 rows, longer": replace(RIVAL, height=144, longer=3),
    "rival, 360 rows, BCE": replace(RIVAL, loss="bce"),
    "rival, 360 rows, BCE, longer": replace(RIVAL, loss="bce", longer=3, config={"batch_size": 32}),
}
SIMULATIONS = [
    "simulated only",
    "simulated, then trained",
    "simulated, then trained slowly",
    "simulated, then trained, encoder frozen",
    "simulated, then trained, rehearsed",
    "simulated, then trained, averaged",
    "ensemble",
    "rival, simulated only",
    "rival, simulated, then trained",
]
WINDOWS = ", windows of 144 rows"
VARIANTS = ["patches", *LEVERS, "group norm" + WINDOWS, *SIMULATIONS]
VARIANTS += [name + WINDOWS for name in SIMULATIONS[:2]]


class DroppedRows(BatchTransform):
    """Lose up to 12 rows in a row, as where the tool logged nothing; the label stays, so it is bridged."""

    def draw(self, n, height, width):
        length = torch.randint(0, 13, (n,))
        return {"first": torch.randint(height - 12, (n,)), "length": length}

    def apply(self, image, mask, first, length):
        rows = torch.arange(image.shape[2], device=image.device)
        lost = (rows >= first[:, None]) & (rows < (first + length)[:, None])  # (N, H)
        return image.masked_fill(lost[:, None, :, None], 0.0), mask


class StretchedJoints(BatchTransform):
    """Stretch a section in depth by a factor of 1 to 1.5, as where the tool went slower than it was told."""

    def draw(self, n, height, width):
        return {"factor": 1 + torch.rand(n) / 2}

    def apply(self, image, mask, factor):
        height = image.shape[2]
        rows = (torch.arange(height, device=image.device) - height / 2) / factor[:, None] + height / 2
        lower = rows.floor().long().clamp(0, height - 1)  # (N, H)
        upper, share = (lower + 1).clamp(max=height - 1), (rows - lower)[:, None, :, None]

        def taken(part: Tensor, index: Tensor) -> Tensor:
            return part.gather(2, index[:, None, :, None].expand(part.shape))

        image = (1 - share) * taken(image, lower) + share * taken(image, upper)
        return image, taken(mask, rows.round().long().clamp(0, height - 1))


class MixedHeights(v2.Transform):
    """Cut the batch's sections into 1, 2 or 4 parts, one under the other: as many pixels, less context."""

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        parts = 2 ** int(torch.randint(3, ()))
        size = (-1, 1, image.shape[2] // parts, image.shape[3])
        return to_tensors(*(part.as_subclass(Tensor).reshape(size) for part in (image, mask)))


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
        return {well: predict_well_by_patches(run.model, image) for well, image in wells.items()}
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
    elif variant.endswith("simulated only"):
        simulated = simulate_wells(SIMULATED, seen, seed=fold.number)
        recipe = replace(base_of(variant), config={"batch_size": SIMULATED_BATCH})
        model = train_on_wells(recipe, simulated, SIMULATED_EPOCHS, fold.number)
    elif variant.endswith("averaged"):
        before, after = (model_of(name, fold, epochs, trained) for name in SIMULATIONS[:2])
        model = mean_of_weights(before, after)
    else:
        first = "rival, simulated only" if variant.startswith("rival") else "simulated only"
        start = model_of(first, fold, epochs, trained)
        rate = STUDY_CONFIG.learning_rate / (4 if variant.endswith("slowly") else 1)
        recipe = replace(base_of(variant), config={"learning_rate": rate}, frozen=variant.endswith("frozen"))
        if variant.endswith("rehearsed"):
            own, epochs = own | as_many_rows(own, seen, fold.number), max(1, epochs // 2)
        model = train_on_wells(recipe, own, epochs, fold.number, start)
    trained[variant] = model
    return model


def base_of(variant: str) -> Training:
    """How the networks that learn from simulated wells are trained, but for what their names say."""
    return LEVERS["rival, 144 rows" if variant.startswith("rival") else "group norm"]


def train_on_wells(
    recipe: Training, wells: Wells, epochs: int, seed: int, start: nn.Module | None = None
) -> nn.Module:
    """Train by a recipe, from new weights or from those of `start`, which stays as it is."""
    config = replace(STUDY_CONFIG, seed=seed, **recipe.config)
    transform = well_transform(config)
    if recipe.augmentation is not None:
        *moves, scale = transform.transforms
        transform = v2.Compose([*moves, recipe.augmentation(config), scale])
    with patch.dict(LOSSES, iou_focal=iou_focal):
        run = unsaved_run(recipe.model, config, recipe.loss, **recipe.options)
        if start is not None:
            run.model.load_state_dict(start.state_dict())
        if recipe.frozen:
            for part in (run.model.stem, run.model.stem_shortcut, run.model.down):
                part.requires_grad_(False)
        sections = SectionDataset(wells, recipe.height, transform, moving=True, seed=seed)
        loader = SectionLoader(sections, config.batch_size, shuffle=True, seed=seed)
        if recipe.warm_up:
            run.config = replace(config, learning_rate=config.learning_rate / 10)
            list(train(run, loader, 1))
            run.config, epochs = config, epochs - 1
        return last_or_average(run, loader, epochs * recipe.longer, recipe.averaged)


def as_many_rows(wells: Wells, like: list[int], seed: int) -> Wells:
    """Simulated wells of 1,440 rows, about as many rows in all as these wells have; not those of before."""
    rows = sum(len(thickness) for thickness, _ in wells.values())
    return simulate_wells(max(1, round(rows / 1440)), like, seed=1000 + seed)


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
