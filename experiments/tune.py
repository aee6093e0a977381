"""Which hyperparameters, judged by folds of wells? Notebook 06, sections 6 and 7.

1. Search: TPE draws parameters, and the U-Net is trained with them on the three folds of the training and
   validation wells, judged by the labels of the wells left out. The median of all stops hopeless trials.
2. Confirmation: the defaults and the best trials are trained from new seeds on the same folds, since the best
   of many is partly the luckiest. The best mean of the new seeds is the choice.

Kill it at any time and run it again. The study is the journal beside the CSV.
"""

import argparse
from pathlib import Path

from common import HERE, Results, at_least, every, kind_of, load_folds, run_from_command_line
from optuna.trial import TrialState

from experiments.tuning import FINISHED, default_params, log_trial, open_study, run_trials, score_folds
from helpers.config import Config
from helpers.files import disk_errors

REPEATS = (1, 2)  # of the confirmation; the search is repeat 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=at_least(1), default=20, help="of the search (default 20)")
    parser.add_argument("--epochs", type=at_least(1), default=10, help="of every training (default 10)")
    parser.add_argument("--confirmed", type=at_least(0), default=2, help="best trials to confirm (default 2)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the files (default: this one's)")
    arguments = parser.parse_args()
    source, folds = load_folds()
    kind = "simulated" if source.simulated else "real"
    results = Results(arguments.output / f"tune_{kind}.csv", __file__, source)
    results.provenance["judge"] = source.labels  # of the wells left out: real wells have no truth to tune by
    journal = arguments.output / f"tune_{kind}.journal"
    study = open_study(journal, folds, arguments.epochs)
    if "provenance" not in study.user_attrs:
        study.set_user_attr("provenance", results.provenance)
    here, there = (kind_of(made["machine"]) for made in (results.provenance, study.user_attrs["provenance"]))
    if here != there and len(study.get_trials(states=FINISHED)) < arguments.trials:
        raise ValueError(
            f"{journal}: this search was begun on {there}, and this machine is {here}. Go on there, or name "
            "another folder with --output."
        )
    with disk_errors(journal, "written", arguments.output):
        for trial in run_trials(study, folds, arguments.trials):
            log_trial(Config().runs_dir / "tuning" / kind, trial)
            print(trial.number, trial.state.name, trial.value, flush=True)
    best = sorted(study.get_trials(states=[TrialState.COMPLETE]), key=lambda trial: -trial.value)
    tried = [trial for trial in best if trial.params != default_params()][: arguments.confirmed]
    candidates = {"defaults": default_params()} | {f"trial {t.number}": t.params for t in tried}
    for key in results.missing(every(candidate=candidates, repeat=REPEATS, epochs=[arguments.epochs])):
        *_, dices = score_folds(candidates[key["candidate"]], folds, arguments.epochs, key["repeat"])
        results.add_all([key | {"fold": k, "dice": round(dice, 4)} for k, dice in enumerate(dices)])


if __name__ == "__main__":
    run_from_command_line(main)
