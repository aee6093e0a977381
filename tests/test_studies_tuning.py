import os
import subprocess
import sys
from unittest.mock import Mock, patch

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from optuna.trial import TrialState
from small_wells import small_wells

from experiments.folds import Fold, make_folds
from experiments.tuning import (
    FINISHED,
    SPACE,
    default_params,
    log_trial,
    open_study,
    read_study,
    run_trials,
    score_folds,
    train_with,
)
from helpers.config import PROJECT_ROOT
from helpers.files import DataError
from helpers.models import build_model

SMALL = {"width": 8, "batch_size": 8}


@pytest.fixture(scope="module")
def wells() -> tuple[pd.DataFrame, pd.DataFrame]:
    return small_wells()


@pytest.fixture(scope="module")
def folds(wells) -> list[Fold]:
    return make_folds(*wells, 2)


def scores(params, folds, epochs, repeat=0):
    """Scores that follow from the parameters at once, without training: a higher dropout is worse."""
    for epoch in range(1, epochs + 1):
        yield [(1 - params["dropout"]) * epoch / 10 for _ in folds]


@pytest.fixture
def pretended():
    with patch("experiments.tuning.score_folds", side_effect=scores) as mock:
        yield mock


def finished(study) -> list:
    return study.get_trials(states=FINISHED)


def outcomes(study) -> list:
    return [(trial.params, trial.state, trial.value, trial.intermediate_values) for trial in finished(study)]


def test_the_wells_left_out_do_not_depend_on_a_trials_cleaning(wells):
    """Half of the patches lack 50 pixels. A trial may drop them from training, never from those it is judged
    by."""
    y, images = wells
    images = images.copy()
    images.iloc[::2, :50] = np.nan
    fold = make_folds(y, images, 2)[0]
    trained_on = []
    for pixels in (10, 100):
        params = default_params() | SMALL | {"ruined_pixels": pixels}
        with patch("experiments.tuning.training_loader", side_effect=StopIteration) as loader:
            with pytest.raises((RuntimeError, StopIteration)):
                next(train_with(params, fold.y, fold.images, 1, 0))
        trained_on.append(len(loader.call_args.args[0]))
    assert trained_on[0] <= trained_on[1] / 2
    assert len(fold.unseen) == 8 * len(fold.wells)


def test_the_defaults_are_the_configs_and_lie_in_the_space():
    params = default_params()
    assert list(sorted(params)) == sorted(SPACE)
    assert all(SPACE[name]._contains(SPACE[name].to_internal_repr(params[name])) for name in SPACE)
    assert sum(p.numel() for p in build_model("unet", width=params["width"]).parameters()) == 419_777


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 5e-3), ("dropout", 0.4), ("loss", "focal"), ("weight_decay", 1.0)]
    + [("augmentation", 1.0), ("spe_std", 2.0), ("batch_size", 4), ("width", 4)],
)
def test_every_parameter_reaches_the_training(folds, name, value):
    def weights(params):
        *_, run = train_with(params, folds[0].y, folds[0].images, 1, 0)
        return torch.cat([p.detach().flatten() for p in run.model.parameters()])

    params = default_params() | SMALL
    assert not torch.equal(weights(params), weights(params | {name: value}))


def test_the_same_repeat_trains_the_same_models_and_folds_in_step_do_not_disturb_each_other(folds):
    params = default_params() | SMALL
    together = [dices[0] for dices in score_folds(params, folds, 2)]
    alone = [dices[0] for dices in score_folds(params, folds[:1], 2)]
    other = [dices[0] for dices in score_folds(params, folds[:1], 2, repeat=1)]
    assert together == alone != other


def test_the_value_of_a_trial_is_the_mean_of_the_folds_after_the_last_epoch(folds, tmp_path):
    path = tmp_path / "study.journal"
    open_study(path, folds, 2).ask(SPACE)  # killed at once: the defaults are tried all the same
    with patch("experiments.tuning.score_folds", return_value=[[0.9, 0.7], [0.2, 0.4]]):
        trial, second = run_trials(open_study(path, folds, 2), folds, 2)
    assert trial.value == pytest.approx(0.3)
    assert trial.intermediate_values == pytest.approx({1: 0.8, 2: 0.3})
    assert trial.user_attrs["folds"] == [0.2, 0.4]
    assert trial.params == default_params() != second.params
    before = path.read_bytes()
    assert [kept.value for kept in finished(read_study(path))] == pytest.approx([0.3, 0.3])
    assert path.read_bytes() == before


