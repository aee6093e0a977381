import subprocess
import sys
from unittest.mock import patch

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from optuna.pruners import MedianPruner, ThresholdPruner
from optuna.trial import TrialState

from helpers.config import PROJECT_ROOT, Config
from helpers.files import DataError
from helpers.models import build_model
from helpers.patch_files import COLUMNS
from helpers.studies.hyperparameters import (
    SPACE,
    Fold,
    config_of,
    default_params,
    make_folds,
    score_folds,
    train_epochs,
)
from helpers.studies.optuna_study import (
    finished,
    importance,
    importance_by_chance,
    log_trial,
    open_study,
    run_trials,
    study_of,
    trials_frame,
)
from helpers.training import train_one_epoch
from helpers.wells import ALL_WELLS, patch_name, wells_of

SMALL = {"width": 8, "batch_size": 8}
PARAMS = list(SPACE)


def small_wells() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Masks and images of 8 patches of each well, with plain vertical grooves but in wells 9 and 10."""
    rng = np.random.default_rng(0)
    names = [patch_name(well, number) for well in ALL_WELLS for number in range(8)]
    masks = np.zeros((len(names), 36, 36), np.uint8)
    for mask, column in zip(masks, rng.integers(2, 30, len(names)), strict=True):
        mask[:, column : column + 4] = 1
    masks[8 * 8 : 10 * 8] = 0
    images = rng.normal(0, 0.01, masks.shape) - 0.05 * masks
    index = pd.Index(names, name="patch")
    return tuple(
        pd.DataFrame(pixels.reshape(len(names), -1).astype(kind), index, COLUMNS)
        for pixels, kind in ((masks, np.uint8), (images, np.float32))
    )


@pytest.fixture(scope="module")
def wells() -> tuple[pd.DataFrame, pd.DataFrame]:
    return small_wells()


@pytest.fixture(scope="module")
def folds(wells) -> list[Fold]:
    return make_folds(*wells, folds=2)


@pytest.fixture
def pretended():
    """Scores that follow from the parameters at once, without training: a higher dropout is worse."""

    def scores(params, folds, epochs, seed, config):
        for epoch in range(1, epochs + 1):
            yield [{"dice": (1 - params["dropout"]) * epoch / 10, "mean_iou": 0.0} for _ in folds]

    with patch("helpers.studies.optuna_study.score_folds", side_effect=scores) as mock:
        yield mock


def earlier(trials: int, epochs: int) -> pd.DataFrame:
    """A table of complete trials with random parameters, and the scores that are pretended."""
    study, rows = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)), []
    for place in range(trials):
        params = study.ask(SPACE).params
        curve = {f"epoch {epoch}": (1 - params["dropout"]) * epoch / 10 for epoch in range(1, epochs + 1)}
        value = curve[f"epoch {epochs}"]
        row = {"trial": place, "state": "complete", "value": value, "seconds": 0.0} | params | curve
        rows.append(row | {"fold 1": value, "fold 2": value})
    return pd.DataFrame(rows)


def run(study, folds, trials) -> pd.DataFrame:
    list(run_trials(study, folds, trials))
    return trials_frame(study).drop(columns="seconds")


# Folds


@pytest.mark.parametrize("number", [2, 3, 5])
def test_folds_leave_each_well_out_once_and_never_hold_a_test_well(wells, number):
    config = Config()
    folds = make_folds(*wells, folds=number)
    left_out = [well for fold in folds for well in fold.wells]
    assert sorted(left_out) == sorted(config.train_wells + config.val_wells)
    for fold in folds:
        jury = {int(name.split("_")[1]) for name in fold.jury.names}
        assert jury == set(fold.wells)
        assert set(wells_of(fold.y)) == set(left_out) - jury
        assert fold.images.index.equals(fold.y.index)


def test_a_folds_training_wells_are_cleaned_by_themselves(wells):
    """One patch of a well left out is changed beyond recognition: what is trained on stays the same."""
    y, images = wells
    before = make_folds(y, images, folds=2)[0]
    strange = images.copy()
    strange.loc[before.jury.names[0]] = 0.3
    after = make_folds(y, strange, folds=2)[0]
    first, second = (
        next(train_epochs(default_params() | SMALL, fold.y, fold.images, 1, 0)) for fold in (before, after)
    )
    assert torch.equal(first.head.weight, second.head.weight)


def test_the_jury_does_not_depend_on_a_trials_cleaning(wells):
    """Half of the patches lack 50 pixels. A trial may drop them from training, never from its jury."""
    y, images = wells
    images = images.copy()
    images.iloc[::2, :50] = np.nan
    fold = make_folds(y, images, folds=2)[0]
    assert len(fold.jury) == (wells_of(y)[:, None] == fold.wells).sum()
    trained_on = []

    def note(model, loader, *arguments):
        trained_on.append(loader)
        return train_one_epoch(model, loader, *arguments)

    with patch("helpers.studies.hyperparameters.train_one_epoch", side_effect=note):
        for pixels in (10, 100):
            params = default_params() | SMALL | {"ruined_pixels": pixels}
            list(score_folds(params, [fold], epochs=1, seed=0))
    assert len(trained_on[0].dataset) <= len(trained_on[1].dataset) / 2


def test_more_folds_than_wells_are_refused(wells):
    with pytest.raises(DataError, match="12 folds need as many wells"):
        make_folds(*wells, folds=12)


def test_a_fold_without_grooves_is_refused(wells):
    with pytest.raises(DataError, match=r"Wells \((9|10),\) have no groove.*fewer folds than 11"):
        make_folds(*wells, folds=11)


# Parameters


def test_the_defaults_are_the_configs_and_lie_in_the_space():
    params = default_params()
    assert list(sorted(params)) == sorted(SPACE)
    assert all(SPACE[name]._contains(SPACE[name].to_internal_repr(params[name])) for name in SPACE)
    assert sum(p.numel() for p in build_model("unet", width=params["width"]).parameters()) == 419_777


@given(st.floats(0, 1))
def test_augmentation_scales_every_change_but_the_flips(strength):
    config = config_of(default_params() | {"augmentation": strength})
    for name in ("p_roll", "p_rotation", "p_crop", "p_blur", "p_noise", "p_brightness"):
        assert getattr(config, name) == strength * getattr(Config(), name)
    assert config.p_flip == Config().p_flip


def test_the_defaults_change_nothing_in_the_config_but_the_unused_changes():
    assert config_of(default_params() | {"augmentation": 1.0}) == Config()


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 5e-3), ("dropout", 0.4), ("loss", "focal"), ("weight_decay", 1.0)]
    + [("augmentation", 1.0), ("spe_std", 2.0), ("batch_size", 4), ("width", 4)],
)
def test_every_parameter_reaches_the_training(folds, name, value):
    def weights(params):
        *_, model = train_epochs(params, folds[0].y, folds[0].images, 1, 0)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    params = default_params() | SMALL
    assert not torch.equal(weights(params), weights(params | {name: value}))


def test_the_same_seed_trains_the_same_model_and_folds_in_step_do_not_disturb_each_other(folds):
    params = default_params() | SMALL
    together = [scores[0] for scores in score_folds(params, folds, 2, 0)]
    alone = [scores[0] for scores in score_folds(params, folds[:1], 2, 0)]
    other = [scores[0] for scores in score_folds(params, folds[:1], 2, 1)]
    assert together == alone != other


# The study


def test_the_first_trial_has_the_defaults(folds, tmp_path, pretended):
    table = run(open_study(tmp_path / "study.db", folds, 3), folds, 2)
    assert table.loc[0, PARAMS].to_dict() == default_params()
    assert table.loc[1, PARAMS].to_dict() != default_params()


def test_another_seed_draws_other_trials(folds, tmp_path, pretended):
    def drawn(seed):
        config = Config(seed=seed)
        study = open_study(tmp_path / f"{seed}.db", folds, 1, config)
        return [trial.params for trial in run_trials(study, folds, 2, config)]

    first, second = drawn(0), drawn(1)
    assert first[0] == second[0] == default_params() and first[1] != second[1]


def test_the_value_is_the_mean_of_the_folds_after_the_last_epoch(folds, tmp_path):
    def scores(*_):
        yield [{"dice": 0.9}, {"dice": 0.7}]
        yield [{"dice": 0.2}, {"dice": 0.4}]

    with patch("helpers.studies.optuna_study.score_folds", side_effect=scores):
        table = run(open_study(tmp_path / "study.db", folds, 2), folds, 1)
    assert table.loc[0, ["value", "epoch 1", "epoch 2"]].tolist() == pytest.approx([0.3, 0.8, 0.3])
    assert table.loc[0, ["fold 1", "fold 2"]].tolist() == [0.2, 0.4]


def test_a_killed_study_goes_on_as_if_nothing_had_happened(folds, tmp_path, pretended):
    """The process is killed with kill -9 in the 12th trial, when TPE draws from what it has seen."""
    undisturbed = run(open_study(tmp_path / "a.db", folds, 3, table=earlier(10, 3)), folds, 13)
    script = f"""
