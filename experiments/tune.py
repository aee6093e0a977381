"""Which hyperparameters, judged by wells left out? What does the choice gain on wells that nobody has seen?

1. Search: TPE draws parameters, and the U-Net is trained with them on three folds of the training and
   validation wells, judged by the labels of the wells left out. The median of all stops hopeless trials.
2. Confirmation: the defaults and the best trials are trained from new seeds on the same folds, since the best
   of many is partly the luckiest. The best mean of the new seeds is the choice.
3. Final evaluation, once: the choice against the defaults, trained on all training and validation wells with
   several seeds, scored on the test wells by the clean truth where it is known.

Kill it at any time and run it again. The study is runs/tuning/<data>.db, TensorBoard logs lie beside it;
without that file it goes on from the CSV of trials. tune_test_wells_<data>.csv has each question to the test
wells.
"""

import argparse
from itertools import chain, product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import HERE, Results, judge_of, run_from_command_line
from optuna.trial import TrialState

from helpers.config import Config
from helpers.data import DataSource, find_data, load_data
from helpers.studies.final_evaluation import gain, note_scores, open_test_wells, train_and_score, verdict
from helpers.studies.hyperparameters import default_params, make_folds, score_folds
from helpers.studies.optuna_study import finished, log_trial, open_study, row_of, run_trials

FOLDS = 3
SEARCH_SEED, CONFIRM_SEEDS = Config().seed, (1, 2)


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=24, help="of the search (default 24)")
    parser.add_argument("--epochs", type=int, default=10, help="of every training (default 10)")
    parser.add_argument("--confirmed", type=int, default=2, help="best trials to confirm (default 2)")
    parser.add_argument("--seeds", type=int, default=4, help="of the final evaluation (default 4)")
    parser.add_argument(
        "--output", type=Path, default=HERE, help="folder of the CSVs (default: this script's)"
    )
    parser.add_argument(
        "--study", type=Path, default=Config().runs_dir / "tuning", help="folder of the study"
    )
    parser.add_argument("--reason", default="", help="why the test wells are asked a second question")
    arguments = parser.parse_args()
    source = find_data()
    y, images = load_data(source.folder, Config().unpacked_dir)
    tuning = Tuning(arguments, source, y, images)
    tuning.search()
    tuning.confirm()
    tuning.evaluate_finally()


class Tuning:
    """The three steps, and what they share."""

    def __init__(
        self, arguments: argparse.Namespace, source: DataSource, y: pd.DataFrame, images: pd.DataFrame
    ):
        self.arguments, self.source, self.y, self.images = arguments, source, y, images
        self.folds = make_folds(y, images, FOLDS)
        self.kind = "simulated" if source.simulated else "real"
        self.budget = {"epochs": arguments.epochs, "folds": FOLDS}

    def results(self, step: str, judge: str) -> Results:
        results = Results(self.arguments.output / f"{step}_{self.kind}.csv", __file__, self.source)
        results.provenance["judge"] = judge
        return results

    def search(self) -> None:
        results = self.results("tune", self.source.labels)  # of the wells left out: the truth is for the end
        path = self.arguments.study / f"{self.kind}.db"
        study = open_study(path, self.folds, self.arguments.epochs, table=results.rows)
        for trial in chain(finished(study), run_trials(study, self.folds, self.arguments.trials)):
            if not results.has(trial=trial.user_attrs["place"]):
                log_trial(self.arguments.study / self.kind, trial)
                results.add(**row_of(trial, study.user_attrs["setting"]), seed=SEARCH_SEED, **self.budget)
        best = sorted(study.get_trials(states=[TrialState.COMPLETE]), key=lambda t: t.value, reverse=True)
        tried = [trial for trial in best if trial.params != default_params()][: self.arguments.confirmed]
        self.candidates = {"defaults": default_params()}
        self.candidates |= {f"trial {trial.user_attrs['place']}": trial.params for trial in tried}

    def confirm(self) -> None:
        results = self.results("tune_confirm", self.source.labels)
        for seed, (name, params) in product(CONFIRM_SEEDS, self.candidates.items()):
            run = {"candidate": name, "seed": seed, **self.budget}
            if results.has(**run):
                continue
            *_, scores = score_folds(params, self.folds, self.arguments.epochs, seed)
            dices = {f"fold {n}": round(score["dice"], 5) for n, score in enumerate(scores, 1)}
            results.add(**run, dice=round(float(np.mean(list(dices.values()))), 5), **dices)
        means = results.rows.groupby("candidate")["dice"].mean()
        self.chosen = means[list(self.candidates)].drop("defaults").idxmax()

    def evaluate_finally(self) -> None:
        results = self.results("tune_final", "clean truth" if self.source.simulated else self.source.labels)
        candidates = {"defaults": self.candidates["defaults"], "tuned": self.candidates[self.chosen]}
        seeds, epochs = range(self.arguments.seeds), self.arguments.epochs
        question = {"candidates": candidates, "tuned": self.chosen, "epochs": epochs, "seeds": list(seeds)}
        record = self.arguments.output / f"tune_test_wells_{self.kind}.csv"
        runs = [
            run
            for seed, name in product(seeds, candidates)
            if not results.has(
                **(run := {"candidate": name, "tuned": self.chosen, "seed": seed, "epochs": epochs})
            )
        ]
        if not runs:
            return
        test = open_test_wells(record, self.y, self.images, question, self.arguments.reason)
        truth = judge_of(self.source, test)
        for run in runs:
            params = candidates[run["candidate"]]
            scores = train_and_score(params, self.y, self.images, test, truth, epochs, run["seed"])
            results.add(**run, **{key: round(value, 5) for key, value in scores.items()})
        dice = results.rows[results.rows["tuned"] == self.chosen].set_index("candidate")["dice"]
        found = f"test Dice: {verdict(gain(dice['tuned'], dice['defaults']))}"
        note_scores(record, question, found)
        print(found)


if __name__ == "__main__":
    run_from_command_line(main)
