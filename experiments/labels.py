"""Does it help to correct suspicious labels, to leave them out, or to train with a robust loss?

The reviewer's split. Labels of the training wells are ranked by models of other training wells (three folds,
seed 0); the tenth that cleanlab finds most suspicious is dropped, corrected by these models, or, on simulated
wells, redrawn as the truth is. Then the U-Net is trained with the same budget and scored on validation and
test wells.
"""

import numpy as np
import pandas as pd
from common import Results, load_repaired, parse_arguments, run_from_command_line
from torch import Tensor
from tqdm import tqdm

from helpers.config import Config
from helpers.labels.quality import (
    correct_by_model,
    known_defects,
    label_issues,
    most_suspicious,
    rank_labels,
    unseen_probabilities,
)
from helpers.losses import bce
from helpers.metrics import summarise
from helpers.studies.held_out import counts_on, train_on
from helpers.wells import wells_of

SHARE = 0.1  # of the training patches that are suspected
RANKING = "cleanlab, pixels flagged"


def bootstrapped_bce(logits: Tensor, masks: Tensor, trust: float = 0.8) -> Tensor:
    """BCE against a mixture of the label (`trust`) and of the model's own answer, 0 or 1 ("hard").

    Source: Reed et al. 2014, https://arxiv.org/abs/1412.6596, section 3.3, with their 0.8.
    """
    answer = (logits.detach() > 0).to(masks.dtype)
    return bce(logits, trust * masks + (1 - trust) * answer)


CASES = {
    "labels as drawn": bce,
    "suspects dropped": bce,
    "suspects corrected by model": bce,
    "bootstrapped BCE": bootstrapped_bce,
}
WITH_TRUTH = {"suspects redrawn": bce, "all redrawn": bce}


def training_labels(case: str, y: pd.DataFrame, truth: pd.DataFrame, issues, suspects):
    if case == "suspects dropped":
        return y.drop(suspects)
    if case == "suspects corrected by model":
        return correct_by_model(y, issues, suspects)
    redrawn = {"suspects redrawn": suspects, "all redrawn": y.index}
    labels = y.copy()
    if case in redrawn:
        labels.loc[redrawn[case]] = truth.loc[redrawn[case]]
    return labels


def main() -> None:
    arguments = parse_arguments(__doc__, budget=6_000, seeds=3)
    config, budget = Config(), arguments.budget
    source, y, images, judge = load_repaired()
    results = Results(arguments.output, __file__, source)
    wells = wells_of(y)
    train = np.isin(wells, config.train_wells)
    cases = CASES | (WITH_TRUTH if source.simulated else {})
    runs = [(seed, case) for seed in range(arguments.seeds) for case in cases]
    runs = [run for run in runs if not results.has(seed=run[0], case=run[1], budget=budget)]
    if not runs:
        return
    probability = unseen_probabilities(y[train], images, budget, config.seed, config=config)
    issues = label_issues(y[train], probability)
    suspects = most_suspicious(rank_labels(y[train], probability, issues)[RANKING], SHARE)
    precision = np.nan
    if source.simulated:
        precision = round((known_defects(y[train], judge[train])["iou"][suspects] < 0.7).mean(), 4)
    for seed, case in tqdm(runs, unit="run"):
        labels = training_labels(case, y[train], judge[train], issues, suspects)
        model = train_on(labels, images, budget, seed, config, cases[case])
        row = {"seed": seed, "case": case, "budget": budget, "train_patches": len(labels)}
        kept_labels = y.loc[labels.index].to_numpy()
        row["pixels_changed"] = int((labels.to_numpy() != kept_labels).sum())
        row["suspects_spoiled"] = precision
        for part, part_wells in (("val", config.val_wells), ("test", config.test_wells)):
            scores = summarise(counts_on(model, judge[np.isin(wells, part_wells)], images, config))
            row |= {f"{part}_{score}": round(value, 4) for score, value in scores.items()}
        results.add(**row)


if __name__ == "__main__":
    run_from_command_line(main)
