"""The test wells, opened once, for what was chosen by folds of the training and validation wells.

Notebook 09, section 1. Each candidate is trained on all training and validation wells with each seed, and
scored on the test wells by the clean truth where it is known. To score twice and keep the better result is to
tune on the test wells. That cannot be prevented, but each question is written down before the wells are
opened (final_test_record_<data>.csv), and another one is refused unless `--reason` says why it is asked.
"""

import argparse
import hashlib
import json
from datetime import datetime
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from common import EPOCHS, HERE, Results, at_least, judge_of, run_from_command_line, score
from recipes import train_on_wells
from torch import Tensor

from experiments.folds import STUDY_CONFIG, Fold, leave_out, predict_masks, summary
from experiments.tuning import default_params, read_study, train_with
from helpers.data import find_data, load_data
from helpers.files import DataError, replace_atomically
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS, mask_patches
from helpers.whole_wells.sections import HEIGHT, assemble_wells

RECORD_COLUMNS = ["evaluation", "date", "times_opened", "question", "reason", "scores"]
TEST_WELLS = STUDY_CONFIG.test_wells
OTHERS = sorted(STUDY_CONFIG.train_wells + STUDY_CONFIG.val_wells)


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=at_least(1), default=EPOCHS, help=f"of training (default {EPOCHS})")
    parser.add_argument("--seeds", type=at_least(1), default=3, help="of each candidate (default 3)")
    parser.add_argument("--tuned", type=at_least(0), help="number of the trial that tune.py confirmed")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these candidates (default: all)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the CSVs (default: this one)")
    parser.add_argument("--reason", default="", help="why the test wells are asked a second question")
    arguments = parser.parse_args()
    source = find_data()
    kind = "simulated" if source.simulated else "real"
    candidates = read_candidates(arguments.output / f"tune_{kind}.journal", arguments.tuned)
    if unknown := sorted(set(arguments.only or []) - set(candidates)):
        raise ValueError(f"--only: no candidate is called {unknown[0]!r}; there are {', '.join(candidates)}.")
    candidates = {name: candidates[name] for name in arguments.only or candidates}
    results = Results(arguments.output / f"final_test_{kind}.csv", __file__, source)
    record = arguments.output / f"final_test_record_{kind}.csv"
    question = {"candidates": candidates, "epochs": arguments.epochs, "seeds": arguments.seeds}
    keys = [
        {"candidate": name, "seed": seed, "epochs": arguments.epochs}
        for seed, name in product(range(arguments.seeds), candidates)
        if seed == 0 or {"params", "height"} & set(candidates[name])  # those that learn from these wells
    ]
    if all(results.has(**key) for key in keys):
        return
    ask(record, question, arguments.reason)
    y, images = load_data(source.folder)
    others = leave_out(0, TEST_WELLS, y, images)
    truth = judge_of(source, others.unseen)
    for key in results.missing(keys):
        masks = train_and_predict(candidates[key["candidate"]], others, images, key["epochs"], key["seed"])
        results.add(**key, **{name: round(value, 4) for name, value in score(masks, truth).items()})
    found = summary(results.rows, "candidate", ["dice", "mean_iou"])
    answer(record, question, "; ".join(f"{name}: {row['dice']}" for name, row in found.iterrows()))
    print(found.to_string())


def ask(record: Path, question: dict[str, object], reason: str) -> None:
    """Write down what the test wells are asked, before they are opened. The same question again, after a kill
    say, is the same evaluation, and only counted as opened once more.

    Raises
    ------
    DataError : another question was asked before, and no reason is given; or the file is no record.
    """
    table, asked = read_record(record), json.dumps(question, sort_keys=True)
    same = table["question"] == asked
    if same.any():
        table.loc[same, "times_opened"] += 1
    elif len(table) and not reason:
        before = table.iloc[-1]
        raise DataError(
            f"{record}: the test wells have answered {len(table)} other question(s), the last on "
            f"{before['date']} ({before['scores'] or 'no scores noted'}). What is chosen after a look at "
            "them is not judged by unseen wells. If you must ask again, give a reason: it is kept in the "
            "record, and belongs beside the result."
        )
    else:
        date = datetime.now().strftime("%Y-%m-%d %H:%M")
        table.loc[len(table)] = [len(table) + 1, date, 1, asked, reason, ""]
    save(record, table)
    print(f"Test wells {', '.join(map(str, TEST_WELLS))} opened; questions so far: {len(table)}.")


def answer(record: Path, question: dict[str, object], scores: str) -> None:
    """Write the answer beside its question."""
    table = read_record(record)
    table.loc[table["question"] == json.dumps(question, sort_keys=True), "scores"] = scores
    save(record, table)


def read_record(record: Path) -> pd.DataFrame:
    if not record.exists():
        return pd.DataFrame(columns=RECORD_COLUMNS)
    header, *_ = record.read_text().splitlines() or [""]
    if header != ",".join(RECORD_COLUMNS):
        raise DataError(f"{record}: expected a record with columns {RECORD_COLUMNS}, found {header!r}.")
    return pd.read_csv(record, keep_default_na=False)


def save(record: Path, table: pd.DataFrame) -> None:
    with replace_atomically(record) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read_candidates(journal: Path, tuned: int | None) -> dict[str, dict]:
    """What was chosen before, by name, each with how it was chosen."""
    candidates = {"baseline": {"chosen": "notebook 04", "params": default_params()}}
    if tuned is not None:
        params = dict(enumerate(trial.params for trial in read_study(journal).trials))
        if tuned not in params:
            raise ValueError(f"--tuned {tuned}: {journal} has the trials 0 to {len(params) - 1}.")
        candidates["tuned"] = {"chosen": f"trial {tuned} of tune.py, by folds", "params": params[tuned]}
    candidates["whole wells"] = {"chosen": "whole_well.py, by folds", "height": HEIGHT}
    weights = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]
    candidates["simulated only"] = {"chosen": "recipes.py, by folds", "weights": weights}
    candidates["simulated, then trained"] = candidates["simulated only"] | {"height": HEIGHT}
    return candidates


def train_and_predict(candidate: dict, others: Fold, images: pd.DataFrame, epochs: int, seed: int) -> Tensor:
    """Masks (N, 1, 36, 36) of the test wells' patches by a network of all other wells."""
    if "params" in candidate:
        *_, run = train_with(candidate["params"], others.y, others.images, epochs, seed)
        return predict_masks(run.model, others.unseen)
    network = load_model(WEIGHTS)[0] if "weights" in candidate else "well_resunet"
    if "height" in candidate:
        wells = assemble_wells(others.y, others.images, OTHERS)
        network = train_on_wells(wells, epochs, seed, height=candidate["height"], model=network)
    return mask_patches(network, images.loc[others.unseen.names], STUDY_CONFIG)


if __name__ == "__main__":
    run_from_command_line(main)
