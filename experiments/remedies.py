"""Two failures and their remedies: faint grooves that are missed, and grooves at the azimuth's wrap.

The reviewer's split. Each remedy is trained with the same budget, and its cases on the validation and test
wells are counted by what became of each groove, see helpers/labels/errors.py. Nothing is chosen by either
part.
"""

import numpy as np
import torch
import torch.nn.functional as F
from common import Results, load_repaired, parse_arguments, run_from_command_line
from torch import nn
from torchvision.transforms import v2
from tqdm import tqdm

from helpers.config import Config
from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.labels.errors import count_kinds, groove_cases
from helpers.labels.places import score_zones, zones_of_well
from helpers.losses import bce
from helpers.metrics import count_pixels, summarise
from helpers.models import build_model
from helpers.studies.held_out import probabilities_on
from helpers.training import train_one_epoch
from helpers.transforms import BatchTransform, Brightness, flip_transform
from helpers.wells import well_from_frame, wells_of


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


def train(y, images, remedy: str, budget: int, seed: int, config: Config) -> nn.Module:
    transform, options = REMEDIES[remedy]
    steps = [transform] if transform else []
    dataset = SegmentationDataset.from_frames(y, images, v2.Compose([*steps, flip_transform(config)]), seed)
    loader = BatchLoader(dataset, config.batch_size, shuffle=True, seed=seed)
    torch.manual_seed(seed)  # weights and dropout
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build_model("unet", dropout=config.dropout, **options)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    for _ in range(max(1, round(budget / len(y)))):
        train_one_epoch(model, loader, bce, optimizer)
    return model


def main() -> None:
    arguments = parse_arguments(__doc__, budget=6_000, seeds=3)
    config = Config()
    source, y, images, judge = load_repaired()
    results = Results(arguments.output, __file__, source)
    wells = wells_of(y)
    y_train = y[np.isin(wells, config.train_wells)]
    for seed, remedy in tqdm([(s, r) for s in range(arguments.seeds) for r in REMEDIES], unit="run"):
        if results.has(seed=seed, remedy=remedy, budget=arguments.budget):
            continue
        model = train(y_train, images, remedy, arguments.budget, seed, config)
        row = {"seed": seed, "remedy": remedy, "budget": arguments.budget}
        for part, part_wells in (("val", config.val_wells), ("test", config.test_wells)):
            truth = judge[np.isin(wells, part_wells)]
            seen = images.loc[truth.index]
            found = (probabilities_on(model, seen, config) >= config.threshold).astype(np.uint8)
            kinds = count_kinds(groove_cases(truth, found, seen).assign(part=part), "part").loc[part]
            wrap = {well: zones_of_well(well_from_frame(seen, well))["azimuth wrap"] for well in part_wells}
            counts = count_pixels(*(torch.from_numpy(frame.to_numpy(bool)) for frame in (found, truth)))
            scores = summarise(counts)
            scores |= {kind: kinds[kind] for kind in ("grooves", "missed", "broken", "false per 100")}
            scores["dice at wrap"] = score_zones(truth, found, {"wrap": wrap}).loc["wrap", "dice inside"]
            row |= {f"{part}_{name}": round(float(value), 4) for name, value in scores.items()}
        results.add(**row)


if __name__ == "__main__":
    run_from_command_line(main)
