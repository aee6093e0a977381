"""The baseline of notebook 04 from the command line: in one process, or in several that torchrun starts.

On two GPUs: `torchrun --standalone --nproc_per_node 2 experiments/train.py`; without GPUs the same command
trains in two processes of the CPU. Each batch is shared out among the processes, so the loss curve is that of
one (for networks with batch normalisation on GPUs only, see `helpers.training.fit`).

A run that was killed goes on with `--resume FOLDER`, a finished one gets more epochs with `--epochs` as well.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist
from common import EPOCHS, run_from_command_line

from helpers.checkpoint import load_model
from helpers.config import Config
from helpers.data import find_data
from helpers.dataset import data_preparation_pipeline
from helpers.devices import best_device, join_processes, process_count, process_rank
from helpers.losses import LOSSES
from helpers.metrics import summarise
from helpers.models import ARCHITECTURES, JUNIOR_ARCHITECTURES
from helpers.runs import Run, resume_run, start_run
from helpers.training import evaluate, fit

DEFAULTS = {"epochs": EPOCHS, "patience": None, "seed": Config().seed, "model": "unet", "loss": "bce"}


def main() -> None:
    arguments = read_arguments()
    join_processes()
    if arguments.resume:
        run = resume_run(arguments.resume)
        epochs, config = epochs_to_add(run, arguments), run.config
    else:
        given = {name: getattr(arguments, name) for name in DEFAULTS}
        chosen = DEFAULTS | {name: value for name, value in given.items() if value is not None}
        config = Config(seed=chosen["seed"], patience=chosen["patience"], runs_dir=arguments.runs)
        epochs = chosen["epochs"]
    with first_goes_ahead():  # it makes the simulated wells and data/interim
        source = find_data()
        data = data_preparation_pipeline(source.folder, config)
    if not arguments.resume:
        run = start_run(chosen["model"], config, chosen["loss"])
    history = fit(run, data.train, data.val, epochs)
    if process_rank() == 0:
        print(history.round(4).to_string())
        print(f"Data: {source.description}")
        for name, path in (("lowest validation loss", run.best_path), ("last epoch", run.last_path)):
            model, config = load_model(path, best_device())
            _, counts = evaluate(model, data.val, run.loss_fn, config.threshold)
            print(f"{name}, validation wells: {summarise(counts)}")  # test wells: see final_test.py
        print(f"Saved in {run.folder}")
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def first_goes_ahead() -> Iterator[None]:
    """The first process of each machine goes through the block, then the others, which find what it made."""
    follows = process_count() > 1 and int(os.environ["LOCAL_RANK"]) > 0
    if follows:
        dist.barrier()
    yield
    if process_count() > 1 and not follows:
        dist.barrier()


def read_arguments() -> argparse.Namespace:
    """Read the command line. What is not given is None: a resumed run has its own."""

    def positive(text: str) -> int:
        if int(text) < 1:
            raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
        return int(text)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=positive, help=f"to train, or to add (default {DEFAULTS['epochs']})")
    parser.add_argument("--patience", type=positive, help="stop after so many epochs without a lower loss")
    parser.add_argument("--seed", type=int, help=f"(default {DEFAULTS['seed']})")
    parser.add_argument(
        "--model", choices=[*ARCHITECTURES, *JUNIOR_ARCHITECTURES], help=f"(default {DEFAULTS['model']})"
    )
    parser.add_argument("--loss", choices=LOSSES, help=f"(default {DEFAULTS['loss']})")
    parser.add_argument("--runs", type=Path, default=Config().runs_dir, help="folder of all runs")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with this run, of the same data")
    return parser.parse_args()


def epochs_to_add(run: Run, arguments: argparse.Namespace) -> int | None:
    """What `fit` is to do with a resumed run: None finishes the call that was interrupted.

    Raises
    ------
    ValueError : an argument contradicts the run.
    """
    its_own = {
        "patience": run.config.patience,
        "seed": run.config.seed,
        "model": run.model_name,
        "loss": run.loss_name,
    }
    if run.unfinished:
        its_own["epochs"] = run.last_epoch + 1 - run.first_epoch
    for name, value in its_own.items():
        given = getattr(arguments, name)
        if given not in (None, value):
            raise ValueError(
                f"--{name} {given} contradicts {run.folder}, which was begun with {value}. "
                f"Leave --{name} out to go on with the run, or leave --resume out to begin another."
            )
    return None if run.unfinished else arguments.epochs


if __name__ == "__main__":
    run_from_command_line(main)
