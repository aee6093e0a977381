"""Memory and speed of whole-well inference by the well's length, each length in a process of its own.

python benchmarks/whole_wells.py            # 10,000 and 100,000 and 1,000,000 rows of 36 columns
python benchmarks/whole_wells.py 10000000   # also as long as this, 1.4 GB of file
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.models import build_model
from helpers.whole_wells.prediction import predict_well_file

LENGTHS = [10_000, 100_000, 1_000_000]


def write_well(path: Path, rows: int) -> None:
    """A wall of noise around the mean, written in pieces."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, 36)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, 10_000):
            piece = rng.normal(0, 0.02, (min(10_000, rows - start), 36))
            file.write(piece.astype("<f4").tobytes())


def measure(rows: int) -> None:
    """Print rows, seconds and peak memory in MB of this process."""
    torch.manual_seed(0)
    model = build_model("well_resunet").to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "well.npy", Path(folder) / "probability.npy"
        write_well(source, rows)
        start = time.perf_counter()
        predict_well_file(model, source, target)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {rows:,} | {seconds:.1f} | {rows / seconds:,.0f} | {peak:.0f} |", flush=True)


def main() -> None:
    print("| rows | seconds | rows a second | peak memory, MB |\n|---|---|---|---|", flush=True)
    for rows in LENGTHS + [int(argument) for argument in sys.argv[1:]]:
        subprocess.run([sys.executable, __file__, "--one", str(rows)], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]))
    else:
        main()