import os, signal, sys
sys.path[:0] = [{str(PROJECT_ROOT)!r}, {str(PROJECT_ROOT / "tests" / "studies")!r}]
import helpers.studies.optuna_study
import test_hyperparameters as t
def scores(params, folds, epochs, seed, config):
    for epoch in range(1, epochs + 1):
        yield [{{"dice": (1 - params["dropout"]) * epoch / 10}} for _ in folds]
        if len(t.finished(study)) == 11 and epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
helpers.studies.optuna_study.score_folds = scores
folds = t.make_folds(*t.small_wells(), folds=2)
study = t.open_study({str(tmp_path / "b.db")!r}, folds, 3, table=t.earlier(10, 3))
list(t.run_trials(study, folds, 13))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == -9, done.stderr
    study = open_study(tmp_path / "b.db", folds, 3)
    assert [len(finished(study)), study.trials[-1].state] == [11, TrialState.FAIL]
    pd.testing.assert_frame_equal(run(study, folds, 13), undisturbed)


def test_a_study_killed_in_its_first_trial_still_tries_the_defaults(folds, tmp_path, pretended):
    study = open_study(tmp_path / "study.db", folds, 3)
    study.ask(SPACE)
    table = run(open_study(tmp_path / "study.db", folds, 3), folds, 2)
    assert table.loc[0, PARAMS].to_dict() == default_params()
    assert list(table["trial"]) == [0, 1]


