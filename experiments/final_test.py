"""The test wells, opened for what was chosen by draws and by folds of the other wells. Notebook 09.

Each candidate learns from all training and validation wells, with each seed, and is scored on the test wells.
Scoring twice and keeping the better result would be tuning, so each question is written down before
(final_test_record_<data>.csv), and another one needs a `--reason`.
"""

import argparse
import hashlib
import json
from datetime import datetime
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from common import EPOCHS, HERE, Results, Variant, at_least, load_with_truth, run_from_command_line
from whole_wells import averaged, by_grooves, plainly

from experiments.draws import STUDY_CONFIG, learns_with, leave_out
from experiments.tuning import learns_by, read_study
from helpers.data import find_data
from helpers.files import DataError, replace_atomically
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS

RECORD_COLUMNS = ["evaluation", "date", "times_opened", "question", "reason", "scores"]
TEST_WELLS = STUDY_CONFIG.test_wells

CANDIDATES: dict[str, Variant] = {
    "baseline": learns_with(),
    "tuned": lambda *of: learns_by(read_study(HERE / "tune_simulated.journal").best_params)(*of),
    "shipped": lambda draw, epochs: plainly(draw, load_model(WEIGHTS)[0]),
    "shipped, by grooves": lambda draw, epochs: by_grooves(draw, load_model(WEIGHTS)[0]),
    "shipped, averaged": lambda draw, epochs: plainly(draw, averaged(draw, epochs)),
    "shipped, averaged, by grooves": lambda draw, epochs: by_grooves(draw, averaged(draw, epochs)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=at_least(1), default=EPOCHS, help=f"of training (default {EPOCHS})")
    parser.add_argument("--seeds", type=at_least(1), default=3, help="of each candidate (default 3)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the CSVs (default: this one)")
    parser.add_argument("--reason", default="", help="why the test wells are asked another question")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = find_data()
    kind = "simulated" if source.simulated else "real"
    results = Results(arguments.output / f"final_test_{kind}.csv", __file__, source)
    keys = [
        {"candidate": name, "seed": seed, "epochs": arguments.epochs}
        for seed, name in product(range(arguments.seeds), CANDIDATES)
        if seed == 0 or name not in ("shipped", "shipped, by grooves")  # which learn nothing
    ]
    if not (keys := [key for key in keys if not results.has(**key)]):
        return
    weights = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]
    question = {"candidates": list(CANDIDATES), "shipped": weights}
    question |= {"epochs": arguments.epochs, "seeds": arguments.seeds}
    ask(record := arguments.output / f"final_test_record_{kind}.csv", question, arguments.reason)
    data = load_with_truth(source)
    draws = [leave_out(seed, TEST_WELLS, *data) for seed in range(arguments.seeds)]  # candidates share them
    for key in keys:
        results.add(**key, **CANDIDATES[key["candidate"]](draws[key["seed"]], key["epochs"]))
    means = results.rows.groupby("candidate", sort=False)[["dice", "mean_iou"]].mean().round(3)
    answer(record, question, "; ".join(f"{name}: Dice {row['dice']}" for name, row in means.iterrows()))
    print(means.to_string())


def ask(record: Path, question: dict[str, object], reason: str) -> None:
    """Write down what the test wells are asked, before they are opened. The same question again, after a kill
    say, is the same evaluation, and only counted as opened once more.

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
            "them is judged by no unseen wells. If you must ask again, give a reason: the record keeps it."
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


if __name__ == "__main__":
    run_from_command_line(main)
