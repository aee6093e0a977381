"""Which architecture, which loss? Learning curves of all, with the same budgets.

All nine architectures with BCE, the three of the review with every other loss, and the U-Net with the
paddings of a pipe. Each run trains on the training wells of the reviewer's split (with flips) for at least
the given epochs and the given seconds, and is scored after each epoch on the validation and test wells;
nothing is chosen by either, so both are unseen.

It uses one core, so that seconds mean the same on a machine of two cores and of twenty. Run it alone, though.
"""

import torch
from common import Results, judge_of, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.config import Config
from helpers.data import find_data
from helpers.dataset import data_preparation_pipeline
from helpers.losses import LOSSES
from helpers.models import ARCHITECTURES
from helpers.studies.learning_curves import learning_curve

REVIEWED = ("unet", "attention_unet", "resunet")
PADDINGS = {
    "zeros": {},
    "circular azimuth": {"azimuth": "circular"},
    "circular azimuth, reflected depth": {"azimuth": "circular", "depth": "reflect"},
}


def main() -> None:
    torch.set_num_threads(1)
    choices = {"models": list(ARCHITECTURES), "losses": list(LOSSES)}
    arguments = parse_arguments(__doc__, choices, seeds=3, epochs=6, seconds=40)
    config = Config()
    source = find_data()
    prepared = data_preparation_pipeline(source.folder, config)
    unseen = {"val": prepared.val.dataset, "test": prepared.test.dataset}
    for dataset in unseen.values():
        dataset.masks = judge_of(source, dataset)
    cases = [(model, "bce", "zeros") for model in ARCHITECTURES]
    cases += [(model, loss, "zeros") for model in REVIEWED for loss in LOSSES if loss != "bce"]
    cases += [("unet", "bce", padding) for padding in PADDINGS if padding != "zeros"]
    cases = [case for case in cases if case[0] in arguments.models and case[1] in arguments.losses]
    results = Results(arguments.output, __file__, source)
    budget = {"epochs": arguments.epochs, "seconds": arguments.seconds}
    runs = [(case, seed) for seed in range(arguments.seeds) for case in cases]
    for (model, loss, padding), seed in tqdm(runs, unit="run"):
        run = {"model": model, "loss": loss, "padding": padding, "seed": seed}
        if results.has(**run, **budget):
            continue
        curve = learning_curve(
            model, loss, prepared.train.dataset, unseen, **budget, seed=seed, **PADDINGS[padding]
        )
        results.add_all([run | budget | row for row in curve])


if __name__ == "__main__":
    run_from_command_line(main)
