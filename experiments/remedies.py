"""Two failures and their remedies: faint grooves that are missed, and grooves at the azimuth's wrap.

Notebook 09, section 8. Each fold of wells is left out in turn; the U-Net is trained on the others with each
remedy, and on the wells left out it is counted what became of each groove, see helpers/labels/errors.py.
"""

import pandas as pd
import torch
import torch.nn.functional as F
from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from torch import Tensor, nn
from torchvision.transforms import v2
from tqdm import tqdm

from helpers.data import COLUMNS, DataSource
from helpers.dataset import SegmentationDataset
from helpers.labels.errors import count_kinds, groove_cases
from helpers.labels.places import score_zones, zones_of_well
from helpers.metrics import count_pixels, summarise
from helpers.studies.folds import Fold, predict_masks, train_on
from helpers.transforms import BatchTransform, Brightness, flip_transform
from helpers.wells import well_from_frame


class FadeGrooves(BatchTransform):
    """Make the grooves of training images fainter: inside the mask, values move towards 0 by a random share.

    Thickness is the deviation from each row's mean, so sound wall is near 0 and a groove below it. The edge
    of the mask is softened by a pixel, or the network would learn the edge. Masks stay as they are.

    most : largest share of its depth that a groove loses. p : probability for each sample.
    """

    def __init__(self, most: float = 0.7, p: float = 0.5):
        super().__init__()
        self.most, self.p = most, p

    def draw(self, n, height, width):
        chosen, share = torch.rand(2, n)
        return {"share": self.most * share * (chosen < self.p)}

    def apply(self, image, mask, share):
        soft = F.avg_pool2d(F.pad(mask, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return image * (1 - share[:, None, None, None] * soft), mask


REMEDIES = {
    "flips (baseline)": (None, {}),
    "contrast x 0.3 to 1.7": (Brightness(0.7), {}),
    "grooves faded by up to 0.7": (FadeGrooves(0.7), {}),
    "circular azimuth": (None, {"azimuth": "circular"}),
}


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    runs = [(fold, remedy) for fold in folds for remedy in REMEDIES]
    for fold, remedy in tqdm(runs, unit="run"):
        key = {"fold": fold.number, "remedy": remedy, "epochs": arguments.epochs}
        if results.has(**key):
            continue
        change, options = REMEDIES[remedy]
        transform = v2.Compose([*([change] if change else []), flip_transform()])
        model = train_on(*fold.cleaned(), arguments.epochs, fold.number, transform=transform, **options)
        results.add(**key, **judge(model, source, fold))


def judge(model: nn.Module, source: DataSource, fold: Fold) -> dict[str, float]:
    """Scores of the wells left out, and what became of their grooves."""
    unseen = fold.unseen
    truth, seen = frame_of(judge_of(source, unseen), unseen), frame_of(unseen.images, unseen)
    masks = predict_masks(model, unseen)
    found = frame_of(masks.byte(), unseen)
    kinds = count_kinds(groove_cases(truth, found, seen).assign(all="all"), "all").loc["all"]
    wrap = {well: zones_of_well(well_from_frame(seen, well))["azimuth wrap"] for well in fold.wells}
    scores = summarise(count_pixels(masks, judge_of(source, unseen)))
    scores |= {kind: kinds[kind] for kind in ("grooves", "missed", "broken", "false per 100")}
    scores["dice at wrap"] = score_zones(truth, found, {"wrap": wrap}).loc["wrap", "dice inside"]
    return {name: round(float(value), 4) for name, value in scores.items()}


def frame_of(pixels: Tensor, dataset: SegmentationDataset) -> pd.DataFrame:
    return pd.DataFrame(pixels.flatten(1).numpy(), dataset.names, COLUMNS)


if __name__ == "__main__":
    run_from_command_line(main)
