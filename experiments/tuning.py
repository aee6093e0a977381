"""A search for hyperparameters with Optuna, on the wells of one draw (R4.1). A fifth of the wells to learn
from validates, by labels, as real wells have no truth to tune by; those that judge are not looked at."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study
from optuna.trial import Trial, TrialState
from pandas import DataFrame

from experiments.draws import STUDY_CONFIG, Draw, as_dataset, hold_out, predict_masks, score, training_loader
from helpers.data.transforms import augment_transform
from helpers.files import DataError, disk_errors
from helpers.training import train
from helpers.training.runs import Run, unsaved_run

Params = dict[str, float | int | str]
DEFAULTS: Params = {
    name: getattr(STUDY_CONFIG, name) for name in ("learning_rate", "batch_size", "dropout", "weight_decay")
} | {"width": 32, "loss": "bce", "augmentation": 0.0}
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def suggest(trial: Trial) -> Params:
    """Draw the parameters of a trial."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 2e-4, 1e-2, log=True),
        "batch_size": trial.suggest_categorical("batch_size", (8, 16, 32, 64)),
        "dropout": trial.suggest_float("dropout", 0.0, 0.4),
        "weight_decay": trial.suggest_categorical("weight_decay", (0.0, 0.01, 0.1, 1.0)),
        "width": trial.suggest_categorical("width", (8, 16, 32)),  # channels of the U-Net's first level
        "loss": trial.suggest_categorical("loss", ("bce", "dice_bce", "focal", "lovasz")),
        "augmentation": trial.suggest_float("augmentation", 0.0, 1.0),  # from flips alone to all of R2.5
    }


def objective(trial: Trial, draw: Draw, epochs: int) -> float:
    """Train a U-Net with a trial's parameters: its Dice on validation wells, which the pruner watches."""
    y, images = draw.cleaned
    validates = hold_out(y, "wells", draw.number)
    own, value = as_dataset(y[validates], images), 0.0
    for run in train_with(suggest(trial), y[~validates], images, epochs, draw.number):
        value = score(predict_masks(run.model, own), own.masks)["dice"]
        trial.report(value, len(run.history))
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def train_with(params: Params, y: DataFrame, images: DataFrame, epochs: int, seed: int) -> Iterator[Run]:
    """Train a new U-Net on these cleaned patches; yield the run after each epoch."""
    own = {name: value for name, value in params.items() if hasattr(STUDY_CONFIG, name)}
    config = replace(STUDY_CONFIG, seed=seed, **own)
    run = unsaved_run("unet", config, params["loss"], dropout=config.dropout, width=params["width"])
    transform = augment_transform(params["augmentation"]) if params["augmentation"] else None  # flips
    for _ in train(run, training_loader(y, images, config, transform), epochs):
        yield run


def learns_by(params: Params) -> Callable[[Draw, int], dict[str, float]]:
    def scores(draw: Draw, epochs: int) -> dict[str, float]:
        """Of a network with these parameters."""
        *_, run = train_with(params, *draw.cleaned, epochs, draw.number)
        return draw.score(run.model)

    return scores


def open_study(path: Path) -> Study:
    """Begin a study in a file, with the defaults as its first trial, or take it up where it was left. A trial
    that is worse than most others so far is stopped. DataError : the file can be neither made nor read."""
    with disk_errors(path, "made", path.parent):
        path.touch()
        whole, end, last = path.read_bytes().rpartition(b"\n")
        if last and b'{"op_code"'.startswith(last[:10]):  # cut while it was written: the next would spoil it
            path.write_bytes(whole + end)
    options = {"study_name": "tuning", "direction": "maximize", "load_if_exists": True}
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3)
    try:
        study = optuna.create_study(storage=storage_of(path), pruner=pruner, **options)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected the journal of a study ({error}). Name another file.") from error
    study.sampler = TPESampler(seed=len(study.trials))
    if not study.trials:
        study.enqueue_trial(DEFAULTS)
    return study


def storage_of(path: Path | str) -> JournalStorage:
    """A study's journal. By default its lock is a symbolic link, which Windows lets few users make."""
    return JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))


def read_study(path: Path | str) -> Study:
    """The study in a journal, to look at: the file stays as it is."""
    return optuna.load_study(study_name="tuning", storage=storage_of(path))


def search(path: Path, draw: Draw, epochs: int, trials: int) -> Study:
    """Go on until so many trials are finished."""
    study, of_draw = open_study(path), partial(objective, draw=draw, epochs=epochs)
    left = max(0, trials - len(study.get_trials(states=FINISHED)))
    study.optimize(of_draw, left, catch=(FloatingPointError, DataError))
    return study
