"""Folds of wells: train on some wells, score on those left out. Every choice on real wells is made so.

Run k of a study leaves out fold k, and k is also its seed: three runs differ in wells and in seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import t as student
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from helpers.config import Config
from helpers.data.dataset import SegmentationDataset, Transform, as_module, make_loader
from helpers.data.preprocess import PreprocessData
from helpers.data.transforms import flip_transform, normalize
from helpers.data.wells import wells_of
from helpers.files import DataError
from helpers.inference import predict_pixels, predict_probabilities
from helpers.losses import Loss
from helpers.training import train
from helpers.training.runs import unsaved_run

STUDY_CONFIG = Config(precision="float32")  # on every device, so that rows do not depend on it


@dataclass(frozen=True)
class Fold:
    """Wells left out; labels and images of the others, as loaded; and the patches of the wells left out, in
    the network's scale, without the ruined ones. However a training cleans its wells, these judge it."""

    number: int  # from 0; the seed of its trainings too
    wells: tuple[int, ...]
    y: pd.DataFrame
    images: pd.DataFrame
    unseen: SegmentationDataset

    def cleaned(self, config: Config = STUDY_CONFIG) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Labels and images to train on, cleaned as in `helpers.data.dataset.data_preparation_pipeline`."""
        return PreprocessData(config).fit_transform(self.y, self.images)


def make_folds(y: pd.DataFrame, images: pd.DataFrame, count: int = 3) -> list[Fold]:
    """The folds of `well_folds`, of masks and images as `helpers.data.load_data` gives them; test wells are
    neither trained on nor left out."""
    return [leave_out(number, wells, y, images) for number, wells in enumerate(well_folds(y, count))]


def leave_out(
    number: int, left_out: tuple[int, ...], y: pd.DataFrame, images: pd.DataFrame, config: Config = Config()
) -> Fold:
    """The fold that leaves out these of the training and validation wells; `y`, `images` as loaded."""
    wells = wells_of(y)
    unseen = np.isin(wells, left_out)
    others = np.isin(wells, config.train_wells + config.val_wells) & ~unseen
    judged = PreprocessData(config).transform(y[unseen], images.loc[y.index[unseen]])
    dataset = SegmentationDataset.from_frames(*judged, normalize(config))
    return Fold(number, left_out, y[others], images.loc[y.index[others]], dataset)


def well_folds(
    y: pd.DataFrame, count: int = 3, wells: Sequence[int] = Config().train_wells + Config().val_wells
) -> list[tuple[int, ...]]:
    """Share wells out among `count` folds of about equal size. `y` : (n, 1296) masks, of other wells too.

    Wells without a groove are dealt out first, so that no fold has more than its share of them; then each
    well, the largest first, goes to the fold with the fewest patches.

    Raises
    ------
    DataError : there are fewer wells with a groove than folds.

    >>> well_folds(y)  # doctest: +SKIP
    [(7, 9, 11), (3, 6, 10), (1, 8, 12, 13, 14)]
    """
    table = pd.DataFrame({"well": wells_of(y), "corroded": y.to_numpy().any(axis=1)})
    table = table[table["well"].isin(wells)].groupby("well")["corroded"].agg(["size", "any"])
    if table["any"].sum() < count:
        grooved = table.index[table["any"]].tolist()
        raise DataError(f"{count} folds need as many wells with a groove to judge by, found {grooved}.")
    folds, sizes = [[] for _ in range(count)], np.zeros(count, int)
    for well, row in table.sort_values(["any", "size"], ascending=[True, False]).iterrows():
        smallest = sizes.argmin()
        folds[smallest].append(well)
        sizes[smallest] += row["size"]
    return [tuple(sorted(fold)) for fold in folds]


def training_loader(
    y: pd.DataFrame, images: pd.DataFrame, config: Config = Config(), transform: Transform | None = None
) -> DataLoader:
    """Shuffled batches of cleaned patches, by default flipped at random, in the network's scale."""
    changes = v2.Compose([as_module(transform or flip_transform()), normalize(config)])
    return make_loader(SegmentationDataset.from_frames(y, images, changes), config.batch_size, shuffle=True)


def train_on(
    y: pd.DataFrame, images: pd.DataFrame, epochs: int, seed: int = 0, loss: str | Loss = "bce",
    transform: Transform | None = None, **options,
) -> nn.Module:  # fmt: skip
    """Train the baseline U-Net on these cleaned patches by the recipe of `helpers.training`, and return it.
    `options` : see `helpers.training.runs.start_run`."""
    config = replace(STUDY_CONFIG, seed=seed)
    run = unsaved_run("unet", config, loss, **{"dropout": config.dropout} | options)
    for _ in train(run, training_loader(y, images, config, transform), epochs):
        pass
    return run.model


def predict_masks(model: nn.Module, dataset: SegmentationDataset) -> Tensor:
    """Masks (N, 1, H, W) bool on the CPU, in the dataset's order."""
    return predict_probabilities(model, make_loader(dataset, 64)) >= STUDY_CONFIG.threshold


def probabilities_on(model: nn.Module, images: pd.DataFrame) -> pd.DataFrame:
    """`predict_pixels` as a frame like `images`: (n, 1296) float32, indexed by patch name."""
    found = predict_pixels(model, images, STUDY_CONFIG)
    return pd.DataFrame(found.flatten(1).numpy(), images.index, images.columns)


def summary(rows: pd.DataFrame, by: str, columns: list[str]) -> pd.DataFrame:
    """Mean and standard deviation over runs, as "0.612 ± 0.034", best first by the first column."""
    groups = rows.groupby(by, sort=False)[columns]
    mean, spread = groups.mean(), groups.std()
    text = mean.map("{:.3f}".format) + " ± " + spread.map("{:.3f}".format)
    best_first = mean[columns[0]].sort_values(ascending=False).index
    return text.replace(" ± nan", "", regex=True).loc[best_first].assign(runs=groups.size())


def paired_differences(
    rows: pd.DataFrame, by: str, score: str, than: str, pairs: str = "fold"
) -> pd.DataFrame:
    """How much better each case (of the column `by`) is than the case `than`, run by run of the same `pairs`:
    the mean difference, and Student's 95 % interval for it, "low" and "high".

    Raises
    ------
    ValueError : a case lacks a run that `than` has, or has one twice.
    """
    table = rows.pivot(index=pairs, columns=by, values=score)[list(rows[by].unique())]
    if table.isna().any(axis=None):
        raise ValueError(f"Each {by} needs a run a {pairs}, found\n{table.notna()}")
    differences = table.drop(columns=than).sub(table[than], axis=0)
    mean, half = differences.mean(), differences.sem() * student.ppf(0.975, max(1, len(differences) - 1))
    return pd.DataFrame({"difference": mean, "low": mean - half, "high": mean + half})