def test_a_finished_study_has_nothing_to_do(folds, tmp_path, pretended):
    study = open_study(tmp_path / "study.db", folds, 3)
    run(study, folds, 2)
    pretended.reset_mock()
    assert list(run_trials(study, folds, 2)) == [] and not pretended.called


def test_hopeless_trials_are_pruned_but_not_in_the_last_epoch(folds, tmp_path, pretended):
    study = open_study(tmp_path / "study.db", folds, 4, pruner=ThresholdPruner(lower=0.17, n_warmup_steps=2))
    table = run(study, folds, 8)
    pruned = table["state"] == "pruned"
    hopeless = table["dropout"] > 0.15  # 0.2 (1 - dropout) < 0.17, after the second epoch
    assert 0 < pruned.sum() < 8 and (pruned == hopeless).all()
    assert table.loc[pruned, "value"].isna().all() and table.loc[pruned, "epoch 3"].isna().all()
    assert table.loc[pruned, "epoch 2"].notna().all()


def test_the_default_pruner_stops_what_is_worse_than_the_median(folds, tmp_path, pretended):
    study = open_study(tmp_path / "study.db", folds, 5, table=earlier(5, 5))
    assert isinstance(study.pruner, MedianPruner)
    table = run(study, folds, 11)
    pruned = table["state"] == "pruned"
    assert 0 < pruned.sum() < 6
    for place in table.index[pruned]:
        before = table[(table.index < place) & ~pruned]
        assert table.loc[place, "dropout"] > before["dropout"].median()
        assert table.loc[place, ["epoch 3", "epoch 4"]].notna().tolist() == [True, False]


def test_a_table_of_other_epochs_is_no_beginning(folds, tmp_path):
    with pytest.raises(DataError, match="trials of 4 epochs, found 3"):
        open_study(tmp_path / "study.db", folds, 4, table=earlier(2, 3))


