import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from helpers.config import Config
from helpers.files import DataError
from helpers.patch_files import COLUMNS
from helpers.studies.final_evaluation import gain, note_scores, open_test_wells, read_record, verdict
from helpers.wells import ALL_WELLS, patch_name

QUESTION = {"candidates": {"defaults": {"dropout": 0.1}, "tuned": {"dropout": 0.3}}, "seeds": [0, 1]}
OTHER = QUESTION | {"seeds": [0, 1, 2]}


@pytest.fixture(scope="module")
def wells() -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [patch_name(well, number) for well in ALL_WELLS for number in range(2)]
    index = pd.Index(names, name="patch")
    return tuple(pd.DataFrame(0, index, COLUMNS, dtype=kind) for kind in (np.uint8, np.float32))


@pytest.fixture
def record(tmp_path):
    return tmp_path / "test_wells.csv"


def test_only_test_wells_are_handed_out(record, wells, capsys):
    dataset = open_test_wells(record, *wells, QUESTION)
    assert {int(name.split("_")[1]) for name in dataset.names} == set(Config().test_wells)
    assert capsys.readouterr().out == "Test wells 2, 4, 5, 15 opened: question 1 of 1 in this study.\n"


def test_the_question_is_written_down_before_there_is_an_answer(record, wells):
    y, images = wells
    with pytest.raises(KeyError):  # an image is missing: the evaluation breaks off
        open_test_wells(record, y, images.drop("well_2_patch_0"), QUESTION)
    (row,) = read_record(record).to_dict("records")
    assert (row["evaluation"], row["times_opened"], row["scores"]) == (1, 1, "")
    assert '"dropout": 0.3' in row["question"]


def test_a_second_question_is_refused_without_a_reason(record, wells):
    open_test_wells(record, *wells, QUESTION)
    note_scores(record, QUESTION, "Dice 0.7")
    before = record.read_bytes()
    with pytest.raises(DataError, match=r"answered 1 other question.*Dice 0\.7.*give a reason"):
        open_test_wells(record, *wells, OTHER)
    assert record.read_bytes() == before


def test_a_second_question_with_a_reason_is_counted(record, wells, capsys):
    open_test_wells(record, *wells, QUESTION)
    open_test_wells(record, *wells, OTHER, reason="a reviewer asked for three seeds")
    assert "question 2 of 2" in capsys.readouterr().out
    table = read_record(record)
    assert list(table["evaluation"]) == [1, 2]
    assert list(table["reason"]) == ["", "a reviewer asked for three seeds"]


def test_the_same_question_again_is_the_same_evaluation(record, wells):
    open_test_wells(record, *wells, QUESTION)
    open_test_wells(record, *wells, dict(reversed(QUESTION.items())))
    assert read_record(record)["times_opened"].tolist() == [2]


def test_an_answer_stands_beside_its_question(record, wells):
    open_test_wells(record, *wells, QUESTION)
    open_test_wells(record, *wells, OTHER, reason="more seeds")
    note_scores(record, QUESTION, "Dice 0.7")
    assert list(read_record(record)["scores"]) == ["Dice 0.7", ""]


def test_an_answer_without_a_question_is_refused(record):
    with pytest.raises(DataError, match="was not asked"):
        note_scores(record, QUESTION, "Dice 0.7")


@pytest.mark.parametrize("text", ["", "seed,dice\n0,0.5\n"])
def test_a_file_that_is_no_record_is_named_and_kept(record, wells, text):
    record.write_text(text)
    with pytest.raises(DataError, match=r"test_wells\.csv: expected a record"):
        open_test_wells(record, *wells, QUESTION)
    assert record.read_text() == text


def test_gain_has_welchs_interval():
    tuned, defaults = pd.Series([0.80, 0.70, 0.90, 0.84]), pd.Series([0.60, 0.62, 0.58])
    parts = [values.var(ddof=1) / len(values) for values in (tuned, defaults)]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 2)
    half = t.ppf(0.975, freedom) * np.sqrt(sum(parts))
    found = gain(tuned, defaults)
    assert found["gain"] == pytest.approx(0.81 - 0.60)
    assert (found["low"], found["high"]) == pytest.approx((0.21 - half, 0.21 + half))


def test_seeds_that_agree_raise_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gain(pd.Series([0.5, 0.7, 0.6]), pd.Series([0.25, 0.25, 0.25]))
    assert found["gain"] == pytest.approx(0.35)


def test_one_seed_has_no_spread():
    with pytest.raises(ValueError, match="found 1 and 3"):
        gain(pd.Series([0.5]), pd.Series([0.5, 0.6, 0.7]))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.2, "tuning gained"), (-0.2, -0.01, "tuning lost"), (-0.01, 0.2, "no difference")],
)
def test_a_win_is_no_win_inside_the_spread(low, high, words):
    assert verdict({"gain": (low + high) / 2, "low": low, "high": high}).startswith(words)
