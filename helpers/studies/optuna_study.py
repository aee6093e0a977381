"""A hyperparameter study: Optuna draws parameters, prunes hopeless trials, and keeps all in SQLite (R4.1).

A trial trains a U-Net a fold, all folds in step, an epoch at a time. What the pruner sees after each epoch,
and what counts in the end, is the mean of the folds' Dice on the wells left out, judged by the labels.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import distribution_to_json
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from torch.utils.tensorboard import SummaryWriter

from helpers.config import Config
from helpers.files import DataError, disk_errors
from helpers.runs import fingerprint
from helpers.studies.hyperparameters import SPACE, Fold, default_params, score_folds

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of each trial


def open_study(
    path: Path,
    folds: list[Fold],
    epochs: int,
    config: Config = Config(),
    pruner: BasePruner | None = None,
    table: pd.DataFrame | None = None,
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
    path = Path(path).absolute()
    with disk_errors(path, "made", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name="tuning",
            direction="maximize",
            load_if_exists=True,
            pruner=pruner or MedianPruner(n_startup_trials=5, n_warmup_steps=3),
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
        if table is None or table.empty:
            study.enqueue_trial(default_params(config))
        elif len(columns_of(table, "epoch")) != epochs:
            raise DataError(f"Expected trials of {epochs} epochs, found {len(columns_of(table, 'epoch'))}.")
        else:
            study.add_trials(trials_of(table))
    return study


def finished(study: Study) -> list[FrozenTrial]:
    """The trials that were completed or pruned, in their order."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def run_trials(
    study: Study, folds: list[Fold], trials: int, config: Config = Config()
) -> Iterator[FrozenTrial]:
    """Go on until `trials` trials of the study are finished, and yield each.

    Parameters are drawn by TPE (Bergstra et al. 2011, https://papers.nips.cc/paper/4443). Its seed follows
    from the number of finished trials, so a study that was killed draws what an undisturbed one draws. Every
    trial trains from the same seed. One whose loss is not finite, or whose cleaning leaves nothing, counts as
    pruned; its attribute "stopped" says why.
    """
    epochs = study.user_attrs["setting"]["epochs"]
    while (done := len(finished(study))) < trials:
        study.sampler = TPESampler(seed=1_000 * config.seed + done)
        trial = study.ask(SPACE)
        trial.set_user_attr("place", done)
        start = time.process_time()
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
        trial.set_user_attr("seconds", round(time.process_time() - start, 1))
        yield study.tell(trial, value, state)


def log_trial(folder: Path, trial: FrozenTrial) -> None:
    """Give TensorBoard a finished trial: mean Dice by epoch, and its parameters for the HPARAMS page."""
    folder = Path(folder) / f"trial_{trial.user_attrs['place']:03d}"
    with disk_errors(folder, "written", folder.parent), SummaryWriter(folder) as writer:
        for epoch, value in trial.intermediate_values.items():
            writer.add_scalar("Mean Dice of the folds", value, epoch)
        made_with = trial.params | {"state": trial.state.name.lower()}
        last = trial.value if trial.state == TrialState.COMPLETE else float("nan")
        writer.add_hparams(made_with, {"final/mean_dice_of_folds": last}, run_name=".")


def trials_frame(study: Study) -> pd.DataFrame:
    """One row a finished trial, see `row_of`."""
    return pd.DataFrame([row_of(trial, study.user_attrs["setting"]) for trial in finished(study)])


def row_of(trial: FrozenTrial, setting: dict) -> dict[str, object]:
    """A finished trial as a row: trial (from 0), state, value if complete, seconds (of processor time),
    parameters, "epoch 1" ... (mean Dice after it), "fold 1" ... (Dice of its jury after the last epoch).

    Parameters
    ----------
    setting : the study's attribute of that name.
    """
    row = {"trial": trial.user_attrs["place"], "state": trial.state.name.lower()}
    row["value"] = trial.value if trial.state == TrialState.COMPLETE else None  # Optuna: when it was stopped
    row |= {"seconds": trial.user_attrs["seconds"]} | trial.params
    row |= {f"epoch {e}": trial.intermediate_values.get(e) for e in range(1, setting["epochs"] + 1)}
    dices = trial.user_attrs.get("folds", [None] * len(setting["folds"]))
    return row | {f"fold {number}": dice for number, dice in enumerate(dices, 1)}


def columns_of(table: pd.DataFrame, kind: str) -> list[str]:
    """Columns "epoch 1", "epoch 2" ... of the kind "epoch", or those of the kind "fold"."""
    return [name for name in table if name.startswith(f"{kind} ")]


def study_of(table: pd.DataFrame) -> Study:
    """The study, in memory, whose `trials_frame` this is, read from a CSV for example."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials_of(table))
    return study


def trials_of(table: pd.DataFrame) -> list[FrozenTrial]:
    """The trials of a `trials_frame`, as `Study.add_trials` takes them.

    Raises
    ------
    DataError : the table lacks a column, or a value is outside `SPACE`.
    """
    names, fold_names = columns_of(table, "epoch"), columns_of(table, "fold")
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
    https://proceedings.mlr.press/v32/hutter14.html). Shares always add up to 1, so from a few trials some
    parameter looks important whatever it does: compare with `importance_by_chance`.
    """
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return pd.Series(optuna.importance.get_param_importances(study, evaluator=evaluator), name="importance")


def importance_by_chance(table: pd.DataFrame, shuffles: int = 20, seed: int = 0) -> pd.Series:
    """What `importance` gives each parameter where none matters: the 90 % quantile over shuffled values.

    Parameters
    ----------
    table : a `trials_frame`; the values of its complete trials are dealt out to them at random.
    """
    complete = table[table["state"] == "complete"]
    rng = np.random.default_rng(seed)
    shares = [
        importance(study_of(complete.assign(value=rng.permutation(complete["value"]))), seed)
        for _ in range(shuffles)
    ]
    return pd.DataFrame(shares).quantile(0.9).rename("by chance")
