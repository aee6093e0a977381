"""The final evaluation: what tuning gained on the test wells, and a record of how often they were looked at.

Whoever looks twice, and keeps what looked better, has tuned on the test wells. Nothing can forbid it; but
`open_test_wells` writes each question down before it hands out the patches, refuses a second question
unless a reason is given, and says how many there were.
"""

import json
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import ttest_ind
from torch import Tensor

from helpers.config import Config
from helpers.dataset import SegmentationDataset
from helpers.files import DataError, replace_atomically
from helpers.preprocess import PreprocessData
from helpers.studies.hyperparameters import Params, train_epochs
from helpers.studies.learning_curves import predict_masks, score
from helpers.transforms import eval_transform
from helpers.wells import wells_of

RECORD_COLUMNS = ["evaluation", "date", "times_opened", "question", "reason", "scores"]


def open_test_wells(
    record: Path,
    y: pd.DataFrame,
    images: pd.DataFrame,
    question: dict[str, object],
    reason: str = "",
    config: Config = Config(),
) -> SegmentationDataset:
    """Write down who asks what, then return the test wells' patches, cleaned with the defaults.

    Parameters
    ----------
    record : CSV beside the study; made if missing.
    y, images : (n, 1296) masks and images as `load_data` gives them.
    question : what is to be judged, as plain values: the candidates' parameters, epochs, seeds. The same
        question again, after a kill say, is the same evaluation and only counted as opened once more.
    reason : why a second question is asked, for the record.

    Raises
    ------
    DataError : another question was asked before, and no reason is given; or the record cannot be used.
    """
    table = read_record(record)
    asked = json.dumps(question, sort_keys=True)
    same = table["question"] == asked
    if same.any():
        table.loc[same, "times_opened"] += 1
    elif len(table) and not reason:
        before = table.iloc[-1]
        raise DataError(
            f"{Path(record).name}: the test wells have answered {len(table)} other question(s), the last "
            f"on {before['date']} ({before['scores'] or 'no scores noted'}). What is chosen after a look at "
            "them is not judged by unseen wells. If you must ask again, give a reason: it is kept in the "
            "record, and belongs beside the result."
        )
    else:
        date = datetime.now().strftime("%Y-%m-%d %H:%M")
        table.loc[len(table)] = [len(table) + 1, date, 1, asked, reason, ""]
    _write(record, table)
    number = table.index[table["question"] == asked][0] + 1
    wells = ", ".join(map(str, config.test_wells))
    print(f"Test wells {wells} opened: question {number} of {len(table)} in this study.")
    chosen = np.isin(wells_of(y), config.test_wells)
    cleaned = PreprocessData(config).transform(y[chosen], images.loc[y.index[chosen]])
    return SegmentationDataset.from_frames(*cleaned, eval_transform(config))


def train_and_score(
    params: Params,
    y: pd.DataFrame,
    images: pd.DataFrame,
    test: SegmentationDataset,
    truth: Tensor,
    epochs: int,
    seed: int,
    config: Config = Config(),
) -> dict[str, float]:
    """Train on all training and validation wells; return the scores of `learning_curves.score` on `test`.

    Parameters
    ----------
    y, images : as for `open_test_wells`, which gives `test`. Test wells among them are not trained on.
    truth : (N, 1, H, W) masks of 0 and 1 that judge: the clean truth where it is known, else the labels.
    """
    seen = np.isin(wells_of(y), config.train_wells + config.val_wells)
    *_, model = train_epochs(params, y[seen], images.loc[y.index[seen]], epochs, seed, config)
    return score(predict_masks(model, test, config), truth)


def note_scores(record: Path, question: dict[str, object], scores: str) -> None:
    """Write the answer beside its question.

    Raises
    ------
    DataError : the question was never asked.
    """
    table = read_record(record)
    same = table["question"] == json.dumps(question, sort_keys=True)
    if not same.any():
        raise DataError(f"{record}: this question was not asked; open the test wells with it first.")
    table.loc[same, "scores"] = scores
    _write(record, table)


def read_record(record: Path) -> pd.DataFrame:
    """One row a question to the test wells: evaluation, date, times_opened, question (JSON), reason, scores.

    Raises
    ------
    DataError : the file is no such record.
    """
    try:
        table = pd.read_csv(record, keep_default_na=False)
    except FileNotFoundError:
        return pd.DataFrame(columns=RECORD_COLUMNS)
    except (OSError, ValueError) as error:
        raise DataError(f"{record}: expected a record of final evaluations ({error}).") from error
    if list(table) != RECORD_COLUMNS:
        raise DataError(f"{record}: expected a record with columns {RECORD_COLUMNS}, found {list(table)}.")
    return table


def _write(record: Path, table: pd.DataFrame) -> None:
    with replace_atomically(record) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def gain(tuned: pd.Series, defaults: pd.Series, confidence: float = 0.95) -> dict[str, float]:
    """Mean of `tuned` minus that of `defaults`, with Welch's interval for it (unequal variances).

    Parameters
    ----------
    tuned, defaults : a score a seed, at least two each. The interval is about seeds: it says nothing of
        how much other wells would differ.

    Returns
    -------
    "gain", "low", "high".

    Raises
    ------
    ValueError : there are fewer than two seeds.

    Source: Welch 1947, https://doi.org/10.1093/biomet/34.1-2.28.
    """
    if min(len(tuned), len(defaults)) < 2:
        raise ValueError(f"A spread needs two seeds or more, found {len(tuned)} and {len(defaults)}.")
    with warnings.catch_warnings():  # of scores that are the same for all seeds, as where nothing is found
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = ttest_ind(tuned, defaults, equal_var=False).confidence_interval(confidence)
    return {"gain": tuned.mean() - defaults.mean(), "low": interval.low, "high": interval.high}


def verdict(difference: dict[str, float]) -> str:
    """A sentence for what `gain` returned: a win, a loss, or neither."""
    text = "{gain:+.3f} ({low:+.3f} to {high:+.3f})".format(**difference)
    if difference["low"] > 0:
        return f"tuning gained {text}"
    if difference["high"] < 0:
        return f"tuning lost {text}"
    return f"no difference that the seeds can tell: {text}"
