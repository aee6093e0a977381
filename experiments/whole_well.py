"""Does it help to see more of the pipe? Notebook 07, section 3.

Each fold of wells is left out in turn. Each network trains on the other wells for about the same seconds of
processor time: one epoch is timed first, then a new network gets as many as the budget holds. All are judged
on the same patches of the wells left out.

patches : the baseline U-Net of notebook 04 on patches of 36 x 36.
36 rows ... 360 rows : the whole-well network on sections of so many rows, 36 or 72 columns as the well has.
72 rows, 36 columns : 72-column wells taken apart into two of 36, as in the challenge's patches.
72 rows, filled : unusable pixels repaired as in cleaning, instead of masked.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from torch import Tensor, nn
from tqdm import tqdm

from helpers.config import Config
from helpers.data import load_data
from helpers.metrics import count_pixels, scores_per_well, summarise
from helpers.preprocess import repair_pixels
from helpers.runs import Run, unsaved_run
from helpers.studies.folds import STUDY_CONFIG, Fold, training_loader
from helpers.training import train
from helpers.transforms import well_transform
from helpers.wells import well_from_frame, wells_of
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import predict_well, predict_well_by_patches
from helpers.whole_wells.sections import SectionDataset, SectionLoader, Wells, assemble_wells

VARIANTS = ["patches", "36 rows", "72 rows", "144 rows", "360 rows", "72 rows, 36 columns", "72 rows, filled"]

WELLS = sorted(Config().train_wells + Config().val_wells)


def main() -> None:
    arguments = parse_arguments(__doc__, {"variants": VARIANTS}, seconds=150)
    source, folds = load_folds()
    _, images = load_data(source.folder, Config().unpacked_dir)
    results = Results(arguments.output, __file__, source)
    runs = [(fold, variant) for fold in folds for variant in arguments.variants]
    for fold, variant in tqdm(runs, unit="run"):
        key = {"fold": fold.number, "variant": variant, "seconds": arguments.seconds}
        if results.has(**key):
            continue
        run, seconds = train_for(partial(begin, variant, fold), arguments.seconds)
        parameters = sum(p.numel() for p in run.model.parameters())
        row = key | {"parameters": parameters, "epochs": len(run.history), "cpu_seconds": seconds}
        views = (1,) if variant == "patches" else (1, 8)
        truth = judge_of(source, fold.unseen)
        results.add_all(
            [row | {"views": v} | score(variant, run.model, images, fold, truth, v) for v in views]
        )


def begin(variant: str, fold: Fold) -> tuple[Run, SectionLoader]:
    """A new network, and what it learns from."""
    config = replace(STUDY_CONFIG, seed=fold.number)
    if variant == "patches":
        return unsaved_run("unet", config), training_loader(*fold.cleaned(config), config)
    images = filled(fold.images) if "filled" in variant else fold.images
    wells = at_columns(variant, assemble_wells(fold.y, images, sorted(set(wells_of(fold.y).tolist()))))
    sections = SectionDataset(wells, int(variant.split()[0]), well_transform(config), True, config.seed)
    return unsaved_run("well_resunet", config), SectionLoader(
        sections, config.batch_size, shuffle=True, seed=config.seed
    )


def train_for(begin: Callable[[], tuple[Run, SectionLoader]], seconds: int) -> tuple[Run, float]:
    """Train a new network for as many epochs as so many seconds of processor time hold; return both."""

    def train_and_time(epochs: int) -> tuple[Run, float]:
        run, loader = begin()
        start = time.process_time()  # not the clock on the wall: other work must not count
        for _ in train(run, loader, epochs):
            pass
        return run, round(time.process_time() - start, 1)

    _, one_epoch = train_and_time(1)
    return train_and_time(max(1, round(seconds / one_epoch)))


def filled(images: pd.DataFrame) -> pd.DataFrame:
    repaired, _ = repair_pixels(images.to_numpy())
    return pd.DataFrame(repaired, images.index, images.columns)


def at_columns(variant: str, wells: Wells) -> Wells:
    """The wells at the columns that the variant's name asks for; keys of halves are (well, half)."""
    if "36 columns" not in variant:
        return wells
    result = {}
    for well, parts in wells.items():
        if parts[0].shape[1] == 36:
            result[well] = parts
        else:
            for half in (0, 1):
                result[well, half] = tuple(part[:, half::2].contiguous() for part in parts)
    return result


def probability_of(
    variant: str, model: nn.Module, thickness: np.ndarray, well: int, views: int
) -> np.ndarray:
    """Groove probability of a well, (H, W), by a model of this variant."""
    if variant == "patches":
        return predict_well_by_patches(model, thickness)
    if "36 columns" in variant and thickness.shape[1] == 72:
        halves = [predict_well(model, thickness[:, half::2], views=views) for half in (0, 1)]
        return np.stack(halves, axis=-1).reshape(thickness.shape)
    return predict_well(model, thickness, views=views)


def score(
    variant: str, model: nn.Module, images: pd.DataFrame, fold: Fold, truth: Tensor, views: int
) -> dict[str, float]:
    """Scores on the patches of the wells left out, and the Dice of each of these wells."""
    images = filled(images) if "filled" in variant else images
    found = {
        well: probability_of(variant, model, well_from_frame(images, well), well, views)
        for well in fold.wells
    }
    probability = patches_of_wells(found, fold.unseen.names)
    counts = count_pixels(torch.from_numpy(probability)[:, None] >= Config().threshold, truth)
    dices = scores_per_well(counts, fold.unseen.names)["dice"]
    scores = summarise(counts) | {f"well_{well}_dice": dices.get(well) for well in WELLS}
    return {name: None if value is None else round(value, 4) for name, value in scores.items()}


if __name__ == "__main__":
    run_from_command_line(main)
