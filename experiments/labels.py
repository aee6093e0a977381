"""Does it help to correct suspicious labels, to leave them out, or to train with a robust loss?

Notebook 10, section 4. Each fold of wells is left out in turn. Labels of the others are ranked by models
that have not seen their wells; the tenth that cleanlab finds most suspicious is dropped, corrected by these
models, or, on simulated wells, redrawn as the truth is. Then the U-Net is trained and scored on the wells
left out.
"""

from unittest.mock import patch

import numpy as np
import pandas as pd
from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from torch import Tensor
from tqdm import tqdm

from helpers.data import read_labels
from helpers.labels.quality import (
    known_defects,
    label_issues,
    most_suspicious,
    rank_labels,
    unseen_probabilities,
)
from helpers.losses import LOSSES, bce
from helpers.metrics import count_pixels, summarise
from helpers.studies.folds import predict_masks, train_on

SHARE = 0.1  # of the training patches that are suspected
RANKING = "cleanlab, pixels flagged"


def bootstrapped_bce(logits: Tensor, masks: Tensor, trust: float = 0.8) -> Tensor:
    """BCE against a mixture of the label (`trust`) and of the model's own answer, 0 or 1 ("hard").

    Source: Reed et al. 2014, https://arxiv.org/abs/1412.6596, section 3.3, with their 0.8.
    """
    answer = (logits.detach() > 0).to(masks.dtype)
    return bce(logits, trust * masks + (1 - trust) * answer)


CASES = {  # -> loss
    "labels as drawn": "bce",
    "suspects dropped": "bce",
    "suspects corrected by model": "bce",
    "bootstrapped BCE": "bootstrapped",
}
WITH_TRUTH = {"suspects redrawn": "bce", "all redrawn": "bce"}


def training_labels(case: str, y: pd.DataFrame, truth: pd.DataFrame | None, issues, suspects):
    if case == "suspects dropped":
        return y.drop(suspects)
    if case == "suspects corrected by model":
        return correct_by_model(y, issues, suspects)
    redrawn = {"suspects redrawn": suspects, "all redrawn": y.index}
    labels = y.copy()
    if case in redrawn:
        labels.loc[redrawn[case]] = truth.loc[redrawn[case]]
    return labels


def correct_by_model(y: pd.DataFrame, issues: pd.DataFrame, suspects: pd.Index) -> pd.DataFrame:
    """Turn the flagged pixels of the suspected patches over, a copy of `y`; all other labels stay.

    Parameters
    ----------
    issues : from `label_issues`.
    suspects : names of patches.
    """
    corrected = y.copy()
    corrected.loc[suspects] = np.where(issues.loc[suspects], 1 - y.loc[suspects], y.loc[suspects])
    return corrected


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)
    cases = CASES | (WITH_TRUTH if source.simulated else {})
    for fold in tqdm(folds, unit="fold"):
        keys = [{"fold": fold.number, "case": case, "epochs": arguments.epochs} for case in cases]
        if all(results.has(**key) for key in keys):
            continue
        y, images = fold.cleaned()
        truth = read_labels(source.folder / "y_clean.csv").loc[y.index] if source.simulated else None
        probability = unseen_probabilities(y, images, arguments.epochs, fold.number)
        issues = label_issues(y, probability)
        suspects = most_suspicious(rank_labels(y, probability, issues)[RANKING], SHARE)
        precision = np.nan
        if source.simulated:
            precision = round((known_defects(y, truth)["iou"][suspects] < 0.7).mean(), 4)
        for key in keys:
            if results.has(**key):
                continue
            labels = training_labels(key["case"], y, truth, issues, suspects)
            with patch.dict(LOSSES, bootstrapped=bootstrapped_bce):  # for this study alone
                model = train_on(labels, images, arguments.epochs, fold.number, loss=cases[key["case"]])
            row = key | {"train_patches": len(labels)}
            row["pixels_changed"] = int((labels.to_numpy() != y.loc[labels.index].to_numpy()).sum())
            row["suspects_spoiled"] = precision
            counts = count_pixels(predict_masks(model, fold.unseen), judge_of(source, fold.unseen))
            results.add(**row, **{score: round(value, 4) for score, value in summarise(counts).items()})


if __name__ == "__main__":
    run_from_command_line(main)
