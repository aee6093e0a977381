"""Draws of simulated wells: what studies compare variants on, and how differences between them are told.

A draw has wells of its own to learn from, with labels as hasty as an annotator's, other wells to be judged
by, whose truth is known, and a seed of its own for weights and batches. Variants of a draw share all of that,
so they are compared draw by draw. Wells are made like the training wells (`simulation.draw_recipe`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student
from torch import Tensor, nn

from experiments.folds import predict_masks
from helpers.config import Config
from helpers.data import COLUMNS, DataSource
from helpers.data.dataset import SegmentationDataset, as_images
from helpers.data.preprocess import PreprocessData
from helpers.data.synthetic import simulate
from helpers.data.transforms import normalize
from helpers.data.wells import cut_well, patch_name
from helpers.metrics import count_pixels, summarise
from helpers.whole_wells.simulation import draw_recipe

CONFIG = Config(precision="float32")  # on every device, so that rows do not depend on it
LEARN, JUDGED, ROWS = 24, 48, 720  # wells to learn from, wells to be judged by, rows of each
DRAWS = 12  # at most
SOURCE = DataSource(Path(__file__), simulated=True, labels="simulated labels")


@dataclass(frozen=True)
class Draw:
    """Labels and images to learn from, (n, 1296) each, not cleaned; patches to be judged by in the network's
    scale, and their truth (m, 1, 36, 36) of 0 and 1."""

    number: int
    y: pd.DataFrame
    images: pd.DataFrame
    judged: SegmentationDataset
    truth: Tensor

    @property
    def config(self) -> Config:
        return replace(CONFIG, seed=self.number)

    def cleaned(self, config: Config) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Labels and images to train on, cleaned as in `helpers.data.dataset.data_preparation_pipeline`."""
        return PreprocessData(config).fit_transform(self.y, self.images)

    def score(self, model: nn.Module) -> dict[str, float]:
        """Dice over all pixels and mean IoU over patches of the wells to be judged by."""
        scores = summarise(count_pixels(predict_masks(model, self.judged), self.truth))
        return {name: round(value, 4) for name, value in scores.items()}


def make_draw(number: int, learn: int = LEARN, judged: int = JUDGED, rows: int = ROWS) -> Draw:
    """Simulate the wells of a draw, numbered 1000, 1001, ...; the first `learn` are learned from."""
    frames: tuple[list, list, list] = ([], [], [])
    for well in range(1000, 1000 + learn + judged):
        rng = np.random.default_rng([number, well])
        made = simulate(draw_recipe(CONFIG.train_wells, rng), rows, rng)
        for frame, image in zip(frames, (made.thickness, made.labels, made.truth), strict=True):
            patches = cut_well(image).reshape(-1, len(COLUMNS))
            names = pd.Index([patch_name(well, patch) for patch in range(len(patches))], name="patch")
            frame.append(pd.DataFrame(patches, names, COLUMNS))
    images, _, _ = (pd.concat(frame) for frame in frames)
    y, truth = pd.concat(frames[1][:learn]), pd.concat(frames[2][learn:])
    truth, repaired = PreprocessData(CONFIG).transform(truth, images.loc[truth.index])
    dataset = SegmentationDataset.from_frames(truth, repaired, normalize(CONFIG))
    return Draw(number, y, images.loc[y.index], dataset, as_images(truth, np.uint8))


def differences(rows: pd.DataFrame, than: str, score: str = "dice") -> pd.DataFrame:
    """How much better each variant is than the variant `than`, from one row a draw and variant.

    Returns
    -------
    A row a variant: the mean difference, its half-width (Student's 95 % interval over the draws), and the
    number of draws; only draws that have both count.
    """
    table = rows.pivot(index="draw", columns="variant", values=score)
    paired = table.drop(columns=than).sub(table[than], axis=0)
    count = paired.count()
    half = paired.sem() * student.ppf(0.975, (count - 1).clip(lower=1))
    return pd.DataFrame({"difference": paired.mean(), "half-width": half, "draws": count}).loc[
        [variant for variant in rows["variant"].unique() if variant != than]
    ]
