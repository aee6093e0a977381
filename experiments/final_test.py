"""The test wells, opened once, for what was chosen by folds of the training and validation wells.

Notebook 09, section 1. Each candidate is trained on all training and validation wells with each seed, and
scored on the test wells by the clean truth where it is known. The question is written down before the wells
are opened (final_test_record_<data>.csv); another one is refused unless `--reason` says why it is asked.
"""

import argparse
import hashlib
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import EPOCHS, HERE, Results, at_least, judge_of, run_from_command_line
from torch import Tensor
from tqdm import tqdm

from helpers.checkpoint import load_model
from helpers.config import Config
from helpers.data import find_data, load_data
from helpers.dataset import SegmentationDataset
from helpers.runs import unsaved_run
from helpers.studies.final_evaluation import note_scores, open_test_wells
from helpers.studies.folds import STUDY_CONFIG, predict_masks, score, summary
from helpers.studies.tuning import default_params, read_study, train_with
from helpers.training import train
from helpers.transforms import well_transform
from helpers.wells import well_from_frame, wells_of
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import WEIGHTS, predict_well
from helpers.whole_wells.sections import HEIGHT, SectionDataset, SectionLoader, assemble_wells


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--epochs", type=at_least(1), default=EPOCHS, help=f"of each training (default {EPOCHS})"
    )
    parser.add_argument("--seeds", type=at_least(1), default=3, help="of each candidate (default 3)")
    parser.add_argument("--tuned", type=at_least(0), help="number of the trial that tune.py confirmed")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these candidates (default: all)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the CSVs (default: this one)")
    parser.add_argument("--reason", default="", help="why the test wells are asked a second question")
    arguments = parser.parse_args()
    source = find_data()
    kind = "simulated" if source.simulated else "real"
    y, images = load_data(source.folder, Config().unpacked_dir)
    candidates = read_candidates(arguments.output / f"tune_{kind}.journal", arguments.tuned)
    if unknown := sorted(set(arguments.only or []) - set(candidates)):
        raise ValueError(f"--only: no candidate is called {unknown[0]!r}; there are {', '.join(candidates)}.")
    candidates = {name: candidates[name] for name in arguments.only or candidates}
    results = Results(arguments.output / f"final_test_{kind}.csv", __file__, source)
    record = arguments.output / f"final_test_record_{kind}.csv"
    question = {"candidates": candidates, "epochs": arguments.epochs, "seeds": arguments.seeds}
    runs = [
        key
        for seed, name in product(range(arguments.seeds), candidates)
        if not results.has(**(key := {"candidate": name, "seed": seed, "epochs": arguments.epochs}))
        and (seed == 0 or is_trained(candidates[name]))
    ]
    if not runs:
        return
    test = open_test_wells(record, y, images, question, arguments.reason)
    truth = judge_of(source, test)
    for key in tqdm(runs, unit="run"):
        masks = train_and_predict(candidates[key["candidate"]], y, images, test, key["epochs"], key["seed"])
        results.add(**key, **{name: round(value, 4) for name, value in score(masks, truth).items()})
    found = summary(results.rows, ["candidate"], ["dice", "mean_iou"])
    note_scores(record, question, "; ".join(f"{name}: {row['dice']}" for name, row in found.iterrows()))
    print(found.to_string())


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
    seen = np.isin(wells_of(y), config.train_wells + config.val_wells)
    y_seen, images_seen = y[seen], images.loc[y.index[seen]]
    if "params" in candidate:
        *_, run = train_with(candidate["params"], y_seen, images_seen, epochs, seed)
        return predict_masks(run.model, test)
    if "weights" in candidate:
        run = unsaved_run("well_resunet", config, norm="group")
        run.model.load_state_dict(load_model(WEIGHTS)[0].state_dict())
    else:
        run = unsaved_run("well_resunet", config)
    if is_trained(candidate):
        wells = assemble_wells(y_seen, images_seen, sorted(config.train_wells + config.val_wells))
        sections = SectionDataset(wells, candidate["height"], well_transform(config), True, seed)
        for _ in train(run, SectionLoader(sections, config.batch_size, shuffle=True, seed=seed), epochs):
            pass
    found = {
        well: predict_well(run.model, well_from_frame(images, well), config=config)
        for well in sorted(config.test_wells)
    }
    return torch.from_numpy(patches_of_wells(found, test.names))[:, None] >= config.threshold


if __name__ == "__main__":
    run_from_command_line(main)
