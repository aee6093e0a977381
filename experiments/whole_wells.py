"""Does it help to see whole wells, how tall a section, and what do simulated wells gain? Notebook 07.

patches : the baseline U-Net. group norm, batch norm : the network for whole wells, on sections of 144 rows
once around the pipe, or shorter and taller ones; "own statistics" are each window's, not the running means.
shipped : the project's weights, which learned from other simulated wells and their truth; then trained on
these wells too; and the mean of the weights before and after (https://arxiv.org/abs/2109.01903). All are
judged at one depth scale and a threshold of 0.5; "by grooves" is what prediction does (deciding.py).
"""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
from common import Variant, run_from_command_line, run_study
from torch import nn

from experiments.draws import Draw, learns_with
from helpers.data.wells import wells_of
from helpers.losses import Loss
from helpers.models import mean_of_weights
from helpers.training import train
from helpers.training.checkpoint import load_model
from helpers.training.runs import unsaved_run
from helpers.whole_wells import sections
from helpers.whole_wells.geometry import HEIGHT
from helpers.whole_wells.prediction import SCALES, WEIGHTS, groove_mask, predict_well


def wells_to_learn_from(draw: Draw) -> sections.Wells:
    wells = {}
    for well in sorted(set(wells_of(draw.y).tolist())):
        wells |= sections.assemble_wells(draw.y, draw.images, [well], columns=draw.columns.get(well))
    return wells


@cache
def train_on_wells(
    draw: Draw, epochs: int, height: int = HEIGHT, norm: str = "group", shipped: bool = False, seed: int = 0,
    loss: str | Loss = "bce",
) -> nn.Module:  # fmt: skip
    """The network for whole wells, trained on a draw's; `shipped` : from the weights of the project."""
    config = replace(draw.config, seed=draw.number + 1000 * seed)
    run = unsaved_run("well_resunet", config, loss, norm=norm)
    if shipped:
        run.model.load_state_dict(load_model(WEIGHTS)[0].state_dict())
    wells, changes = wells_to_learn_from(draw), sections.well_transform()
    dataset = sections.SectionDataset(wells, height, changes, moving=True, config=config)
    for _ in train(run, sections.section_loader(dataset, config.batch_size, shuffle=True), epochs):
        pass
    return run.model


def with_own_statistics(model: nn.Module) -> nn.Module:
    """The same weights, normalised by the mean and spread of what the network is looking at."""
    model = deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = layer.running_var = None
    return model


def probabilities(draw: Draw, model: nn.Module, height: int = HEIGHT, scales=(1.0,)) -> dict[int, np.ndarray]:
    """Of the wells that judge."""
    wells = draw.wells_of(draw.judged_images)
    return {well: predict_well(model, image, height, scales) for well, image in wells.items()}


def plainly(draw: Draw, model: nn.Module, height: int = HEIGHT) -> dict[str, float]:
    """Scores at one depth scale and a threshold of 0.5."""
    return draw.score_masks({w: found >= 0.5 for w, found in probabilities(draw, model, height).items()})


def by_grooves(draw: Draw, model: nn.Module, height: int = HEIGHT) -> dict[str, float]:
    """Scores of what prediction does."""
    found = probabilities(draw, model, height, SCALES)
    return draw.score_masks({well: groove_mask(found) for well, found in found.items()})


def learns_wells(**options) -> Variant:
    return lambda draw, epochs: plainly(draw, train_on_wells(draw, epochs, **options))


@cache
def averaged(draw: Draw, epochs: int) -> nn.Module:
    return mean_of_weights(load_model(WEIGHTS)[0], train_on_wells(draw, epochs, shipped=True))


VARIANTS: dict[str, Variant] = {
    "patches": learns_with(),
    "patches, circular padding": learns_with(azimuth="circular"),
    "batch norm": learns_wells(norm="batch"),
    "batch norm, own statistics": lambda draw, epochs: plainly(
        draw, with_own_statistics(train_on_wells(draw, epochs, norm="batch"))
    ),
    "group norm": learns_wells(),
    **{f"group norm, {rows} rows": learns_wells(height=rows) for rows in (36, 360)},
    "shipped": lambda draw, epochs: plainly(draw, load_model(WEIGHTS)[0]),
    "shipped, then trained": learns_wells(shipped=True),
    "shipped, averaged": lambda draw, epochs: plainly(draw, averaged(draw, epochs)),
    "shipped, averaged, by grooves": lambda draw, epochs: by_grooves(draw, averaged(draw, epochs)),
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="patches"))
