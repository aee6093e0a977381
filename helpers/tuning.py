"""Hyperparameters, chosen by wells that a model has not seen (review point R4.1).

A trial trains a U-Net a fold, all folds in step, an epoch at a time. Its value is the mean of the folds' Dice on
the wells left out, judged by the labels. Test wells never get here: see `helpers.final_evaluation`.
"""

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import torch
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sklearn.model_selection import GroupKFold
from sqlalchemy.exc import SQLAlchemyError
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from helpers.config import Config
from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.files import DataError, disk_errors
from helpers.losses import LOSSES
from helpers.metrics import summarise
from helpers.models import build_model
from helpers.preprocess import PreprocessData
from helpers.runs import fingerprint
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
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


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


def open_study(
    path: Path, folds: list[Fold], epochs: int, config: Config = Config(), pruner: BasePruner | None = None
) -> Study:
    """Begin a study in an SQLite file, or take it up where it was left or killed.

    The first trial has the defaults, so that every other is measured against them. A trial that was cut off
    is marked as failed, and the next one repeats it. One process at a time may work on a study.

    Parameters
    ----------
    path : the file; its folder is made.
    config : its seed is that of the parameters drawn and of every training.
    pruner : by default `MedianPruner`: a trial stops after an epoch if its best mean Dice so far is below
        the median of the others at that epoch, from the third epoch on, once five trials are complete.

    Raises
    ------
    DataError : the file cannot be made, is no study, or is one of other data, folds, epochs, seed or space.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = Path(path).absolute()
    with disk_errors(path, "made", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name="tuning",
            direction="maximize",
            load_if_exists=True,
            pruner=pruner or MedianPruner(n_startup_trials=5, n_warmup_steps=2),
        )
    except SQLAlchemyError as error:
        raise DataError(
            f"{path}: expected the SQLite file of a study, or a place for a new one "
            f"({getattr(error, 'orig', error)}). Name another file."
        ) from error
    setting = {
        "epochs": epochs,
        "seed": config.seed,
        "folds": [list(fold.wells) for fold in folds],
        "data": [fingerprint(fold.jury) for fold in folds],
        "space": {name: distribution_to_json(distribution) for name, distribution in SPACE.items()},
    }
    kept = study.user_attrs.get("setting", setting)
    if differ := [name for name in setting if kept.get(name) != setting[name]]:
        raise DataError(
            f"{path}: this study was begun with other {', '.join(differ)}. "
            "Take it up as it was begun, or name another file for a new one."
        )
    study.set_user_attr("setting", setting)
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
    if not study.get_trials(deepcopy=False, states=[TrialState.WAITING, *FINISHED]):
        study.enqueue_trial(default_params(config))
    return study


def finished(study: Study) -> list[FrozenTrial]:
    """The trials that were completed or pruned, in their order."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def run_trials(
    study: Study, folds: list[Fold], trials: int, config: Config = Config()
) -> Iterator[FrozenTrial]:
    """Go on until `trials` trials of the study are finished, and yield each.

    Parameters are drawn by TPE (Bergstra et al. 2011, https://papers.nips.cc/paper/4443). Its seed follows
    from the number of finished trials, so a study that was killed draws what an undisturbed one draws. Every trial trains from the same seed. One whose loss is not finite, or whose cleaning leaves
    nothing, counts as pruned; its attribute "stopped" says why.
    """
    epochs = study.user_attrs["setting"]["epochs"]
    while (done := len(finished(study))) < trials:
        study.sampler = TPESampler(seed=1_000 * config.seed + done)
        trial = study.ask(SPACE)
        trial.set_user_attr("place", done)
        start = time.perf_counter()
        state, value = TrialState.COMPLETE, None
        try:
            for epoch, scores in enumerate(score_folds(trial.params, folds, epochs, config.seed, config), 1):
                value = float(np.mean([score["dice"] for score in scores]))
                trial.report(value, epoch)
                trial.set_user_attr("folds", [score["dice"] for score in scores])
                if epoch < epochs and trial.should_prune():
                    state, value = TrialState.PRUNED, None
                    break
        except (FloatingPointError, DataError) as error:
            trial.set_user_attr("stopped", str(error))
            state, value = TrialState.PRUNED, None
        trial.set_user_attr("seconds", round(time.perf_counter() - start, 1))
        yield study.tell(trial, value, state)


