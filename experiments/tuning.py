"""A hyperparameter study by Optuna, judged by folds of wells (review point R4.1).

A trial trains a U-Net a fold, all folds in step, an epoch at a time. What the pruner sees after each epoch,
and what counts in the end, is the mean of the folds' Dice on the wells left out, judged by the labels.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import MedianPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from torch.utils.tensorboard import SummaryWriter

from experiments.folds import STUDY_CONFIG, Fold, predict_masks, training_loader
from helpers.data.preprocess import PreprocessData
from helpers.data.transforms import augment_transform
from helpers.files import DataError, disk_errors
from helpers.metrics import count_pixels, summarise
from helpers.training import train
from helpers.training.runs import Run, fingerprint, unsaved_run

# What is tried. Cleaning thresholds act on the training wells only.
SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(2e-4, 1e-2, log=True),
    "batch_size": CategoricalDistribution((8, 16, 32, 64)),
    "width": CategoricalDistribution((8, 16, 32)),  # channels of the U-Net's first level
    "dropout": FloatDistribution(0.0, 0.4),
    "weight_decay": CategoricalDistribution((0.0, 0.01, 0.1, 1.0)),
    "loss": CategoricalDistribution(("bce", "dice_bce", "focal", "tversky", "lovasz", "soft_iou")),
    "augmentation": FloatDistribution(0.0, 1.0),  # from flips alone to all of R2.5, see `augment_transform`
    "spe_std": FloatDistribution(2.0, 4.0),
    "dbscan_eps": FloatDistribution(0.8, 2.0),
    "ruined_pixels": IntDistribution(10, 400, log=True),
}
Params = dict[str, float | int | str]
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
NO_STUDY = (OSError, ValueError, KeyError, TypeError)  # what Optuna raises on a file that is no journal
optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of each trial


def default_params() -> Params:
    """The baseline of notebook 04 in the names of `SPACE`."""
    others = {"width": 32, "loss": "bce", "augmentation": 0.0}
    return {name: others[name] if name in others else getattr(STUDY_CONFIG, name) for name in SPACE}


def train_with(
    params: Params, y: pd.DataFrame, images: pd.DataFrame, epochs: int, seed: int
) -> Iterator[Run]:
    """Clean these wells, whose detectors see nothing else, and train a new U-Net on them by the recipe of
    `helpers.training`; yield the run after each epoch."""
    own = {name: value for name, value in params.items() if hasattr(STUDY_CONFIG, name)}
    config = replace(STUDY_CONFIG, seed=seed, **own)
    cleaned = PreprocessData(config).fit_transform(y, images)
    run = unsaved_run("unet", config, params["loss"], dropout=config.dropout, width=params["width"])
    share = params["augmentation"]
    transform = augment_transform(share) if share else None  # None: the baseline's flips
    for _ in train(run, training_loader(*cleaned, config, transform), epochs):
        yield run


def score_folds(params: Params, folds: list[Fold], epochs: int, repeat: int = 0) -> Iterator[list[float]]:
    """Train a U-Net a fold; after each epoch yield each fold's Dice on the wells left out. Repeat 0 trains
    fold k with seed k, each other repeat with seeds of its own."""
    first = len(folds) * repeat
    runs = [train_with(params, fold.y, fold.images, epochs, first + fold.number) for fold in folds]
    for of_epoch in zip(*runs, strict=True):
        pairs = [(run.model, fold.unseen) for run, fold in zip(of_epoch, folds, strict=True)]
        counts = [count_pixels(predict_masks(model, unseen), unseen.masks) for model, unseen in pairs]
        yield [summarise(of_fold)["dice"] for of_fold in counts]


def open_study(path: Path, folds: list[Fold], epochs: int) -> Study:
    """Begin a study in a file, Optuna's journal, or take it up where it was left or killed; DataError if the
    file cannot be made, is no study, or is one of other data, folds, epochs or space.

    The first trial has the defaults, so that every other is measured against them. A trial that was cut off
    is marked as failed, and the next one repeats it. The pruner stops a trial after an epoch if its best mean
    Dice so far is below the median of the others at that epoch, from the third epoch on, once five trials are
    complete. One process at a time may work on a study.
    """
    path = Path(path).absolute()
    with disk_errors(path, "made", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    setting = {
        "epochs": epochs,
        "seed": STUDY_CONFIG.seed,
        "folds": [list(fold.wells) for fold in folds],
        "data": [fingerprint(fold.unseen) for fold in folds],
        "space": {name: str(distribution) for name, distribution in SPACE.items()},
    }
    pruner = MedianPruner(n_startup_trials=5, n_warmup_steps=3)
    study = _journal(path, optuna.create_study, direction="maximize", load_if_exists=True, pruner=pruner)
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
        study.enqueue_trial(default_params())
    return study


def read_study(path: Path) -> Study:
    """The study in a journal, to look at it; the file stays as it is. DataError if there is none."""
    if not Path(path).is_file():
        raise DataError(f"{path}: expected the journal of a study, found no file.")
    return _journal(path, optuna.load_study)


def _journal(path: Path, open_: Callable[..., Study], **settings) -> Study:
    try:
        if open_ is optuna.create_study:
            _end_with_a_whole_line(path)
        # By default the lock is a symbolic link, which Windows lets ordinary users not make
        backend = JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))
        return open_(study_name="tuning", storage=JournalStorage(backend), **settings)
    except NO_STUDY as error:
        raise DataError(f"{path}: expected the journal of a study ({error}). Name another file.") from error


def _end_with_a_whole_line(path: Path) -> None:
    """Take off the half line that a kill or a full disk left: the next line would be written to its end."""
    text = path.read_bytes() if path.is_file() else b""
    if text.startswith(b'{"op_code":') and not text.endswith(b"\n"):
        os.truncate(path, text.rfind(b"\n") + 1)


def run_trials(study: Study, folds: list[Fold], trials: int) -> Iterator[FrozenTrial]:
    """Go on until `trials` trials of the study are finished, and yield each.

    Parameters are drawn by TPE (Bergstra et al. 2011, https://papers.nips.cc/paper/4443). Its seed follows
    from the number of finished trials, so a killed study draws what an undisturbed one draws. A trial whose
    loss is not finite, or whose cleaning leaves nothing, counts as pruned; its attribute "stopped" says why.
    """
    epochs = study.user_attrs["setting"]["epochs"]
    while (done := len(study.get_trials(deepcopy=False, states=FINISHED))) < trials:
        study.sampler = optuna.samplers.TPESampler(seed=done)
        trial, value = study.ask(SPACE), None
        try:
            for epoch, dices in enumerate(score_folds(trial.params, folds, epochs), 1):
                trial.report(float(np.mean(dices)), epoch)
                trial.set_user_attr("folds", dices)
                if epoch < epochs and trial.should_prune():
                    break
            else:
                value = float(np.mean(dices))
        except (FloatingPointError, DataError) as error:
            trial.set_user_attr("stopped", str(error))
        yield study.tell(trial, value, TrialState.PRUNED if value is None else TrialState.COMPLETE)


def log_trial(folder: Path, trial: FrozenTrial) -> None:
    """Give TensorBoard a finished trial: mean Dice by epoch, and its parameters for the HPARAMS page."""
    folder = Path(folder) / f"trial_{trial.number:03d}"
    with disk_errors(folder, "written", folder.parent), SummaryWriter(folder) as writer:
        for epoch, value in trial.intermediate_values.items():
            writer.add_scalar("Mean Dice of the folds", value, epoch)
        last = trial.value if trial.state == TrialState.COMPLETE else float("nan")
        settings = trial.params | {"state": trial.state.name.lower()}
        writer.add_hparams(settings, {"final/mean_dice_of_folds": last}, run_name=".")
