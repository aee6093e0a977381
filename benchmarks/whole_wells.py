"""Speed and memory from a DLIS log to the list of its grooves, each length in a process of its own.

    python benchmarks/whole_wells.py 1000000

It reads a log, searches it with the shipped network, and lists the grooves: 10,000 and 100,000 rows of 36 and
72 azimuths, three times, then as long as named, once, of 36. Logs are 10,000 simulated rows, again and again.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from groove_report.grooves import report_by_pieces
from groove_report.logs import read_log
from helpers.data.synthetic import RECIPES, simulate
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS, predict_well_file
from helpers.whole_wells.well_files import open_well


def write_log(path: Path, rows: int, columns: int) -> None:
    """A DLIS file, as tools write them: wall thickness in millimetres, logged upwards."""
    from dliswriter import DLISFile, enums  # of requirements.txt, for tests and this script only

    well = simulate(RECIPES[11 if columns == 36 else 7], 10_000, np.random.default_rng(0)).thickness
    thickness = np.where(np.isfinite(well), (well + 0.4) * 25.4, -999.25).astype(np.float32)
    file = DLISFile()
    logical = file.add_logical_file()
    logical.add_origin("BENCHMARK")
    depth = logical.add_channel("DEPT", data=0.0381 * np.arange(rows)[::-1], units="m")
    values = logical.add_channel("THBK", data=np.tile(thickness, (rows // 10_000, 1)), units="mm")
    logical.add_frame("FRAME", channels=[depth, values], index_type=enums.FrameIndexType.BOREHOLE_DEPTH)
    file.write(str(path), output_chunk_size=2**24)


def measure(path: Path) -> list[float]:
    """Seconds of reading, searching and listing, and the peak memory of this process in MB."""
    model, config = load_model(WEIGHTS)
    found, times = path.with_name("probability.npy"), [time.perf_counter()]
    log = read_log(path, path.with_name("thickness.npy"))
    times.append(time.perf_counter())
    predict_well_file(model, log.path, found, config=config)
    times.append(time.perf_counter())
    report_by_pieces(open_well(log.path), open_well(found), config)
    times.append(time.perf_counter())
    return [*np.diff(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]


def main() -> None:
    fresh = multiprocessing.get_context("spawn").Pool
    print("| rows | azimuths | read, s | search, s | list, s | rows a second, all | peak memory, MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    logs = [(rows, columns) for rows in (10_000, 100_000) for columns in (36, 72)]
    for rows, columns in logs + [(int(argument), 36) for argument in sys.argv[1:]]:
        with tempfile.TemporaryDirectory() as folder, fresh(1, maxtasksperchild=1) as pool:
            path = Path(folder) / "log.dlis"
            pool.apply(write_log, (path, rows, columns))
            found = np.array([pool.apply(measure, (path,)) for _ in range(3 if rows <= 100_000 else 1)])
        speed, (read, search, listing, peak) = rows / found[:, :3].sum(axis=1), np.median(found, axis=0)
        speeds = f"{np.median(speed):,.0f} ({speed.min():,.0f} to {speed.max():,.0f})"
        seconds = f"{read:.1f} | {search:.1f} | {listing:.1f}"
        print(f"| {rows:,} | {columns} | {seconds} | {speeds} | {peak:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