def log_trial(folder: Path, trial: FrozenTrial) -> None:
    """Give TensorBoard a finished trial: mean Dice by epoch, and its parameters for the HPARAMS page."""
    folder = Path(folder) / f"trial_{trial.user_attrs['place']:03d}"
    with disk_errors(folder, "written", folder.parent), SummaryWriter(folder) as writer:
        for epoch, value in trial.intermediate_values.items():
            writer.add_scalar("Mean Dice of the folds", value, epoch)
        made_with = trial.params | {"state": trial.state.name.lower()}
        last = trial.value if trial.value is not None else float("nan")
        writer.add_hparams(made_with, {"final/mean_dice_of_folds": last}, run_name=".")


def trials_frame(study: Study) -> pd.DataFrame:
    """One row a finished trial, see `row_of`."""
    return pd.DataFrame([row_of(trial, study.user_attrs["setting"]) for trial in finished(study)])


def row_of(trial: FrozenTrial, setting: dict) -> dict[str, object]:
    """A finished trial as a row: trial (counted from 0), state, value, seconds, the parameters, "epoch 1" ...
    (mean Dice after it) and "fold 1" ... (Dice of its jury after the last epoch).

    Parameters
    ----------
    setting : the study's attribute of that name.
    """
    row = {"trial": trial.user_attrs["place"], "state": trial.state.name.lower(), "value": trial.value}
    row |= {"seconds": trial.user_attrs["seconds"]} | trial.params
    row |= {f"epoch {e}": trial.intermediate_values.get(e) for e in range(1, setting["epochs"] + 1)}
    dices = trial.user_attrs.get("folds", [None] * len(setting["folds"]))
    return row | {f"fold {number}": dice for number, dice in enumerate(dices, 1)}


def study_of(table: pd.DataFrame) -> Study:
    """The study, in memory, whose `trials_frame` this is: to plot a CSV, or to go on from one."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials_of(table))
    return study


def trials_of(table: pd.DataFrame) -> list[FrozenTrial]:
    """The trials of a `trials_frame`, as `Study.add_trials` takes them.

    Raises
    ------
    DataError : the table lacks a column, or a value is outside `SPACE`.
    """
    names = [name for name in table if name.startswith("epoch ")]
    fold_names = [name for name in table if name.startswith("fold ")]
    try:
        return [
            optuna.create_trial(
                state=TrialState[row["state"].upper()],
                value=None if np.isnan(row["value"]) else row["value"],
                params={name: row[name] for name in SPACE},
                distributions=SPACE,
                intermediate_values={
                    int(name.split()[1]): row[name] for name in names if not np.isnan(row[name])
                },
                user_attrs={
                    "place": row["trial"],
                    "seconds": row["seconds"],
                    "folds": [row[name] for name in fold_names],
                },
            )
            for row in table.astype(object).to_dict("records")
        ]
    except (KeyError, ValueError) as error:
        raise DataError(f"Expected the rows of a study's trials, found others ({error}).") from error


def importance(study: Study, seed: int = 0) -> pd.Series:
    """Share of the variance of the complete trials' values that each parameter accounts for, largest first.

    By fANOVA on a random forest (Hutter, Hoos and Leyton-Brown 2014,
    https://proceedings.mlr.press/v32/hutter14.html). The forest is fitted to as few values as there are
    complete trials: read it as a hint.
    """
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return pd.Series(optuna.importance.get_param_importances(study, evaluator=evaluator), name="importance")
