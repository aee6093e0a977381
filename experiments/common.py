"""The loop over draws and variants, and a row with its provenance. Only final_test.py asks test wells."""

import argparse
import io
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nothing is installed but the requirements

from experiments.draws import Draw, differences, leave_out, simulate_draw, well_folds
from helpers.data import DataSource, find_data, load_data, read_labels
from helpers.files import DataError, check_output, listed, replace_atomically, run_from_command_line  # noqa: F401

HERE = Path(__file__).parent
EPOCHS = 10  # of a training, in every study; stopping.py compares longer and shorter ones
FEW, MANY, ENOUGH = 6, 12, 0.02  # draws: many where the interval that few leave is wider than this
FOLDS_OF_REAL_WELLS = 5


def at_least(least: int) -> Callable[[str], int]:
    """A `type` for argparse, which says which option is wrong: a whole number of `least` or more."""

    def whole_number(text: str) -> int:
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"expected {least} or more, found {value}")
        return value

    return whole_number


def refuse(names: Iterable[str], folder: Path) -> None:
    """Raise ValueError for the first option, if any, that a run to be resumed has of its own."""
    for name in names:
        option = f"--{name.replace('_', '-')}"
        raise ValueError(f"{option}: the run in {folder} has its own, leave {option} out.")


Variant = Callable[[Draw, int], dict[str, float]]  # of a draw and a number of epochs: its scores


def study_parser(text: str) -> argparse.ArgumentParser:
    """The options that every study has. Without `--draws` a study chooses its own."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--draws", nargs="+", type=at_least(0), help="only these")
    parser.add_argument("--output", type=Path, help="CSV to add to (default: beside this script)")
    return parser


def run_study(text: str, script: str, variants: dict[str, Variant], than: str) -> None:
    """The main of a study: a row for each draw and variant, and how each differs from the variant `than`.

    Six draws of simulated wells, ten epochs of each training, and six more of variants that are
    `not_known_well`. With the real images five folds of the training and validation wells, two epochs.
    """
    source = find_data()
    draws, epochs = (range(MANY), EPOCHS) if source.simulated else (range(FOLDS_OF_REAL_WELLS), 2)
    parser, help_ = study_parser(text), f"of each training (default {epochs})"
    parser.add_argument("--variants", nargs="+", choices=variants, default=list(variants), help="only these")
    parser.add_argument("--epochs", type=at_least(1), default=epochs, help=help_)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # so that rows do not depend on how many cores the machine has
    torch.backends.cudnn.allow_tf32 = False  # convolutions in 19 bits
    results = Results(arguments.output, script, source)
    for number in arguments.draws or draws:
        names = arguments.variants
        if number >= FEW and not arguments.draws:
            names = not_known_well(results.rows, than, names)
        keys = [{"draw": number, "variant": name, "epochs": arguments.epochs} for name in names]
        if keys := [key for key in keys if not results.has(**key)]:
            draw = make_draw(number, source)
            for key in keys:
                results.add(**key, **variants[key["variant"]](draw, arguments.epochs))
    if than in set(results.rows["variant"]):
        print(differences(results.rows, than).round(3).to_string())
    else:
        print(f"{results.path} has no row of {than} to compare with; --variants {than!r} makes some.")


def not_known_well(rows: pd.DataFrame, than: str, names: Iterable[str]) -> list[str]:
    """`than`, and those of these variants whose difference from it six draws leave wider than ENOUGH."""
    if than not in set(rows["variant"]):
        return []
    half = differences(rows[rows["draw"] < FEW], than)["half-width"]
    wide = [name for name in names if half.get(name, 0) > ENOUGH]
    return [than, *wide] if wide else []


def make_draw(number: int, source: DataSource) -> Draw:
    """New simulated wells, or a fold of the real ones."""
    if source.simulated:
        return simulate_draw(number)
    y, images = load_data(source.folder)
    return leave_out(number, well_folds(y, FOLDS_OF_REAL_WELLS)[number], y, images)


def load_with_truth(source: DataSource) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Labels, images, and what judges: the clean truth where it is known, else the labels."""
    y, images = load_data(source.folder)
    return y, images, read_labels(source.folder / "y_clean.csv").loc[y.index] if source.simulated else y


def machine() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"


def kind_of(machine: str) -> str:
    """GPUs round unlike CPUs, and training enlarges that. Studies use one core, so CPUs are alike."""
    return "a CPU" if machine.endswith("CPU cores") else machine


class Results:
    """A CSV that grows run by run, each on disk at once, so that a killed script goes on where it was.

    DataError : the file cannot be written, is no table, or has rows of another kind of machine.
    """

    def __init__(self, output: Path | None, script: str, source: DataSource):
        data = "simulated" if source.simulated else "real"
        self.path = output or HERE / f"{Path(script).stem}_{data}.csv"
        self.provenance = {
            "data": source.name,
            "labels": source.labels,
            "judge": "clean truth" if source.simulated else source.labels,
            "command": shlex.join(["python", f"experiments/{Path(script).name}", *sys.argv[1:]]),
            "torch": version("torch"),
            "python": platform.python_version(),
            "machine": machine(),
        }
        check_output(self.path)
        _, self.rows = self._read()
        here, there = kind_of(machine()), {kind_of(name) for name in self.rows.get("machine", [])}
        if there - {here}:
            raise DataError(
                f"{self.path}: its rows were made on {listed(sorted(there))}, and this machine is {here}. A "
                "table has rows of one kind of machine: go on there, or name another file with --output."
            )

    def has(self, **key) -> bool:
        """Tell whether a row with this key, of the same data, is there."""
        if self.rows.empty:
            return False
        key = {"data": self.provenance["data"], **key}
        self._check_columns(set(key) <= set(self.rows), key)
        same = self.rows[list(key)].astype(str) == [str(value) for value in key.values()]
        return bool(same.all(axis=1).any())

    def add(self, **row) -> None:
        """Write the one row of a run."""
        self.add_all([row])
        print(row, flush=True)

    def add_all(self, rows: Iterable[dict]) -> None:
        """Write all rows of a run at once, so that a killed script or a full disk leaves whole runs only."""
        table = pd.DataFrame([row | self.provenance for row in rows])
        whole, self.rows = self._read()  # another process may have added some
        if not self.rows.empty:
            self._check_columns(list(table) == list(self.rows), table)
        text = table.to_csv(index=False, header=self.rows.empty, lineterminator="\n")
        with replace_atomically(self.path) as temporary:
            temporary.write_text(whole + text, newline="")
        _, self.rows = self._read()

    def _check_columns(self, fit: bool, columns: Iterable[str]) -> None:
        if not fit:
            raise DataError(
                f"{self.path}: expected the columns {', '.join(columns)}, found {', '.join(self.rows)}. An "
                "earlier version of the study made it: move it away, or name another file with --output."
            )

    def _read(self) -> tuple[str, pd.DataFrame]:
        """Its whole lines, and what they say. A line that was cut counts as not there."""
        whole = self.path.read_text().rpartition("\n")[0] if self.path.exists() else ""
        if "\n" not in whole:
            return "", pd.DataFrame()
        try:
            return whole + "\n", pd.read_csv(io.StringIO(whole), float_precision="round_trip")
        except ValueError as error:
            raise DataError(f"{self.path}: expected a table of results, found none ({error}).") from error
