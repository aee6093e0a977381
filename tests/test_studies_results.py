"""The CSVs of the studies: whole rows, one header, one kind of machine."""

import errno
import sys
from importlib import import_module
from unittest.mock import Mock, patch

import common
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


def test_a_row_that_was_cut_is_written_again(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    again = results(path)
    assert again.has(seed=0) and not again.has(seed=1)
    again.add(seed=1, epoch=1, dice=0.25, iou=0.125)
    assert path.read_bytes() == whole


def test_a_run_is_on_disk_whole_or_not_at_all(path):
    before, study = path.read_bytes(), results(path)
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch("os.replace", side_effect=full), pytest.raises(DataError, match=r"study_simulated.csv.*full"):
        study.add_all([{"seed": 2, "epoch": epoch, "dice": 0.5, "iou": 0.25} for epoch in (1, 2)])
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_two_processes_may_add_to_one_file(path):
    first, second = results(path), results(path)
    first.add(seed=2, epoch=1, dice=0.5, iou=0.25)
    second.add(seed=3, epoch=1, dice=0.5, iou=0.25)
    assert list(results(path).rows["seed"]) == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    "row",
    [
        {"seed": 2, "epoch": 1, "iou": 0.25, "dice": 0.5},
        {"seed": 2, "epoch": 1, "dice": 0.5, "iou": 0.25, "loss": 1.0},
        {"seed": 2, "epoch": 1, "dice": 0.5},
    ],
    ids=["other order", "one more", "one less"],
)
def test_rows_with_other_columns_are_refused(path, row):
    before, study = path.read_bytes(), results(path)
    with pytest.raises(DataError, match=r"study_simulated.csv: .*columns .*dice.*--output"):
        study.add(**row)
    assert path.read_bytes() == before


def test_a_key_that_the_file_does_not_have_is_told_before_the_training(path):
    with pytest.raises(DataError, match=r"study_simulated.csv: .*columns.*fold.*--output"):
        results(path).has(fold=0)


@pytest.mark.parametrize("text", ["", "seed,dice\n0,0.5,0.25\n", "seed,dice\n0\n"])
def test_a_file_that_is_no_table_is_named(tmp_path, text):
    (path := tmp_path / "study.csv").write_text(text)
    if not text:
        assert results(path).rows.empty
    else:
        with pytest.raises(DataError, match="study.csv: .*line 2"):
            results(path)


@pytest.mark.parametrize(("first", "second"), [("2 CPU cores", "NVIDIA T4"), ("NVIDIA T4", "NVIDIA H200")])
def test_another_kind_of_machine_is_refused(tmp_path, first, second):
    path = tmp_path / "study.csv"
    results(path, first).add(seed=0, dice=0.5)
    with pytest.raises(DataError, match=f"study.csv: .*{second}.*one kind of machine.*--output"):
        results(path, second)
    assert results(path, first).has(seed=0)


def test_processors_with_more_cores_are_of_one_kind(path):
    assert results(path, "64 CPU cores").has(seed=0)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
def test_kept_tables_are_of_one_kind_of_machine(kept):
    rows = pd.read_csv(kept)
    assert "machine" not in rows or rows["machine"].map(common.kind_of).nunique() == 1


# --- command lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("leak --epochs 0", "argument --epochs: expected 1 or more, found 0"),
        ("leak --epochs many", "argument --epochs: invalid whole number value: 'many'"),
        ("compare --epochs -3", "argument --epochs: expected 1 or more, found -3"),
        ("tune --epochs 0", "argument --epochs: expected 1 or more, found 0"),
        ("tune --trials -2", "argument --trials: expected 1 or more, found -2"),
        ("tune --confirmed -1", "argument --confirmed: expected 0 or more, found -1"),
        ("final_test --epochs 0", "argument --epochs: expected 1 or more, found 0"),
        ("final_test --seeds 0", "argument --seeds: expected 1 or more, found 0"),
        ("final_test --tuned -1", "argument --tuned: expected 0 or more, found -1"),
    ],
)
def test_numbers_that_cannot_be_are_told_by_their_option(command, message, monkeypatch, capsys):
    script, *arguments = command.split()
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments])
    monkeypatch.setattr("torch.set_num_threads", Mock())
    with pytest.raises(SystemExit) as stopped:
        import_module(script).main()
    assert stopped.value.code == 2 and message in capsys.readouterr().err
