"""Two failures and their remedies: faint grooves that are missed, and grooves at the azimuth's wrap.

Notebook 09, section 5. Each fold of wells is left out in turn; the U-Net is trained on the others with each
remedy, and on the wells left out it is counted what became of each groove, see helpers/labels/errors.py.
"""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from common import Results, every, judge_of, judged, load_folds, parse_arguments, run_from_command_line
from torch import Tensor, nn
from torchvision.transforms import v2

from experiments.folds import Fold, predict_masks, train_on
from helpers.data import COLUMNS, DataSource
from helpers.data.transforms import Brightness, flip_transform
from helpers.data.wells import well_from_frame
from helpers.labels.errors import count_kinds, groove_cases


class FadeGrooves(nn.Module):
    """Make the groove of every other training image fainter, by up to 0.7 of its depth.

    Thickness is the deviation from each row's mean, so sound wall is near 0 and a groove below it. The edge
    of the mask is softened by a pixel, or the network would learn the edge. Masks stay as they are.
    """

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        share = 0.7 * torch.rand(()) * (torch.rand(()) < 0.5)
        around = F.pad(mask.as_subclass(Tensor)[None], (1, 1, 1, 1), mode="replicate")
        return image * (1 - share * F.avg_pool2d(around, 3, stride=1)[0]), mask


REMEDIES = {
    "flips (baseline)": ([], {}),
    "contrast x 0.3 to 1.7": ([Brightness(0.7)], {}),
    "grooves faded by up to 0.7": ([FadeGrooves()], {}),
    "circular azimuth": ([], {"azimuth": "circular"}),
}


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    for key in results.missing(every(fold=range(3), remedy=REMEDIES, epochs=[arguments.epochs])):
        fold, (changes, options) = folds[key["fold"]], REMEDIES[key["remedy"]]
        transform = v2.Compose([*changes, flip_transform()])
        model = train_on(*fold.cleaned(), arguments.epochs, fold.number, transform=transform, **options)
        results.add(**key, **judged(model, source, fold), **grooves_of(model, source, fold))


def grooves_of(model: nn.Module, source: DataSource, fold: Fold) -> dict[str, float]:
    """What became of the grooves of the wells left out."""
    pixels = (judge_of(source, fold.unseen), predict_masks(model, fold.unseen).byte(), fold.unseen.images)
    truth, found, seen = (
        pd.DataFrame(tensor.flatten(1).numpy(), fold.unseen.names, COLUMNS) for tensor in pixels
    )
    kinds = count_kinds(groove_cases(truth, found, seen).assign(all="all"), "all").loc["all"]
    row = {kind: kinds[kind] for kind in ("grooves", "missed", "broken", "false per 100")}
    row["dice at wrap"] = dice_at_wrap(truth, found, fold.wells)
    return {name: round(float(value), 4) for name, value in row.items()}


def dice_at_wrap(truth: pd.DataFrame, found: pd.DataFrame, wells: tuple[int, ...]) -> float:
    """Dice of the outer two of each 36 columns, at both sides of the wrap: a mean over the wells that have
    grooves there and elsewhere, by their groove pixels there."""
    dices, weights = [], []
    for well in wells:
        true, called = (well_from_frame(frame, well) > 0 for frame in (truth, found))
        margin = true.shape[1] // 18
        at_wrap, calls = (np.hstack([mask[:, :margin], mask[:, -margin:]]) for mask in (true, called))
        if 0 < at_wrap.sum() < true.sum():
            dices.append(2 * (at_wrap & calls).sum() / (at_wrap.sum() + calls.sum()))
            weights.append(at_wrap.sum())
    return np.average(dices, weights=weights) if dices else np.nan


if __name__ == "__main__":
    run_from_command_line(main)
