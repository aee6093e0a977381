"""Which of the field's ideas for long, thin structures lets the shipped weights learn more? Notebook 07.

trained : on a draw's wells, from the shipped weights. shares of it : the mean of the weights before and
after, so much of it the latter. soup : the mean of three trainings (https://arxiv.org/abs/2203.05482).
skeleton recall : beside BCE, the share of the grooves' middle lines that is found
(https://arxiv.org/abs/2404.03010). teacher : the mean of weights draws masks of the wells that judge, where
it is sure, and as many steps of a training learn from them too. All are judged at one depth scale and a
threshold of 0.5; calls_per_groove : in so many pieces a true groove is found.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from common import Variant, run_from_command_line, run_study
from scipy.ndimage import binary_dilation
from skimage.morphology import skeletonize
from torch import Tensor, nn
from whole_wells import probabilities, train_on_wells

from experiments.draws import Draw
from helpers.data.wells import label_grooves
from helpers.losses import bce, split_known
from helpers.models import mean_of_weights
from helpers.training.checkpoint import load_model
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import WEIGHTS


def judge(draw: Draw, model: nn.Module) -> dict[str, float]:
    masks = {well: found >= 0.5 for well, found in probabilities(draw, model).items()}
    pieces, hit = 0, 0
    for well, truth in draw.wells_of(draw.judge).items():
        both = np.stack([label_grooves(truth == 1), label_grooves(masks[well])])
        both = np.unique(both[:, (both > 0).all(axis=0)], axis=1)  # pairs of a groove and a call in it
        pieces, hit = pieces + both.shape[1], hit + len(np.unique(both[0]))
    return draw.score_masks(masks) | {"calls_per_groove": round(pieces / hit, 3)}


def bce_and_skeleton_recall(logits: Tensor, masks: Tensor) -> Tensor:
    known, truth, _ = split_known(logits, masks)
    lines = [binary_dilation(skeletonize(mask[0].numpy() > 0)) for mask in truth]  # three pixels wide
    lines = torch.from_numpy(np.stack(lines))[:, None] * truth
    return bce(logits, masks) + 1 - (known.sigmoid() * lines).sum() / lines.sum().clamp(min=1)


def mixed(draw: Draw, epochs: int, seeds: int = 1, shipped: int = 0, trained: int = 1) -> nn.Module:
    """The mean of so many times the shipped weights, and so many times those of each training."""
    runs = [train_on_wells(draw, epochs, shipped=True, seed=seed) for seed in range(seeds)]
    return mean_of_weights(*[load_model(WEIGHTS)[0]] * shipped, *runs * trained)


def taught(draw: Draw, epochs: int) -> nn.Module:
    names, found = draw.judge.index, probabilities(draw, mixed(draw, epochs, shipped=1))
    found = patches_of_wells(found, names).reshape(len(names), -1)
    drawn = np.where((found < 0.1) | (found > 0.9), found > 0.5, np.nan)
    y = pd.concat([draw.y, pd.DataFrame(drawn, names, draw.y.columns)])
    more = replace(draw, y=y, images=pd.concat([draw.images, draw.judged_images]))
    return train_on_wells(more, max(1, round(epochs * len(draw.y) / len(y))), shipped=True)


def of(make=mixed, **options) -> Variant:
    return lambda draw, epochs: judge(draw, make(draw, epochs, **options))


VARIANTS: dict[str, Variant] = {
    "trained": of(),
    "a quarter of it": of(shipped=3),
    "half of it": of(shipped=1),
    "three quarters of it": of(shipped=1, trained=3),
    "soup": of(seeds=3),
    "soup with the shipped": of(seeds=3, shipped=1),
    "skeleton recall": of(train_on_wells, shipped=True, loss=bce_and_skeleton_recall),
    "teacher": of(taught),
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="trained"))
