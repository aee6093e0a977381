"""The CSVs of the studies, and the record of the test wells."""

import sys
from importlib import import_module
from unittest.mock import Mock, patch

import common
import final_test
import pandas as pd
import pytest

from helpers.config import PROJECT_ROOT
from helpers.data import DataSource
from helpers.files import DataError

KEPT = sorted((PROJECT_ROOT / "experiments").glob("*_simulated.csv"))


def results(path, machine="2 CPU cores"):
    with patch("common.machine", return_value=machine):
        return common.Results(path, "study.py", DataSource(path.parent, True, "simulated labels"))


@pytest.fixture
def path(tmp_path):
    """A CSV with a run of two rows and one of a single row."""
    path = tmp_path / "study_simulated.csv"
    study = results(path)
    study.add_all([{"seed": 0, "epoch": epoch, "dice": 0.5, "iou": 0.25} for epoch in (1, 2)])
    study.add(seed=1, epoch=1, dice=0.25, iou=0.125)
    return path


def test_runs_are_found_again(path):
    again = results(path)
    assert list(again.rows["epoch"]) == [1, 2, 1]
    assert again.has(seed=0) and again.has(seed=1) and not again.has(seed=2)
    assert {"data", "judge", "command", "torch"} <= {*again.rows}
    with pytest.raises(DataError, match=r"study_simulated.csv: .*columns.*fold.*--output"):
        again.has(fold=0)


def test_a_row_that_was_cut_is_written_again(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    again = results(path)
    assert again.has(seed=0) and not again.has(seed=1)
    again.add(seed=1, epoch=1, dice=0.25, iou=0.125)
    assert path.read_bytes() == whole


def test_two_processes_may_add_to_one_file(path):
    for seed, process in enumerate([results(path), results(path)], 2):
        process.add(seed=seed, epoch=1, dice=0.5, iou=0.25)
    assert list(results(path).rows["seed"]) == [0, 0, 1, 2, 3]


@pytest.mark.parametrize("columns", ["seed epoch iou dice", "seed epoch dice iou loss", "seed epoch dice"])
def test_rows_with_other_columns_are_refused(path, columns):
    before, study = path.read_bytes(), results(path)
    with pytest.raises(DataError, match=r"study_simulated.csv: .*columns .*dice.*--output"):
        study.add(**dict.fromkeys(columns.split(), 2))
    assert path.read_bytes() == before


def test_a_file_that_is_no_table_is_named(tmp_path):
    (path := tmp_path / "study.csv").write_text("")
    assert results(path).rows.empty
    path.write_text("seed,dice\n0,0.5\n0,0.5,0.25\n")
    with pytest.raises(DataError, match="study.csv: .*line 3"):
        results(path)


@pytest.mark.parametrize(("first", "second"), [("2 CPU cores", "NVIDIA T4"), ("NVIDIA T4", "NVIDIA H200")])
def test_another_kind_of_machine_is_refused_and_more_cores_are_none(path, first, second, tmp_path):
    results(other := tmp_path / "other.csv", first).add(seed=0, dice=0.5)
    with pytest.raises(DataError, match=f"other.csv: .*{second}.*one kind of machine.*--output"):
        results(other, second)
    assert results(other, first).has(seed=0) and results(path, "64 CPU cores").has(seed=0)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
def test_kept_tables_are_of_one_kind_of_machine(kept):
    rows = pd.read_csv(kept)
    assert "machine" not in rows or rows["machine"].map(common.kind_of).nunique() == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("tune --trials -2", "expected 1 or more, found -2"),
        ("tune --epochs many", "invalid whole_number value: 'many'"),
        ("final_test --seeds 0", "expected 1 or more, found 0"),
        ("train --seed -1", "expected 0 or more, found -1"),
    ],
)
def test_numbers_that_cannot_be_are_told_by_their_option(command, message, monkeypatch, capsys):
    script, *arguments = command.split()
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments])
    monkeypatch.setattr("torch.set_num_threads", Mock())
    with pytest.raises(SystemExit) as stopped:
        import_module(script).main()
    assert stopped.value.code == 2 and f"argument {arguments[0]}: {message}" in capsys.readouterr().err


# --- the record of final_test.py ---------------------------------------------------------------------------

QUESTION = {"candidates": {"defaults": {"dropout": 0.1}, "tuned": {"dropout": 0.3}}, "seeds": [0, 1]}
OTHER = QUESTION | {"seeds": [0, 1, 2]}


@pytest.fixture
def record(tmp_path):
    return tmp_path / "test_wells.csv"


def test_a_question_is_written_down(record, capsys):
    final_test.ask(record, QUESTION, "")
    (row,) = final_test.read_record(record).to_dict("records")
    assert (row["evaluation"], row["times_opened"], row["scores"]) == (1, 1, "")
    assert '"dropout": 0.3' in row["question"]
    assert capsys.readouterr().out == "Test wells 2, 4, 5, 15 opened; questions so far: 1.\n"


def test_a_second_question_is_refused_without_a_reason(record):
    final_test.ask(record, QUESTION, "")
    final_test.answer(record, QUESTION, "Dice 0.7")
    before = record.read_bytes()
    with pytest.raises(DataError, match=r"answered 1 other question.*Dice 0\.7.*give a reason"):
        final_test.ask(record, OTHER, "")
    assert record.read_bytes() == before


def test_a_second_question_with_a_reason_is_counted_and_each_has_its_answer(record):
    final_test.ask(record, QUESTION, "")
    final_test.ask(record, OTHER, "a reviewer asked for three seeds")
    final_test.answer(record, QUESTION, "Dice 0.7")
    table = final_test.read_record(record)
    assert list(table["evaluation"]) == [1, 2] and list(table["scores"]) == ["Dice 0.7", ""]
    assert list(table["reason"]) == ["", "a reviewer asked for three seeds"]


def test_the_same_question_again_is_the_same_evaluation(record):
    final_test.ask(record, QUESTION, "")
    final_test.ask(record, dict(reversed(QUESTION.items())), "")
    assert final_test.read_record(record)["times_opened"].tolist() == [2]


@pytest.mark.parametrize("text", ["", "seed,dice\n0,0.5\n"])
def test_a_file_that_is_no_record_is_named_and_kept(record, text):
    record.write_text(text)
    with pytest.raises(DataError, match=r"test_wells\.csv: expected a record"):
        final_test.ask(record, QUESTION, "")
    assert record.read_text() == text
