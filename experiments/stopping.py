"""How long to train, in which steps, and which epoch's model to go on with? Notebook 04, section 6.

Each fold of wells is left out in turn. Of the other wells about a fifth, whole wells, validates; the U-Net is
trained on the rest with each number of epochs, batch size and learning rate. Four rules choose a model, all
without a look at the wells left out, which then judge it: the lowest validation loss (R3.9), the best
validation Dice, the last epoch, and the mean of the weights of the last quarter of the epochs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import Results, hold_out, judge_of, load_folds, run_from_command_line
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from helpers.config import Config
from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.metrics import count_pixels, summarise
from helpers.runs import unsaved_run
from helpers.studies.folds import STUDY_CONFIG, Fold, predict_masks, training_loader
from helpers.training import evaluate, train
from helpers.transforms import eval_transform

# epochs, batch size, learning rate: how long, at the config's settings; then other settings
BUDGETS = [(epochs, 8, 2e-3) for epochs in (5, 10, 20)]
BUDGETS += [(10, 8, 1e-3), (10, 16, 3e-3), (10, 16, 1e-3)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="CSV to add to (default: beside this script)")
    arguments = parser.parse_args()
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    runs = [(fold, *budget) for fold in folds for budget in BUDGETS]
    for fold, epochs, size, rate in tqdm(runs, unit="run"):
        key = {"fold": fold.number, "epochs": epochs, "batch_size": size, "learning_rate": rate}
        if not results.has(**key):
            config = replace(STUDY_CONFIG, seed=fold.number, batch_size=size, learning_rate=rate)
            rows = compare_rules(fold, judge_of(source, fold.unseen), epochs, config)
            results.add_all([key | row for row in rows])


def compare_rules(fold: Fold, truth: Tensor, epochs: int, config: Config) -> list[dict[str, object]]:
    """Train once, and return a row for each rule: the epoch it chose, and what the wells left out say."""
    y, images = fold.cleaned(config)
    validates = hold_out(y, "wells", fold.number)
    validation = SegmentationDataset.from_frames(y[validates], images, eval_transform(config))
    val_loader = BatchLoader(validation, size=64, shuffle=False)
    run = unsaved_run("unet", config, dropout=config.dropout)
    average = AveragedModel(run.model)
    scores, losses, dices = [], [], []
    for row in train(run, training_loader(y[~validates], images, config), epochs):
        loss, counts = evaluate(run.model, val_loader, run.loss_fn, config.threshold)
        losses.append(loss)
        dices.append(summarise(counts)["dice"])
        scores.append(unseen_scores(run.model, fold, truth, config))
        if row["epoch"] > epochs - max(1, epochs // 4):
            average.update_parameters(run.model)
    chosen = {
        "lowest validation loss": int(np.argmin(losses)),
        "best validation Dice": int(np.argmax(dices)),
        "last epoch": epochs - 1,
    }
    rows = [{"rule": rule, "epoch": place + 1} | scores[place] for rule, place in chosen.items()]
    return [
        *rows,
        {"rule": "mean of the last quarter", "epoch": ""} | unseen_scores(average, fold, truth, config),
    ]


def unseen_scores(model: nn.Module, fold: Fold, truth: Tensor, config: Config) -> dict[str, float]:
    scores = summarise(count_pixels(predict_masks(model, fold.unseen, config), truth))
    return {name: round(value, 4) for name, value in scores.items()}


if __name__ == "__main__":
    run_from_command_line(main)
