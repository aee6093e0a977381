"""Does it help to correct suspicious labels, to leave them out, or to train with a robust loss?

Notebook 10, section 4. Each fold of wells is left out in turn. Labels of the others are ranked by models
that have not seen their wells; the tenth that cleanlab finds most suspicious is dropped, corrected by these
models, or, on simulated wells, redrawn as the truth is. Then the U-Net is trained and scored on the wells
left out.
"""

from functools import cache

import numpy as np
import pandas as pd
from common import Results, every, judged, load_folds, parse_arguments, run_from_command_line
from torch import Tensor

from experiments.folds import probabilities_on, train_on, well_folds
from helpers.data import read_labels
from helpers.data.wells import wells_of
from helpers.labels.quality import known_defects, label_issues, most_suspicious
from helpers.losses import bce

SHARE = 0.1  # of the training patches that are suspected
CASES = ("labels as drawn", "suspects dropped", "suspects corrected by model", "bootstrapped BCE")
WITH_TRUTH = ("suspects redrawn", "all redrawn")


def bootstrapped_bce(logits: Tensor, masks: Tensor, trust: float = 0.8) -> Tensor:
    """BCE against a mixture of the label (`trust`) and of the model's own answer, 0 or 1 ("hard").

    Source: Reed et al. 2014, https://arxiv.org/abs/1412.6596, section 3.3, with their 0.8.
    """
    answer = (logits.detach() > 0).to(masks.dtype)
    return bce(logits, trust * masks + (1 - trust) * answer)


def unseen_probabilities(
    y: pd.DataFrame, images: pd.DataFrame, epochs: int, seed: int, folds: int = 3
) -> pd.DataFrame:
    """Groove probability of every pixel by a model that has not seen its well, a frame like `y`: of each fold
    of the wells of `y` by a baseline U-Net trained on the others, on cleaned `images`."""
    wells, parts = wells_of(y), []
    for left_out in well_folds(y, folds, sorted(set(wells.tolist()))):
        unseen = np.isin(wells, left_out)
        model = train_on(y[~unseen], images, epochs, seed)
        parts.append(probabilities_on(model, images.loc[y.index[unseen]]))
    return pd.concat(parts).loc[y.index]


def training_labels(
    case: str, y: pd.DataFrame, truth: pd.DataFrame | None, issues: pd.DataFrame, suspects: pd.Index
) -> pd.DataFrame:
    """The labels `y` as this case changes them, see the text above."""
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
    """Turn the pixels of the suspected patches over that `label_issues` flags, a copy of `y`; all other
    labels stay."""
    corrected = y.copy()
    corrected.loc[suspects] = np.where(issues.loc[suspects], 1 - y.loc[suspects], y.loc[suspects])
    return corrected


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, folds = load_folds()
    results = Results(arguments.output, __file__, source)

    @cache
    def suspected(number: int) -> tuple:
        """What all cases of a fold have in common: labels, images, truth, issues and suspects."""
        y, images = folds[number].cleaned()
        truth = read_labels(source.folder / "y_clean.csv").loc[y.index] if source.simulated else None
        issues = label_issues(y, unseen_probabilities(y, images, arguments.epochs, number))
        return y, images, truth, issues, most_suspicious(issues.mean(axis=1), SHARE)

    cases = CASES + (WITH_TRUTH if source.simulated else ())
    for key in results.missing(every(fold=range(3), case=cases, epochs=[arguments.epochs])):
        y, images, truth, issues, suspects = suspected(key["fold"])
        labels = training_labels(key["case"], y, truth, issues, suspects)
        loss = bootstrapped_bce if key["case"] == "bootstrapped BCE" else bce
        model = train_on(labels, images, arguments.epochs, key["fold"], loss=loss)
        row = key | {"train_patches": len(labels)}
        row["pixels_changed"] = int((labels.to_numpy() != y.loc[labels.index].to_numpy()).sum())
        spoiled = known_defects(y, truth)["iou"][suspects] < 0.7 if source.simulated else None
        row["suspects_spoiled"] = np.nan if spoiled is None else round(spoiled.mean(), 4)
        results.add(**row, **judged(model, source, folds[key["fold"]]))


if __name__ == "__main__":
    run_from_command_line(main)
