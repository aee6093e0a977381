"""What the scripts here share: where the data are, how a row is written with its provenance."""

import argparse
import csv
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from helpers.colab import DataSource, find_data
from helpers.config import Config
from helpers.data import load_data, read_labels
from helpers.preprocess import PreprocessData

HERE = Path(__file__).parent


def parse_arguments(description: str, budget: int, seeds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--budget", type=int, default=budget, help="patches shown to each model")
    parser.add_argument("--seeds", type=int, default=seeds, help="runs with the seeds 0 ... N-1")
    parser.add_argument("--output", type=Path, help="CSV to add to (default: beside this script)")
    return parser.parse_args()


def load_repaired() -> tuple[DataSource, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return (source, labels, images, judge) of all wells, repaired, ruined patches dropped.

    The judge is the clean truth on simulated wells, and the labels themselves on real ones.
    """
    source = find_data()
    y, images = PreprocessData().transform(*load_data(source.folder, Config().unpacked_dir))
    judge = read_labels(source.folder / "y_clean.csv").loc[y.index] if source.simulated else y
    return source, y, images, judge


class Results:
    """A CSV that grows by a row a run, each on disk at once, so that a killed script goes on where it was."""

    def __init__(self, output: Path | None, script: str, source: DataSource):
        data = "simulated" if source.simulated else "real"
        self.path = output or HERE / f"{Path(script).stem}_{data}.csv"
        self.provenance = {
            "data": source.name,
            "labels": source.labels,
            "judge": "clean truth" if source.simulated else source.labels,
            "command": "python " + " ".join([f"experiments/{Path(script).name}", *sys.argv[1:]]),
            "torch": version("torch"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        }
        self.rows = pd.read_csv(self.path) if self.path.exists() else pd.DataFrame()

    def has(self, **key) -> bool:
        """Tell whether a row with this key, of the same data, is there."""
        if self.rows.empty:
            return False
        key = {"data": self.provenance["data"], **key}
        return bool(
            (self.rows[list(key)].astype(str) == [str(value) for value in key.values()]).all(axis=1).any()
        )

    def add(self, **row) -> None:
        row |= self.provenance
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.rows = pd.concat([self.rows, pd.DataFrame([row])], ignore_index=True)
        print({name: value for name, value in row.items() if name not in self.provenance}, flush=True)
