"""What the scripts here share: where the data are, how a row is written with its provenance."""

import argparse
import csv
import io
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nothing is installed but the requirements

from helpers.config import Config
from helpers.data import DataSource, find_data, load_data
from helpers.dataset import SegmentationDataset, as_images
from helpers.files import check_output
from helpers.patch_files import read_labels
from helpers.preprocess import PreprocessData

HERE = Path(__file__).parent

HELP = {
    "budget": "patches shown to each model",
    "seeds": "runs with the seeds 0 ... N-1",
    "epochs": "epochs of each run, at least",
    "seconds": "seconds of training of each run",
}


def parse_arguments(
    description: str, choices: dict[str, Sequence[str]] | None = None, **defaults: int
) -> argparse.Namespace:
    """Read the command line: `--output`, whole numbers with these defaults, named as in HELP, and, for each
    of `choices`, which of them, by default all."""
    parser = argparse.ArgumentParser(description=description)
    for name, values in (choices or {}).items():
        parser.add_argument(f"--{name}", nargs="+", choices=values, default=values, help="only these")
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{HELP[name]} (default {default})")
    parser.add_argument("--output", type=Path, help="CSV to add to (default: beside this script)")
    return parser.parse_args()


def run_from_command_line(main: Callable[[], None]) -> None:
    """Run a script's main function. An error that it expects is told by its message, which says all."""
    try:
        main()
    except (ValueError, FloatingPointError) as error:  # a DataError is a ValueError
        sys.exit(str(error))


def load_repaired() -> tuple[DataSource, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return (source, labels, images, judge) of all wells, repaired, ruined patches dropped.

    The judge is the clean truth on simulated wells, and the labels themselves on real ones.
    """
    source = find_data()
    y, images = PreprocessData().transform(*load_data(source.folder, Config().unpacked_dir))
    judge = read_labels(source.folder / "y_clean.csv").loc[y.index] if source.simulated else y
    return source, y, images, judge


def judge_of(source: DataSource, dataset: SegmentationDataset) -> Tensor:
    """The masks that judge a model on these patches: the clean truth on simulated wells, else the labels."""
    if not source.simulated:
        return dataset.masks
    return as_images(read_labels(source.folder / "y_clean.csv").loc[dataset.names], np.uint8)


class Results:
    """A CSV that grows run by run, each on disk at once, so that a killed script goes on where it was."""

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
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        }
        check_output(self.path)
        self.rows = self._read()

    def has(self, **key) -> bool:
        """Tell whether a row with this key, of the same data, is there."""
        if self.rows.empty:
            return False
        key = {"data": self.provenance["data"], **key}
        return bool(
            (self.rows[list(key)].astype(str) == [str(value) for value in key.values()]).all(axis=1).any()
        )

    def add(self, **row) -> None:
        """Write the one row of a run."""
        self.add_all([row])
        print(row, flush=True)

    def add_all(self, rows: list[dict]) -> None:
        """Write all rows of a run at once, so that a killed script leaves whole runs only."""
        rows = [row | self.provenance for row in rows]
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        if self.rows.empty:
            writer.writeheader()
        writer.writerows(rows)
        with open(self.path, "a", newline="") as file:
            file.write(text.getvalue())
        self.rows = self._read()

    def _read(self) -> pd.DataFrame:
        if not self.path.exists():
            return pd.DataFrame()
        return pd.read_csv(self.path, float_precision="round_trip")
