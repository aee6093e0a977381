"""What the user says to make reaches the programs as it was said."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.config import PROJECT_ROOT
from helpers.data import COLUMNS

ODD_NAME = "my $(touch a) `touch b`; touch c # \"$HOME\" 'it''s' $(shell touch d) & {} \\ "


@pytest.fixture
def project(tmp_path) -> Path:
    """The Makefile and the helpers, with an environment that counts as installed and runs this Python."""
    folder = tmp_path / "project"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "data" / "raw").mkdir(parents=True)
    (folder / "runs").mkdir()
    for name in ("Makefile", "requirements.txt", "constraints.txt"):
        shutil.copy(PROJECT_ROOT / name, folder)
    (folder / "helpers").symlink_to(PROJECT_ROOT / "helpers")
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IEXEC)
    (folder / ".venv" / "installed").touch()
    return folder


def write_data(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    np.save(folder / "images" / "well_1_patch_0.npy", np.zeros((36, 36), np.float32))
    pd.DataFrame(0, index=["well_1_patch_0"], columns=COLUMNS).to_csv(folder / "y_train.csv")
    return folder


def make(
    cwd: Path, *arguments: str, target: str = "runs/.data", **variables: str
) -> subprocess.CompletedProcess:
    hidden = ("CORROSEG_DATA", "CORROSEG_FROM", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = ["make", *arguments, target]
    environment |= variables | {"PWD": str(cwd)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_a_folder_of_any_name_is_read_and_none_of_it_is_run(project, how):
    folder = write_data(project / ODD_NAME)
    before = {path.name for path in project.iterdir()}
    named = {"CORROSEG_DATA": ODD_NAME}
    done = make(project, **named) if how == "environment" else make(project, f"CORROSEG_DATA={ODD_NAME}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Data: real challenge images with the challenge's labels. 1 patches in {folder}\n"
    assert {path.name for path in project.iterdir()} == before


def test_a_relative_folder_counts_from_where_make_was_typed(project, tmp_path):
    typed_in = tmp_path / "where I `touch x` $(am)"
    folder = write_data(typed_in / "mine")
    write_data(project / "mine")
    done = make(typed_in, "-C", str(project), CORROSEG_DATA="mine")
    assert f"1 patches in {folder}\n" in done.stdout, done.stderr


def test_a_folder_that_is_not_there_ends_make_with_the_message_alone(project):
    done = make(project, CORROSEG_DATA="$(nowhere)")
    assert done.returncode == 2
    assert "CORROSEG_DATA is '$(nowhere)', but there is no such folder" in done.stderr
    assert not (project / "runs" / ".data").exists()


def test_run_ends_with_the_table_of_scores_and_where_all_lies(project):
    rows = [("val", "baseline", 0.4, 0.3), ("val", "shipped", 0.7, 0.6), ("test", "baseline", 0.8, 0.7)]
    table = pd.DataFrame(rows, columns=["wells", "network", "Dice", "mean IoU"])
    table.to_csv(project / "runs" / "scores.csv", index=False)
    lines = [line.split() for line in make(project, target="run").stdout.splitlines()]
    assert lines[2:5] == [
        ["val", "baseline", "0.4", "0.3"],
        ["shipped", "0.7", "0.6"],
        ["test", "baseline", "0.8", "0.7"],
    ]
    said = " ".join(word for line in lines[5:] for word in line)
    for place in ("The hardest of training", "runs/notebooks/", "--logdir runs", "runs/groove_report/"):
        assert place in said