@pytest.mark.parametrize("error", [FloatingPointError("loss is NaN"), DataError("Cleaning left none")])
def test_a_training_that_fails_counts_as_pruned_and_says_why(folds, tmp_path, error):
    study = open_study(tmp_path / "study.db", folds, 2)
    with patch("helpers.studies.optuna_study.score_folds", side_effect=error):
        list(run_trials(study, folds, 1))
    (trial,) = finished(study)
    assert trial.state == TrialState.PRUNED and trial.user_attrs["stopped"] == str(error)
    assert trials_frame(study).loc[0, ["epoch 1", "fold 2"]].isna().all()


# Errors


def test_a_file_that_is_no_study_is_named(folds, tmp_path):
    path = tmp_path / "study.db"
    path.write_text("trial,value\n" * 200)
    with pytest.raises(DataError, match="study.db: expected the SQLite file of a study"):
        open_study(path, folds, 2)
    with pytest.raises(DataError, match=f"{tmp_path}: expected the SQLite file"):
        open_study(tmp_path, folds, 2)


def test_a_folder_that_cannot_be_made_is_named(folds, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be made"):
        open_study(tmp_path / "file" / "study.db", folds, 2)


def test_a_study_of_another_setting_is_refused(folds, wells, tmp_path):
    path = tmp_path / "study.db"
    open_study(path, folds, 2)
    with pytest.raises(DataError, match="other epochs"):
        open_study(path, folds, 3)
    with pytest.raises(DataError, match="other seed"):
        open_study(path, folds, 2, Config(seed=1))
    with pytest.raises(DataError, match="other folds, data"):
        open_study(path, make_folds(*wells, folds=3), 2)
    with pytest.raises(DataError, match="other data"):
        y, images = wells
        open_study(path, make_folds(y, images * 2, folds=2), 2)
    with (
        patch.dict(SPACE, {"dropout": optuna.distributions.FloatDistribution(0, 0.9)}),
        pytest.raises(DataError, match="other space"),
    ):
        open_study(path, folds, 2)


# Tables and boards


def test_a_study_is_made_again_from_its_table(folds, tmp_path, pretended):
    study = open_study(tmp_path / "study.db", folds, 3, pruner=ThresholdPruner(lower=0.17, n_warmup_steps=2))
    list(run_trials(study, folds, 6))
    written = trials_frame(study)
    written.to_csv(tmp_path / "trials.csv", index=False)
    again = study_of(pd.read_csv(tmp_path / "trials.csv", float_precision="round_trip"))
    for before, after in zip(finished(study), finished(again), strict=True):
        assert (before.params, before.state) == (after.params, after.state)
        assert before.intermediate_values == pytest.approx(after.intermediate_values)
    again.set_user_attr("setting", study.user_attrs["setting"])
    pd.testing.assert_frame_equal(trials_frame(again), written)


def test_a_table_of_something_else_is_refused():
    with pytest.raises(DataError, match="rows of a study's trials.*state"):
        study_of(pd.DataFrame({"seed": [0], "dice": [0.5]}))


def test_the_parameter_that_decides_is_the_important_one_and_not_by_chance():
    table = earlier(40, 1)
    shares = importance(study_of(table))
    assert shares.index[0] == "dropout" and shares["dropout"] > 0.5
    assert shares.sum() == pytest.approx(1)
    assert importance_by_chance(table, shuffles=3)["dropout"] < 0.4


def test_tensorboard_gets_curve_and_parameters(folds, tmp_path, pretended):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study = open_study(tmp_path / "study.db", folds, 3)
    for trial in run_trials(study, folds, 1):
        log_trial(tmp_path / "board", trial)
    events = EventAccumulator(str(tmp_path / "board" / "trial_000")).Reload()
    curve = [event.value for event in events.Scalars("Mean Dice of the folds")]
    assert curve == pytest.approx(list(trial.intermediate_values.values()))
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")


# The script


def test_the_script_has_nothing_to_do_where_its_tables_are_complete(tmp_path):
    kept = sorted((PROJECT_ROOT / "experiments").glob("tune*_simulated.csv"))
    assert len(kept) == 4  # search, confirmation, final evaluation, record of the test wells
    for path in kept:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    command = [
        sys.executable,
        "experiments/tune.py",
        "--output",
        str(tmp_path),
        "--study",
        str(tmp_path / "study"),
    ]
    subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True, timeout=120)
    for path in kept:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
