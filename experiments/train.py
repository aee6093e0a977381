"""The baseline of notebook 04 from the command line: in one process, or in several that torchrun starts.

On two GPUs: `torchrun --standalone --nproc_per_node 2 experiments/train.py`; without GPUs the same command
trains in two processes of the CPU. Each process takes its share of the patches, in batches that together have
the config's size, and DistributedDataParallel averages their gradients; the first one validates and writes.

A run that was killed goes on with `--resume FOLDER`, a finished one gets more epochs with `--epochs` as well.
"""

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist
from common import EPOCHS, at_least, refuse, run_from_command_line
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from helpers.config import Config
from helpers.data import find_data
from helpers.data.dataset import data_preparation_pipeline
from helpers.data.transforms import augment_transform
from helpers.losses import LOSSES
from helpers.models import ARCHITECTURES, JUNIOR_ARCHITECTURES
from helpers.training import fit, train
from helpers.training.checkpoint import plain_config
from helpers.training.runs import Run, resume_run, start_run, unsaved_run

RANK, PROCESSES = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def main() -> None:
    given = read_arguments()
    settings = {name: value for name, value in given.items() if name in plain_config(Config())}
    if PROCESSES > 1:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    if "resume" in given:
        run = resume_run(given["resume"])
        own = [*settings, "model", "loss"] + ["epochs"] * run.unfinished
        refuse([name for name in own if name in given], run.folder)
        epochs = given.get("epochs")
    else:
        start = start_run if RANK == 0 else unsaved_run
        config = Config(runs_dir=given["runs"], **settings)
        run = start(given.get("model", "unet"), config, given.get("loss", "bce"))
        epochs = given.get("epochs", EPOCHS)
    for turn in range(PROCESSES):  # one after the other: the first makes the simulated wells and data/interim
        if turn == RANK:
            source = find_data()
            transform = augment_transform() if given["augment"] else None
            datasets, loaders = data_preparation_pipeline(source.folder, run.config, transform)
        if PROCESSES > 1:
            dist.barrier()
    if PROCESSES == 1:
        fit(run, loaders["train"], loaders["val"], epochs)
    else:
        fit_in_processes(run, datasets["train"], loaders["val"], epochs)
    if RANK == 0:
        print(run.history_frame().round(4).to_string())
        print(f"Data: {source.description}\nSaved in {run.folder}")


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


def read_arguments() -> dict[str, object]:
    """What the command line gives: a resumed run has its own of all else."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--epochs", type=at_least(1), help=f"to train, or to add (default {EPOCHS})")
    add("--model", choices=[*ARCHITECTURES, *JUNIOR_ARCHITECTURES], help="(default unet)")
    add("--loss", choices=LOSSES, help="(default bce)")
    add("--augment", action="store_true", default=False, help="all of R2.5, not only flips")
    add("--runs", type=Path, default=Config().runs_dir, help="folder of all runs")
    add("--resume", type=Path, metavar="FOLDER", help="go on with this run, of the same data")
    add = parser.add_argument_group("settings, see helpers/config.py").add_argument
    for name, default in plain_config(Config()).items():
        one = default[0] if isinstance(default, tuple) else default
        kind = at_least(0) if isinstance(one, int | None) else type(one)
        many = {"nargs": "+"} if isinstance(default, tuple) else {}
        add(f"--{name.replace('_', '-')}", type=kind, help=f"(default {default})", **many)
    return vars(parser.parse_args())


if __name__ == "__main__":
    run_from_command_line(main)
