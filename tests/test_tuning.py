"""The search for hyperparameters: what a trial is, and that a killed search goes on."""

from unittest.mock import patch

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import FixedTrial, TrialState

from experiments import tuning
from experiments.draws import Draw, simulate_draw
from experiments.tuning import DEFAULTS, objective, open_study, search, suggest, train_with
from helpers.files import DataError

SMALL = DEFAULTS | {"width": 8}


@pytest.fixture(scope="module")
def tiny() -> Draw:
    return simulate_draw(3, learn=6, judged=1, rows=144)


def pretended(trial, draw, epochs):
    """Follows from the parameters at once, without training: a higher dropout is worse."""
    params = suggest(trial)
    for epoch in range(1, epochs + 1):
        trial.report((1 - params["dropout"]) * epoch / 10, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return (1 - params["dropout"]) * epochs / 10


def test_the_defaults_are_the_baselines_and_lie_in_the_space():
    assert suggest(FixedTrial(DEFAULTS)) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 5e-3), ("dropout", 0.4), ("loss", "focal"), ("weight_decay", 1.0)]
    + [("augmentation", 1.0), ("batch_size", 16), ("width", 16)],
)
def test_every_parameter_reaches_the_training(tiny, name, value):
    def weights(params):
        *_, run = train_with(params, *tiny.cleaned, 1, 0)
        return torch.cat([p.detach().flatten() for p in run.model.parameters()])

    assert not torch.equal(weights(SMALL), weights(SMALL | {name: value}))


def test_a_trial_is_worth_its_dice_on_validation_wells_and_does_not_look_at_those_that_judge(tiny):
    trial = FixedTrial(SMALL)
    with patch.object(Draw, "judged", property(lambda draw: pytest.fail("looked at"))):
        assert 0 <= objective(trial, tiny, 2) <= 1


def test_a_killed_search_goes_on_and_the_first_trial_has_the_defaults(tmp_path):
    path = tmp_path / "tune.journal"
    with patch.object(tuning, "objective", pretended):
        search(path, None, 5, trials=3)
        open_study(path).ask()  # killed in the fourth trial
        study = search(path, None, 5, trials=25)
    assert study.trials[0].params == DEFAULTS and study.trials[0].value == pytest.approx(0.45)
    finished = study.get_trials(states=tuning.FINISHED)
    assert len(finished) == 25 and len({str(trial.params) for trial in finished}) == 25
    pruned = [trial for trial in finished if trial.state == TrialState.PRUNED]
    assert pruned and all(
        trial.params["dropout"] > np.median([t.params["dropout"] for t in finished[: trial.number]])
        for trial in pruned
    )
    assert len(open_study(path).trials) == 26
    assert study.best_params["dropout"] == min(trial.params["dropout"] for trial in finished)


@pytest.mark.parametrize("error", [FloatingPointError("loss is NaN"), DataError("Cleaning left none")])
def test_a_training_that_fails_ends_its_trial_not_the_search(tmp_path, error):
    with patch.object(tuning, "objective", side_effect=error):
        study = search(tmp_path / "tune.journal", None, 2, trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2


def test_a_journal_whose_last_line_was_cut_goes_on(tmp_path):
    path = tmp_path / "study.journal"
    study = open_study(path)
    study.tell(study.ask(), 0.5)
    study.ask()
    path.write_bytes(path.read_bytes()[:-25])
    open_study(path).tell(open_study(path).ask(), 0.6)
    assert open_study(path).best_value == 0.6


def test_a_file_that_is_no_study_is_named(tmp_path):
    (path := tmp_path / "thesis.txt").write_text("years of\nwork")
    with pytest.raises(DataError, match="thesis.txt: expected the journal of a study"):
        open_study(path)
    assert path.read_text() == "years of\nwork"
    with pytest.raises(DataError, match="could not be made"):
        open_study(path / "study.journal")
