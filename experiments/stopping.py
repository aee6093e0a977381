"""How long to train, in which steps, and which epoch's model to go on with? Notebook 04, section 6.

Each fold of wells is left out in turn. Of the other wells about a fifth, whole wells, validates; the U-Net is
trained on the rest with each number of epochs, batch size and learning rate. Four rules choose a model, all
without a look at the wells left out, which then judge it: the lowest validation loss (R3.9), the best
validation Dice, the last epoch, and the mean of the weights of the last quarter of the epochs.
"""

from dataclasses import replace

import numpy as np
from common import Results, hold_out, judged, load_folds, parse_arguments, run_from_command_line
from torch.optim.swa_utils import AveragedModel

from experiments.folds import STUDY_CONFIG, Fold, training_loader
from helpers.data import DataSource
from helpers.data.dataset import SegmentationDataset, make_loader
from helpers.data.transforms import normalize
from helpers.metrics import summarise
from helpers.training import evaluate, train
from helpers.training.runs import unsaved_run

# epochs, batch size, learning rate: how long, at the config's settings; then other settings
BUDGETS = [(epochs, 8, 2e-3) for epochs in (5, 10, 20)]
BUDGETS += [(10, 8, 1e-3), (10, 16, 3e-3), (10, 16, 1e-3)]


def main() -> None:
    arguments = parse_arguments(__doc__, epochs=False)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    names = ("fold", "epochs", "batch_size", "learning_rate")
    keys = [dict(zip(names, (fold.number, *budget), strict=True)) for fold in folds for budget in BUDGETS]
    for key in results.missing(keys):
        results.add_all([key | row for row in compare_rules(key, folds[key["fold"]], source)])


def compare_rules(key: dict, fold: Fold, source: DataSource) -> list[dict[str, object]]:
    """Train once, and return a row for each rule: the epoch it chose, and what the wells left out say."""
    settings = {name: key[name] for name in ("batch_size", "learning_rate")}
    config = replace(STUDY_CONFIG, seed=fold.number, **settings)
    y, images = fold.cleaned(config)
    validates = hold_out(y, "wells", fold.number)
    val_loader = make_loader(SegmentationDataset.from_frames(y[validates], images, normalize(config)), 64)
    run = unsaved_run("unet", config, dropout=config.dropout)
    average = AveragedModel(run.model)
    scores, losses, dices = [], [], []
    for row in train(run, training_loader(y[~validates], images, config), key["epochs"]):
        loss, counts = evaluate(run.model, val_loader, run.loss_fn, config.threshold)
        losses.append(loss)
        dices.append(summarise(counts)["dice"])
        scores.append(judged(run.model, source, fold))
        if row["epoch"] > key["epochs"] - max(1, key["epochs"] // 4):
            average.update_parameters(run.model)
    chosen = {
        "lowest validation loss": int(np.argmin(losses)),
        "best validation Dice": int(np.argmax(dices)),
        "last epoch": key["epochs"] - 1,
    }
    rows = [{"rule": rule, "epoch": place + 1} | scores[place] for rule, place in chosen.items()]
    return [*rows, {"rule": "mean of the last quarter", "epoch": ""} | judged(average, source, fold)]


if __name__ == "__main__":
    run_from_command_line(main)
