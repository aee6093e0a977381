"""How fast is an epoch? `fit` against the bare steps, and the bare step against its own variants.

    python benchmarks/training.py [--rounds 3] [--epochs 8]

1. `fit`, with all that it does for its user (loader and flips, counts, TensorBoard, pictures, checkpoints,
   validation), against the bare forward, backward and step on ready tensors and the bare validation, in one
   process, in turn, on the simulated wells.
2. The bare training step in patches a second, each variant in turn against the plain baseline: batch 16,
   all else by default. Environment variables are read at start, so each set has a process of its own.
3. Inference likewise.

Each figure is the median of the rounds, with the range of the ratios. Run it alone: a busy machine slows one
side more than the other.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.config import Config
from helpers.data import find_data
from helpers.dataset import data_preparation_pipeline
from helpers.devices import best_device, precision_on
from helpers.losses import bce
from helpers.models import build_model
from helpers.runs import start_run
from helpers.training import fit

KEEP = {"MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
SPIN = {"OMP_WAIT_POLICY": "ACTIVE"}
ENVIRONMENTS = {
    "defaults": {},
    "keep": KEEP,  # glibc's malloc gives no memory back
    "spin": SPIN,  # OpenMP's threads wait for work without sleeping
    "keep and spin": KEEP | SPIN,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8, help="of each round of fit")
    parser.add_argument(
        "--rates", action="store_true", help="print the rates of this process as JSON and end"
    )
    arguments = parser.parse_args()
    if arguments.rates:
        print(json.dumps(step_rates() | inference_rates()))
        return
    device, threads = best_device(), torch.get_num_threads()
    print(
        f"torch {torch.__version__}, python {platform.python_version()}, {threads} threads, {device}, "
        f"fit in {precision_on(device)}, the bare loop in {torch.float32}\n"
    )
    show_overhead(arguments.rounds, arguments.epochs)
    show_rates(arguments.rounds)


def show_overhead(rounds: int, epochs: int) -> None:
    data = data_preparation_pipeline(find_data(Config()).folder)
    device = best_device()
    ready = {
        part: [(images.to(device), masks.to(device)) for images, masks in getattr(data, part)]
        for part in ("train", "val")
    }
    seconds = {"bare": [], "fit": [], "train_one_epoch within fit": []}
    with tempfile.TemporaryDirectory() as folder:
        config = replace(Config(), runs_dir=Path(folder))
        for _ in range(rounds):
            run = start_run("unet", config)
            start = time.perf_counter()
            for _ in range(epochs):
                bare_epoch(run.model, run.optimizer, ready["train"])
                bare_validation(run.model, ready["val"])
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds["bare"].append(time.perf_counter() - start)
            run = start_run("unet", config)
            start = time.perf_counter()
            history = fit(run, data.train, data.val, epochs)
            seconds["fit"].append(time.perf_counter() - start)
            seconds["train_one_epoch within fit"].append(history["seconds"].sum())
    median = {name: statistics.median(values) for name, values in seconds.items()}
    patches = len(data.train.dataset), len(data.val.dataset)
    print(f"{epochs} epochs on {patches[0]} patches, validated on {patches[1]}, seconds (median of {rounds})")
    for name, value in median.items():
        ratios = [one / bare for one, bare in zip(seconds[name], seconds["bare"], strict=True)]
        middle = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {name:28s} {value:7.2f}   {middle} of bare")


def bare_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[tuple[Tensor, Tensor]]
) -> None:
    model.train()
    for images, masks in batches:
        optimizer.zero_grad()
        bce(model(images), masks).backward()
        optimizer.step()


@torch.inference_mode()
def bare_validation(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> None:
    model.eval()
    for images, masks in batches:
        bce(model(images), masks)


def show_rates(rounds: int) -> None:
    rates = {name: [] for name in ENVIRONMENTS}
    for _ in range(rounds):
        for name, variables in ENVIRONMENTS.items():
            command = [sys.executable, __file__, "--rates"]
            answer = subprocess.run(
                command, env=os.environ | variables, check=True, capture_output=True, text=True
            )
            rates[name].append(json.loads(answer.stdout.splitlines()[-1]))
    for kind in ("training", "inference"):
        of_round = [
            pd.DataFrame({name: rows[number] for name, rows in rates.items()}).filter(
                like=f"{kind}, ", axis=0
            )
            for number in range(rounds)
        ]
        table = pd.concat(of_round).groupby(level=0, sort=False).median().round(0)
        multiples = pd.concat([one / one.iloc[0, 0] for one in of_round]).groupby(level=0, sort=False)
        parts = multiples.median(), multiples.min(), multiples.max()
        middle, low, high = (part.map("{:.2f}".format) for part in parts)
        print(f"\n{kind}, patches a second (median of {rounds}); then multiples of the first figure (range)")
        print(pd.concat([table, middle + " (" + low + " to " + high + ")"], axis=1).to_string())
    print(f"\nkeep: {KEEP}\nspin: {SPIN}")


def step_rates(patches: int = 384) -> dict[str, float]:
    """Patches a second of bare training steps."""
    rates = {}
    for size in (16, 32, 64):
        for memory_format in (torch.contiguous_format, torch.channels_last):
            torch.manual_seed(0)
            model = build_model("unet").to(memory_format=memory_format)
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
            images, masks = torch.randn(size, 1, 36, 36), torch.zeros(size, 1, 36, 36)
            bare_epoch(model, optimizer, [(images, masks)] * 3)
            start = time.perf_counter()
            bare_epoch(model, optimizer, [(images, masks)] * (patches // size))
            name = str(memory_format).removeprefix("torch.").removesuffix("_format")
            rates[f"training, batch {size}, {name}"] = patches / (time.perf_counter() - start)
    return rates


def inference_rates(patches: int = 640) -> dict[str, float]:
    """Patches a second of forward passes."""
    rates = {}
    model = build_model("unet").eval()
    for memory_format, mode, size in (
        (torch.contiguous_format, torch.enable_grad, 16),
        (torch.contiguous_format, torch.no_grad, 16),
        (torch.contiguous_format, torch.inference_mode, 16),
        (torch.channels_last, torch.inference_mode, 16),
        (torch.channels_last, torch.inference_mode, 64),
    ):
        model = model.to(memory_format=memory_format)
        images = torch.randn(size, 1, 36, 36)
        with mode():
            for _ in range(3):
                model(images)
            start = time.perf_counter()
            for _ in range(patches // size):
                model(images)
        name = str(memory_format).removeprefix("torch.").removesuffix("_format")
        rate = patches / (time.perf_counter() - start)
        rates[f"inference, batch {size}, {name}, {mode.__name__}"] = rate
    return rates


if __name__ == "__main__":
    main()
