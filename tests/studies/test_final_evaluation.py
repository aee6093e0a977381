import numpy as np
import pandas as pd
import pytest

from helpers.config import Config
from helpers.data import COLUMNS
from helpers.files import DataError
from helpers.studies.final_evaluation import note_scores, open_test_wells, read_record
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
    assert capsys.readouterr().out == "Test wells 2, 4, 5, 15 opened: question 1 of 1.\n"


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
