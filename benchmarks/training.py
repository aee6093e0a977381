"""Is the loader, or what `fit` does besides, ever the bottleneck? All against the U-Net's training steps.

In each of five rounds, in turn and in one process, on the training wells: training on ready batches; the
loader alone with flips, and with all of R2.5; and `fit`, with validation, TensorBoard and saving. Printed are
patches a second, the median of the rounds, and their ratio to the training on ready batches, with its range.
"""

import sys
import tempfile
from collections import deque
from pathlib import Path
from timeit import timeit

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nothing is installed but the requirements

from helpers.config import Config
from helpers.data import find_data
from helpers.data.dataset import data_preparation_pipeline
from helpers.data.transforms import augment_transform
from helpers.training import fit, train_one_epoch
from helpers.training.runs import start_run

ROUNDS = 5


def main() -> None:
    source = find_data()
    with tempfile.TemporaryDirectory() as scratch:
        run = start_run("unet", config := Config(interim_dir=scratch, runs_dir=scratch))
        datasets, loaders = data_preparation_pipeline(source.folder, config)
        _, augmented = data_preparation_pipeline(source.folder, config, augment_transform())
        ready = [(images.to(run.device), masks.to(run.device)) for images, masks in loaders["train"]]
        recipe = run.model, ready, run.loss_fn, run.optimizer
        ways = {
            "training steps": lambda: train_one_epoch(*recipe, precision=run.precision),
            "loader, flips": lambda: deque(loaders["train"], maxlen=0),  # through all batches
            "loader, all of R2.5": lambda: deque(augmented["train"], maxlen=0),
            "fit": lambda: fit(run, loaders["train"], loaders["val"], epochs=1),
        }
        ways["training steps"]()  # what is slow but once
        rounds = [{name: timeit(way, number=1) for name, way in ways.items()} for _ in range(ROUNDS)]
    rates = len(datasets["train"]) / pd.DataFrame(rounds)
    ratios = rates.div(rates["training steps"], axis=0)
    machine = f"{torch.get_num_threads()} threads, {run.device}, torch {torch.__version__}"
    print(f"{source.description}; {machine}, batches of {config.batch_size}")
    ratios = ratios.agg(["median", "min", "max"]).T.round(2).add_prefix("ratio to the steps, ")
    print(ratios.assign(**{"patches a second": rates.median().round()}).to_string())


if __name__ == "__main__":
    main()
