"""Speed and memory from a DLIS log to the list of its grooves, each length in a process of its own.

    python benchmarks/whole_wells.py             # 10,000 and 100,000 rows, of 36 and of 72 azimuths
    python benchmarks/whole_wells.py 1000000     # also as long as this, of 36 azimuths: 150 MB of log

Three rounds of each, but one of the long ones. It reads the log, searches it with the shipped network, and
lists the grooves. The logs are simulated wells, the same 10,000 rows again and again.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.data.synthetic import RECIPES, simulate
from helpers.report.grooves import report_by_pieces
from helpers.report.logs import read_log
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS, predict_well_file
from helpers.whole_wells.well_files import open_well

LOGS = [(10_000, 36), (10_000, 72), (100_000, 36), (100_000, 72)]
ROUNDS = 3


def write_log(path: Path, rows: int, columns: int) -> None:
    """A DLIS file, as tools write them: wall thickness in millimetres, logged upwards."""
    from dliswriter import DLISFile, enums  # of requirements.txt, for tests and this script only

    like = RECIPES[11 if columns == 36 else 7]
    well = simulate(like, 10_000, np.random.default_rng(0)).thickness
    thickness = np.where(np.isfinite(well), (well + 0.4) * 25.4, -999.25).astype(np.float32)
    depth = 0.0381 * np.arange(rows)[::-1]
    file = DLISFile()
    logical = file.add_logical_file()
    logical.add_origin("BENCHMARK")
    channels = [
        logical.add_channel("DEPT", data=depth, units="m"),
        logical.add_channel("THBK", data=np.tile(thickness, (rows // 10_000, 1)), units="mm"),
    ]
    logical.add_frame("FRAME", channels=channels, index_type=enums.FrameIndexType.BOREHOLE_DEPTH)
    file.write(str(path), output_chunk_size=2**24)
    path.write_bytes(b"".join(in_full_records(path.read_bytes())))


def in_full_records(content: bytes, size: int = 8192) -> Iterator[bytes]:
    """Put as many rows into each visible record as tools do; dliswriter writes one a row.

    dlisio looks for a row by going through the visible records before it, so their number counts. A file is
    a label of 80 bytes and visible records; each is its length, two bytes FF 01, and segments of rows (API
    RP 66 V1, 2.3.6).
    """
    yield content[:80]
    place, record = 80, b""
    while place < len(content):
        stop = place + int.from_bytes(content[place : place + 2], "big")
        if len(record) + stop - place > size:
            yield (4 + len(record)).to_bytes(2, "big") + b"\xff\x01" + record
            record = b""
        record += content[place + 4 : stop]
        place = stop
    yield (4 + len(record)).to_bytes(2, "big") + b"\xff\x01" + record


def measure(path: Path) -> None:
    """Print seconds of reading, searching and listing, and the peak memory in MB of this process."""
    model, config = load_model(WEIGHTS)
    folder, seconds = path.parent, []
    start = time.perf_counter()
    log = read_log(path, folder / "thickness.npy")
    seconds.append(time.perf_counter() - start)
    predict_well_file(model, log.path, folder / "probability.npy", config=config)
    seconds.append(time.perf_counter() - start - sum(seconds))
    report_by_pieces(open_well(log.path), open_well(folder / "probability.npy"), config)
    seconds.append(time.perf_counter() - start - sum(seconds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(*seconds, peak)


def main() -> None:
    logs = LOGS + [(int(argument), 36) for argument in sys.argv[1:]]
    print("| rows | azimuths | read, s | search, s | list, s | rows a second, all | peak memory, MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for rows, columns in logs:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.dlis"
            command = [sys.executable, __file__, "--write", str(path), str(rows), str(columns)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)  # it draws a bar
            found = np.array([one(path) for _ in range(ROUNDS if rows <= 100_000 else 1)])
        speed = rows / found[:, :3].sum(axis=1)
        read, search, listing, peak = np.median(found, axis=0)
        spread = f" ({speed.min():,.0f} to {speed.max():,.0f})" if len(speed) > 1 else ""
        print(
            f"| {rows:,} | {columns} | {read:.1f} | {search:.1f} | {listing:.1f} | "
            f"{np.median(speed):,.0f}{spread} | {peak:,.0f} |",
            flush=True,
        )


def one(path: Path) -> list[float]:
    command = [sys.executable, __file__, "--one", str(path)]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(number) for number in ended.stdout.split()]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--write"]:
        write_log(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
