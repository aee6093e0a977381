"""The test wells, opened once, and the record of how often they were.

To score twice and keep the better result is to tune on the test wells. That cannot be prevented, but
`open_test_wells` records each question before it returns the patches, refuses a second question unless a
reason is given, and says how many there were.
"""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.dataset import SegmentationDataset
from helpers.files import DataError, replace_atomically
from helpers.preprocess import PreprocessData
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
    record : CSV of all questions; made if missing.
    y, images : (n, 1296) masks and images as `load_data` gives them.
    question : what is to be judged, as plain values: the candidates, how each was chosen, epochs, seeds. The
        same question again, after a kill say, is the same evaluation, and only counted as opened once more.
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
    print(f"Test wells {wells} opened: question {number} of {len(table)}.")
    chosen = np.isin(wells_of(y), config.test_wells)
    cleaned = PreprocessData(config).transform(y[chosen], images.loc[y.index[chosen]])
    return SegmentationDataset.from_frames(*cleaned, eval_transform(config))


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
