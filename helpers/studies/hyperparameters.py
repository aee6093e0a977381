"""What a hyperparameter trial is made of: parameters, folds that leave wells out, training (R4.1).

`helpers.studies.optuna_study` chooses among parameters by these folds. Test wells never get into one: see
`helpers.studies.final_evaluation`.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from sklearn.model_selection import GroupKFold
from torch import nn

from helpers.config import Config
from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.files import DataError
from helpers.losses import LOSSES
from helpers.metrics import summarise
from helpers.models import build_model
from helpers.preprocess import PreprocessData
from helpers.training import evaluate, train_one_epoch
from helpers.transforms import augment_transform, eval_transform, flip_transform
from helpers.wells import wells_of

# What is tried. Cleaning thresholds act on the training wells only.
SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(2e-4, 1e-2, log=True),
    "batch_size": CategoricalDistribution((8, 16, 32, 64)),
    "width": CategoricalDistribution((8, 16, 32)),  # channels of the U-Net's first level
    "dropout": FloatDistribution(0.0, 0.4),
    "weight_decay": CategoricalDistribution((0.0, 0.01, 0.1, 1.0)),  # decoupled, as in AdamW
    "loss": CategoricalDistribution(tuple(LOSSES)),
    "augmentation": FloatDistribution(0.0, 1.0),  # see `config_of`
    "spe_std": FloatDistribution(2.0, 4.0),
    "dbscan_eps": FloatDistribution(0.8, 2.0),
    "ruined_pixels": IntDistribution(10, 400, log=True),
}
Params = dict[str, float | int | str]


def default_params(config: Config = Config()) -> Params:
    """The baseline of notebook 04 in the names of `SPACE`: BCE, Adam without decay, flips."""
    from_config = ("learning_rate", "batch_size", "dropout", "spe_std", "dbscan_eps", "ruined_pixels")
    others = {"width": 32, "weight_decay": 0.0, "loss": "bce", "augmentation": 0.0}
    return others | {name: getattr(config, name) for name in from_config}


def config_of(params: Params, config: Config = Config()) -> Config:
    """`config` with the parameters that it has a place for.

    "augmentation" scales how likely each change of `augment_transform` is, flips left as they are: 0 is the
    baseline's flips alone, 1 all of R2.5 as in notebook 02.
    """
    fields = {field.name for field in dataclasses.fields(Config)}
    chosen = {name: value for name, value in params.items() if name in fields}
    scaled = ("p_roll", "p_rotation", "p_crop", "p_blur", "p_noise", "p_brightness")
    chosen |= {name: params["augmentation"] * getattr(config, name) for name in scaled}
    return dataclasses.replace(config, **chosen)


@dataclass(frozen=True)
class Fold:
    """Wells left out, `jury`, and the labels and images of all others as they were loaded.

    The jury is cleaned with the project's thresholds, whatever a trial cleans its training wells with: one
    that could drop the hard patches from its own jury would be flattered.
    """

    wells: tuple[int, ...]
    y: pd.DataFrame
    images: pd.DataFrame
    jury: SegmentationDataset


def make_folds(
    y: pd.DataFrame, images: pd.DataFrame, folds: int = 3, config: Config = Config()
) -> list[Fold]:
    """Leave each of the training and validation wells out once, in groups of about equal size.

    Parameters
    ----------
    y, images : (n, 1296) masks and images as `load_data` gives them. Test wells are cut off first.

    Raises
    ------
    DataError : there are fewer wells than folds, or the wells left out of a fold have no groove.
    """
    allowed = np.isin(wells_of(y), config.train_wells + config.val_wells)
    y, images = y[allowed], images.loc[y.index[allowed]]
    wells = wells_of(y)
    if len(set(wells)) < folds:
        raise DataError(f"{folds} folds need as many wells, found {sorted(set(wells.tolist()))}.")
    result = []
    for train, left_out in GroupKFold(folds).split(y, groups=wells):
        names = tuple(np.unique(wells[left_out]).tolist())
        jury = PreprocessData(config).transform(y.iloc[left_out], images.iloc[left_out])
        if not jury[0].to_numpy().any():
            raise DataError(f"Wells {names} have no groove to judge by; take fewer folds than {folds}.")
        dataset = SegmentationDataset.from_frames(*jury, eval_transform(config))
        result.append(Fold(names, y.iloc[train], images.iloc[train], dataset))
    return result


def train_epochs(
    params: Params, y: pd.DataFrame, images: pd.DataFrame, epochs: int, seed: int, config: Config = Config()
) -> Iterator[nn.Module]:
    """Clean these wells, train a new U-Net on them, and yield it after each epoch.

    The learning rate falls along half a cosine, as in `helpers.training.fit`.

    Parameters
    ----------
    y, images : of the training wells, before cleaning, whose detectors see nothing else.
    """
    config = config_of(params, config)
    transform = augment_transform(config) if params["augmentation"] else flip_transform(config)
    cleaned = PreprocessData(config).fit_transform(y, images)
    dataset = SegmentationDataset.from_frames(*cleaned, transform, seed)
    loader = BatchLoader(dataset, config.batch_size, shuffle=True, seed=seed)
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build_model("unet", dropout=config.dropout, width=params["width"])
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, weight_decay=params["weight_decay"]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        torch.manual_seed(1_000 * seed + epoch)  # dropout; folds take turns, so each epoch has its own seed
        train_one_epoch(model, loader, LOSSES[params["loss"]], optimizer, config.clip_norm)
        schedule.step()
        yield model


def score_folds(
    params: Params, folds: list[Fold], epochs: int, seed: int, config: Config = Config()
) -> Iterator[list[dict[str, float]]]:
    """Train a U-Net a fold; after each epoch yield what `summarise` says of each fold's jury."""
    models = [train_epochs(params, fold.y, fold.images, epochs, seed, config) for fold in folds]
    loaders = [BatchLoader(fold.jury, size=64, shuffle=False) for fold in folds]
    for trained in zip(*models, strict=True):
        yield [
            summarise(evaluate(model, loader, LOSSES[params["loss"]], config.threshold)[1])
            for model, loader in zip(trained, loaders, strict=True)
        ]