def test_a_killed_study_goes_on_as_if_nothing_had_happened(folds, tmp_path, pretended):
    """The process is killed with kill -9 in the 12th trial, when TPE draws from what it has seen."""
    undisturbed = open_study(tmp_path / "a.journal", folds, 3)
    list(run_trials(undisturbed, folds, 13))
    script = f"""
import os, signal, sys
sys.path[:0] = {[str(PROJECT_ROOT / folder) for folder in ("", "tests")]!r}
import experiments.tuning
import test_studies_tuning as t
def scores(params, folds, epochs, repeat=0):
    for epoch, dices in enumerate(t.scores(params, folds, epochs), 1):
        yield dices
        if len(t.finished(study)) == 11 and epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
experiments.tuning.score_folds = scores
folds = t.make_folds(*t.small_wells(), 2)
study = t.open_study({str(tmp_path / "b.journal")!r}, folds, 3)
list(t.run_trials(study, folds, 13))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == -9, done.stderr
    study = open_study(tmp_path / "b.journal", folds, 3)
    assert [len(finished(study)), study.trials[-1].state] == [11, TrialState.FAIL]
    list(run_trials(study, folds, 13))
    assert outcomes(study) == outcomes(undisturbed)


def test_a_trial_worse_than_the_median_is_pruned_but_not_in_the_last_epoch(folds, tmp_path, pretended):
    study = open_study(tmp_path / "study.journal", folds, 5)
    trials = list(run_trials(study, folds, 12))
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert 0 < len(pruned) < 7
    for trial in pruned:
        before = [t.params["dropout"] for t in trials[: trial.number] if t.state == TrialState.COMPLETE]
        assert len(before) >= 5 and trial.params["dropout"] > np.median(before)
        assert list(trial.intermediate_values)[-1] in (3, 4)


@pytest.mark.parametrize("error", [FloatingPointError("loss is NaN"), DataError("Cleaning left none")])
def test_a_training_that_fails_counts_as_pruned_and_says_why(folds, tmp_path, error):
    study = open_study(tmp_path / "study.journal", folds, 2)
    with patch("experiments.tuning.score_folds", side_effect=error):
        (trial,) = run_trials(study, folds, 1)
    assert trial.state == TrialState.PRUNED and trial.user_attrs["stopped"] == str(error)


def test_tensorboard_gets_curve_and_parameters(folds, tmp_path, pretended):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study = open_study(tmp_path / "study.journal", folds, 3)
    for trial in run_trials(study, folds, 1):
        log_trial(tmp_path / "board", trial)
    events = EventAccumulator(str(tmp_path / "board" / "trial_000")).Reload()
    curve = [event.value for event in events.Scalars("Mean Dice of the folds")]
    assert curve == pytest.approx(list(trial.intermediate_values.values()))
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")


def test_a_journal_whose_last_line_was_cut_goes_on(folds, tmp_path, pretended):
    """By a kill, a full disk, a drive that went away: wherever the cut lies in the last lines."""
    undisturbed = open_study(tmp_path / "a.journal", folds, 3)
    list(run_trials(undisturbed, folds, 3))
    study = open_study(path := tmp_path / "b.journal", folds, 3)
    list(run_trials(study, folds, 2))
    whole = path.read_bytes()
    for cut in (1, 25, len(whole.splitlines()[-1]), 500, len(whole) - 20):
        path.write_bytes(whole[:-cut])
        study = open_study(path, folds, 3)
        list(run_trials(study, folds, 3))
        assert outcomes(read_study(path)) == outcomes(undisturbed)


def test_a_study_needs_no_symbolic_link(folds, tmp_path, pretended, monkeypatch):
    """Windows lets an ordinary user make none."""
    monkeypatch.setattr("os.symlink", Mock(side_effect=OSError(22, "A required privilege is not held")))
    assert len(list(run_trials(open_study(tmp_path / "study.journal", folds, 3), folds, 1))) == 1


def test_a_new_loss_or_architecture_changes_neither_space_nor_table():
    """A study names its own: else its journal would be refused, and its table would be incomplete."""
    script = """
from helpers import losses, models
losses.LOSSES["mine"], models.ARCHITECTURES["mine"] = losses.bce, models.ARCHITECTURES["unet"]
import compare
from experiments.tuning import SPACE, read_study
kept = read_study("experiments/tune_simulated.journal").user_attrs["setting"]["space"]
assert {name: str(distribution) for name, distribution in SPACE.items()} == kept
assert "mine" not in [*compare.MODELS, *compare.LOSSES]
"""
    path = os.pathsep.join(str(PROJECT_ROOT / folder) for folder in ("", "experiments"))
    subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, env=os.environ | {"PYTHONPATH": path}, check=True
    )


def test_a_file_that_is_no_study_is_named(folds, tmp_path):
    for text in ("trial,value\n" * 200, "years of\nwork"):
        (path := tmp_path / "thesis.txt").write_text(text)
        with pytest.raises(DataError, match="thesis.txt: expected the journal of a study"):
            open_study(path, folds, 2)
        assert path.read_text() == text
    with pytest.raises(DataError, match=f"{tmp_path}: expected the journal"):
        open_study(tmp_path, folds, 2)
    with pytest.raises(DataError, match="none.journal: expected the journal of a study, found no file"):
        read_study(tmp_path / "none.journal")
    with pytest.raises(DataError, match="could not be made"):
        open_study(path / "study.journal", folds, 2)


def test_a_study_of_another_setting_is_refused(folds, wells, tmp_path):
    path = tmp_path / "study.journal"
    open_study(path, folds, 2)
    with pytest.raises(DataError, match="other epochs"):
        open_study(path, folds, 3)
    with pytest.raises(DataError, match="other folds, data"):
        open_study(path, make_folds(*wells, 3), 2)
    with pytest.raises(DataError, match="other data"):
        y, images = wells
        open_study(path, make_folds(y, images * 2, 2), 2)
    with (
        patch.dict(SPACE, {"dropout": optuna.distributions.FloatDistribution(0, 0.9)}),
        pytest.raises(DataError, match="other space"),
    ):
        open_study(path, folds, 2)
