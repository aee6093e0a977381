"""The test wells, opened once, for what was chosen by folds of the training and validation wells.

Notebook 09, section 1. Each candidate is trained on all training and validation wells with each seed, and
scored on the test wells by the clean truth where it is known. To score twice and keep the better result is to
tune on the test wells. That cannot be prevented, but each question is written down before the wells are
opened (final_test_record_<data>.csv), and another one is refused unless `--reason` says why it is asked.
"""

import argparse
import hashlib
import json
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import EPOCHS, HERE, Results, at_least, judge_of, run_from_command_line, score
from torch import Tensor

from experiments.folds import STUDY_CONFIG, predict_masks, summary
from experiments.tuning import default_params, read_study, train_with
from helpers.config import Config
from helpers.data import find_data, load_data
from helpers.data.dataset import SegmentationDataset
from helpers.data.preprocess import PreprocessData
from helpers.data.transforms import normalize, well_transform
from helpers.data.wells import well_from_frame, wells_of
from helpers.files import DataError, replace_atomically
from helpers.training import train
from helpers.training.checkpoint import load_model
from helpers.training.runs import unsaved_run
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import WEIGHTS, predict_well
from helpers.whole_wells.sections import HEIGHT, SectionDataset, assemble_wells, section_loader

RECORD_COLUMNS = ["evaluation", "date", "times_opened", "question", "reason", "scores"]


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    epochs = f"of each training (default {EPOCHS})"
    parser.add_argument("--epochs", type=at_least(1), default=EPOCHS, help=epochs)
    parser.add_argument("--seeds", type=at_least(1), default=3, help="of each candidate (default 3)")
    parser.add_argument("--tuned", type=at_least(0), help="number of the trial that tune.py confirmed")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these candidates (default: all)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the CSVs (default: this one)")
    parser.add_argument("--reason", default="", help="why the test wells are asked a second question")
    arguments = parser.parse_args()
    source = find_data()
    kind = "simulated" if source.simulated else "real"
    y, images = load_data(source.folder)
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
        if seed == 0 or is_trained(candidates[name])
    ]
    if all(results.has(**key) for key in keys):
        return
    ask(record, question, arguments.reason)
    chosen = np.isin(wells_of(y), Config().test_wells)
    cleaned = PreprocessData().transform(y[chosen], images.loc[y.index[chosen]])
    test = SegmentationDataset.from_frames(*cleaned, normalize())
    truth = judge_of(source, test)
    for key in results.missing(keys):
        masks = train_and_predict(candidates[key["candidate"]], y, images, test, key["epochs"], key["seed"])
        results.add(**key, **{name: round(value, 4) for name, value in score(masks, truth).items()})
    found = summary(results.rows, ["candidate"], ["dice", "mean_iou"])
    answer(record, question, "; ".join(f"{name}: {row['dice']}" for name, row in found.iterrows()))
    print(found.to_string())


# ---------------------------------------------------------------- the record of questions


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
    write(record, table)
    print(f"Test wells {', '.join(map(str, Config().test_wells))} opened; questions so far: {len(table)}.")


def answer(record: Path, question: dict[str, object], scores: str) -> None:
    """Write the answer beside its question."""
    table = read_record(record)
    table.loc[table["question"] == json.dumps(question, sort_keys=True), "scores"] = scores
    write(record, table)


def read_record(record: Path) -> pd.DataFrame:
    if not record.exists():
        return pd.DataFrame(columns=RECORD_COLUMNS)
    try:
        table = pd.read_csv(record, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{record}: expected a record of final evaluations ({error}).") from error
    if list(table) != RECORD_COLUMNS:
        raise DataError(f"{record}: expected a record with columns {RECORD_COLUMNS}, found {list(table)}.")
    return table


def write(record: Path, table: pd.DataFrame) -> None:
    with replace_atomically(record) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


# ---------------------------------------------------------------- the candidates


def read_candidates(journal: Path, tuned: int | None) -> dict[str, dict]:
    """What was chosen before, by name, each with how it was chosen."""
    candidates = {"baseline": {"chosen": "notebook 04", "params": default_params()}}
    if tuned is not None:
        trials = read_study(journal).trials
        if tuned >= len(trials):
            raise ValueError(f"--tuned {tuned}: {journal} has the trials 0 to {len(trials) - 1}.")
        params = trials[tuned].params
        candidates["tuned"] = {"chosen": f"trial {tuned} of tune.py, by folds", "params": params}
    candidates["whole wells"] = {"chosen": "whole_well.py, by folds", "height": HEIGHT}
    weights = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]
    candidates["simulated only"] = {"chosen": "recipes.py, by folds", "weights": weights}
    candidates["simulated, then trained"] = candidates["simulated only"] | {"height": HEIGHT}
    return candidates


def is_trained(candidate: dict) -> bool:
    """Whether it learns from the wells at hand: the weights that ship with the project do not."""
    return "params" in candidate or "height" in candidate


def train_and_predict(
    candidate: dict, y: pd.DataFrame, images: pd.DataFrame, test: SegmentationDataset, epochs: int, seed: int
) -> Tensor:
    """Masks (N, 1, 36, 36) of the test wells' patches by a network of all other wells."""
    config = replace(STUDY_CONFIG, seed=seed)
    others = sorted(config.train_wells + config.val_wells)
    seen = np.isin(wells_of(y), others)
    y_seen, images_seen = y[seen], images.loc[y.index[seen]]
    if "params" in candidate:
        *_, run = train_with(candidate["params"], y_seen, images_seen, epochs, seed)
        return predict_masks(run.model, test)
    network = load_model(WEIGHTS)[0] if "weights" in candidate else "well_resunet"
    run = unsaved_run(network, config)
    if is_trained(candidate):
        wells = assemble_wells(y_seen, images_seen, others)
        sections = SectionDataset(wells, candidate["height"], well_transform(), True, config)
        for _ in train(run, section_loader(sections, config.batch_size, shuffle=True), epochs):
            pass
    found = {
        well: predict_well(run.model, well_from_frame(images, well), config=config)
        for well in sorted(config.test_wells)
    }
    return torch.from_numpy(patches_of_wells(found, test.names))[:, None] >= config.threshold


if __name__ == "__main__":
    run_from_command_line(main)
