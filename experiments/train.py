"""The baseline of notebook 04 from the command line: in one process, or in several that torchrun starts.

On two GPUs: `torchrun --standalone --nproc_per_node 2 experiments/train.py`; without GPUs the same command
trains in two processes of the CPU. Each process takes its share of the patches, in batches that together have
the config's size, and DistributedDataParallel averages their gradients; the first one validates and writes.
The loss curve is not that of one process, since patches meet in other batches.

A run that was killed goes on with `--resume FOLDER`, a finished one gets more epochs with `--epochs` as well.
"""

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist
from common import EPOCHS, at_least, run_from_command_line
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from helpers.config import Config
from helpers.data import find_data
from helpers.data.dataset import data_preparation_pipeline
from helpers.data.transforms import augment_transform
from helpers.data.wells import parse_name
from helpers.losses import LOSSES
from helpers.metrics import summarise
from helpers.models import ARCHITECTURES, JUNIOR_ARCHITECTURES
from helpers.training import evaluate, fit, train
from helpers.training.checkpoint import load_model, plain_config
from helpers.training.runs import Run, best_device, resume_run, start_run, unsaved_run

RANK, PROCESSES = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def main() -> None:
    arguments = read_arguments()
    given = {name: getattr(arguments, name) for name in plain_config(Config())}
    settings = {name: value for name, value in given.items() if value is not None}
    if PROCESSES > 1:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    if arguments.resume:
        run = resume_run(arguments.resume)
        check_against(run, arguments, settings)
        epochs = None if run.unfinished else arguments.epochs
    else:
        start = start_run if RANK == 0 else unsaved_run
        config = Config(runs_dir=arguments.runs, **settings)
        run = start(arguments.model or "unet", config, arguments.loss or "bce")
        epochs = arguments.epochs or EPOCHS
    for turn in range(PROCESSES):  # one after the other: the first makes the simulated wells and data/interim
        if turn == RANK:
            source = find_data()
            transform = augment_transform() if arguments.augment else None
            datasets, loaders = data_preparation_pipeline(source.folder, run.config, transform)
        if PROCESSES > 1:
            dist.barrier()
    if PROCESSES == 1:
        fit(run, loaders["train"], loaders["val"], epochs)
    else:
        fit_in_processes(run, datasets["train"], loaders["val"], epochs)
    if RANK == 0:
        report(run, loaders["val"], source.description)


def fit_in_processes(run: Run, dataset: Dataset, val_loader: DataLoader, epochs: int | None) -> None:
    """`fit` in the first process, `train` beside it in the others."""
    epochs = epochs or run.last_epoch - len(run.history)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(run.model) if run.device.type == "cuda" else run.model
    # Some networks have weights without a gradient; buffers are not sent, since the first validates alone
    run.model = DistributedDataParallel(model, find_unused_parameters=True, broadcast_buffers=False)
    torch.manual_seed(run.config.seed + RANK + PROCESSES * len(run.history))  # each its own dropout
    run.keep_random_state()
    batch_size = max(1, run.config.batch_size // PROCESSES)
    loader = DataLoader(dataset, batch_size, sampler=OwnShare(dataset, len(run.history), run.config.seed))
    if RANK == 0:
        fit(run, loader, val_loader, epochs)
    else:
        for _ in train(run, loader, epochs):
            pass
    dist.destroy_process_group()


class OwnShare(DistributedSampler):
    """This process's share of the patches, shuffled anew each time that it is asked."""

    def __init__(self, dataset: Dataset, epoch: int, seed: int):
        super().__init__(dataset, seed=seed)
        self.epoch = epoch

    def __iter__(self):
        self.set_epoch(self.epoch + 1)
        return super().__iter__()


def report(run: Run, val_loader: DataLoader, data: str) -> None:
    print(run.history_frame().round(4).to_string())
    print(f"Data: {data}")
    wells = sorted({parse_name(name)[0] for name in val_loader.dataset.names})
    for name, path in (("lowest validation loss", run.best_path), ("last epoch", run.last_path)):
        model, config = load_model(path, best_device())
        _, counts = evaluate(model, val_loader, run.loss_fn, config.threshold)
        print(f"{name}, validation wells {wells}: {summarise(counts)}")
    print(f"Saved in {run.folder}")


def read_arguments() -> argparse.Namespace:
    """Read the command line. What is not given is None: a resumed run has its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=at_least(1), help=f"to train, or to add (default {EPOCHS})")
    parser.add_argument("--model", choices=[*ARCHITECTURES, *JUNIOR_ARCHITECTURES], help="(default unet)")
    parser.add_argument("--loss", choices=LOSSES, help="(default bce)")
    parser.add_argument("--augment", action="store_true", help="all of R2.5, not only flips")
    parser.add_argument("--runs", type=Path, default=Config().runs_dir, help="folder of all runs")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with this run, of the same data")
    of_config = parser.add_argument_group("settings, see helpers/config.py")
    for name, default in plain_config(Config()).items():
        one = default[0] if isinstance(default, tuple) else default
        kind = at_least(0) if isinstance(one, int | None) else type(one)
        many = {"nargs": "+"} if isinstance(default, tuple) else {}
        of_config.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"(default {default})", **many)
    return parser.parse_args()


def check_against(run: Run, arguments: argparse.Namespace, settings: dict[str, object]) -> None:
    """Raise ValueError if an argument contradicts the run that is resumed."""
    its_own = {"model": run.model_name, "loss": run.loss_name}
    if run.unfinished:
        its_own["epochs"] = run.last_epoch + 1 - run.first_epoch
    pairs = [(name, getattr(arguments, name), value) for name, value in its_own.items()]
    pairs += [(name, given, getattr(run.config, name)) for name, given in settings.items()]
    for name, given, value in pairs:
        given = tuple(given) if isinstance(given, list) else given
        if given not in (None, value):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{option} {given} contradicts {run.folder}, which was begun with {value}. "
                f"Leave {option} out to go on with the run, or leave --resume out to begin another."
            )


if __name__ == "__main__":
    run_from_command_line(main)
