"""Train a network on simulated wells only, to ship with the project. Notebook 07.

Wells' recipes are drawn from ranges of the nine training wells; no pixel and no label of a real well is used.
Then three copies go on, each with other wells that go beyond these ranges by `HELPFUL`, and the mean of all
weights is kept, scored on training and validation wells. How the shipped ones began: data/weights/README.md.
"""

import argparse
from collections.abc import Collection
from pathlib import Path

import torch
from common import at_least, load_with_truth, run_from_command_line
from torch import nn
from whole_wells import by_grooves, plainly

from experiments.draws import leave_out
from helpers.config import Config
from helpers.data import find_data
from helpers.files import check_output
from helpers.models import mean_of_weights
from helpers.training import train
from helpers.training.checkpoint import load_model, write_weights
from helpers.training.runs import Run, describe, unsaved_run
from helpers.whole_wells.prediction import WEIGHTS
from helpers.whole_wells.sections import HEIGHT, SectionDataset, section_loader, well_transform
from helpers.whole_wells.simulation import simulate_wells

COPIES, MORE_WELLS, MORE_EPOCHS = 3, 40, 3  # that go beyond
HELPFUL = ("gaps", "stretched")  # of `simulation.BEYOND`, see data/weights/README.md


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=at_least(1), default=100, help="of 1,440 rows (default 100)")
    parser.add_argument("--epochs", type=at_least(1), default=6, help="(default 6)")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of wells and training (default 0)")
    parser.add_argument("--start", type=Path, help="go on from these weights, not from random ones")
    parser.add_argument("--score", action="store_true", help="only score the weights that are there")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help=f"(default {WEIGHTS.name} in data/)")
    arguments = parser.parse_args()
    if not arguments.score:
        check_output(arguments.output)
        start = load_model(arguments.start)[0] if arguments.start else None
        start = start or pretrain(arguments.wells, arguments.epochs, arguments.seed).model
        *others, run = [go_on(start, arguments.seed + copy, HELPFUL) for copy in range(COPIES)]
        run.model = mean_of_weights(start, *(other.model for other in others), run.model)
        write_weights(arguments.output, describe(run))
    (model, config), source = load_model(arguments.output), find_data()
    data = load_with_truth(source)
    of = f"wells, {source.name}, {'clean truth' if source.simulated else source.labels}"
    for part, wells in {"Training": config.train_wells, "Validation": config.val_wells}.items():
        draw = leave_out(0, wells, *data)
        print(f"{part} {of}: {by_grooves(draw, model)}; by pixels {plainly(draw, model)}")


def pretrain(
    count: int, epochs: int, seed: int, beyond: Collection[str] = (), start: nn.Module | None = None
) -> Run:
    """Train on so many simulated wells, from random weights or these; `beyond` : see `simulate_wells`."""
    torch.set_num_threads(1)
    config = Config(seed=seed, batch_size=32, precision="bfloat16")
    wells = simulate_wells(count, config.train_wells, seed, beyond=beyond)
    sections = SectionDataset(wells, HEIGHT, well_transform(), moving=True, config=config)
    run = unsaved_run("well_resunet", config, norm="group")
    if start is not None:
        run.model.load_state_dict(start.state_dict())
    for row in train(run, section_loader(sections, config.batch_size, shuffle=True), epochs):
        print({name: round(value, 4) for name, value in row.items()}, flush=True)
    return run


def go_on(start: nn.Module, seed: int, beyond: Collection[str]) -> Run:
    """Train these weights on other wells, which have more than their recipes."""
    return pretrain(MORE_WELLS, MORE_EPOCHS, 1000 + seed, beyond, start)


if __name__ == "__main__":
    run_from_command_line(main)
