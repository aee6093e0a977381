"""From a log to a groove report: one HTML file to read and sign, and one CSV. Notebook 08.

    python experiments/inspect_log.py well.dlis --output report --inner-diameter 220
    python experiments/inspect_log.py well.npy --output report
    python experiments/inspect_log.py --well 3 --output report

The log is a DLIS file with a channel of wall thickness around the pipe, or a well as `.npy`, rows by columns,
of thickness deviation in inches, or, with `--well`, a well of the challenge's patches. The network is the one
that ships with the project, if no other is named. In the output folder stand report.html, grooves.csv and, as
`.npy`, the well and its groove probabilities: all four of one log, and only when all are made. Stopped
half-way, it leaves the folder as it was; start again.
"""

import argparse
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from common import run_from_command_line
from tqdm import tqdm

from helpers.checkpoint import load_model
from helpers.config import Config
from helpers.data import USUAL_MEDIAN, USUAL_SPREAD, find_data, load_data
from helpers.files import UNFINISHED, DataError, check_input, check_output, disk_errors, listed
from helpers.models.well_resunet import WellResUNet
from helpers.preprocess import usable_pixels
from helpers.runs import best_device
from helpers.wells import columns_of, well_from_frame
from helpers.whole_wells.logs import CHANNEL, Log, read_log
from helpers.whole_wells.page import write_page
from helpers.whole_wells.pod import DetectionCurve, fit_detection_curve
from helpers.whole_wells.prediction import VIEWS, WEIGHTS, predict_well_file
from helpers.whole_wells.report import engineers_report, report_by_pieces
from helpers.whole_wells.well_files import open_well, save_well

TRIALS = WEIGHTS.with_name("detection.csv")  # of the shipped network, made by detection.py
FILES = "thickness.npy", "probability.npy", "grooves.csv", "report.html"


def main() -> None:
    arguments = read_arguments()
    matplotlib.use("agg")
    check_paths(arguments)
    model, config = load_model(arguments.model, best_device())
    if not isinstance(model, WellResUNet):
        raise ValueError(
            f"{arguments.model}: expected a network for whole wells, found {type(model).__name__}."
        )
    config = replace(config, threshold=arguments.threshold or config.threshold)
    curve = detection_curve(arguments)
    with made_together(arguments.output) as folder:
        log, name = open_log(arguments, folder)
        thickness = open_well(log.path)
        doubts = check_deviation(thickness, name, config)
        print(f"{name}: {len(thickness):,} rows of {thickness.shape[1]} azimuths.", *doubts, flush=True)
        with tqdm(total=len(thickness), unit="row", desc="search", mininterval=1) as bar:
            options = {"progress": bar.update, "views": arguments.views, "config": config}
            predict_well_file(model, log.path, folder / "probability.npy", **options)
        probability = open_well(folder / "probability.npy")
        report = report_by_pieces(thickness, probability, config, log.breaks)
        table = engineers_report(report, log.depth, arguments.inner_diameter, curve and curve[0].pod)
        table.round(5).to_csv(folder / "grooves.csv")
        write_page(
            folder / "report.html",
            f"Grooves of {name}",
            facts_of(arguments, thickness.shape, log, config.threshold),
            table,
            report,
            thickness,
            log.depth,
            [*doubts, *log.notes, *notes_on_breaks(report, log.breaks)],
            curve,
            card_of(arguments.model),
            config,
        )
        del thickness, probability  # Windows moves no file that is mapped
    print(f"{len(table)} grooves: {arguments.output / 'report.html'}, {arguments.output / 'grooves.csv'}")


def between(low: float, high: float) -> Callable[[str], float]:
    """A number of the command line, within these limits."""

    def number(text: str) -> float:
        if not low <= (value := float(text)) <= high:
            raise argparse.ArgumentTypeError(f"expected a number between {low:g} and {high:g}, found {text}")
        return value

    return number


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path, nargs="?", help="a .dlis file, or a well as .npy")
    parser.add_argument("--well", type=int, help="instead of a log: a well of the challenge's patches")
    parser.add_argument(
        "--columns", type=int, choices=(36, 72), help="of that well, if its patches do not tell"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the report")
    parser.add_argument("--channel", default=CHANNEL, help=f"of wall thickness (default {CHANNEL})")
    parser.add_argument("--frame", help="of a DLIS file, where several have the channel")
    parser.add_argument("--logical-file", type=int, metavar="N", help="likewise, counted from 0")
    parser.add_argument("--unit", help="of the channel, where the file names none or a wrong one: in, mm ...")
    diameter = {"type": between(50, 1000), "metavar": "MM"}
    parser.add_argument("--inner-diameter", **diameter, help="of the casing, for widths in mm")
    threshold = {"type": between(0.001, 0.999), "metavar": "P"}
    parser.add_argument("--threshold", **threshold, help="of the probability (default: the network's own)")
    views = {"type": int, "default": 1, "choices": range(1, len(VIEWS) + 1), "metavar": "N"}
    parser.add_argument("--views", **views, help=f"mean of up to {len(VIEWS)} views of the well, slower")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="another network for whole wells")
    arguments = parser.parse_args()
    if (arguments.log is None) == (arguments.well is None):
        parser.error("name a log, or a well of the challenge with --well: one of both")
    return arguments


def check_paths(arguments: argparse.Namespace) -> None:
    """Raise DataError, before any work, if a file cannot be read or written, or would be read and written."""
    check_input(arguments.model)
    if arguments.log:
        check_input(arguments.log)
    for path in (arguments.output / name for name in FILES):
        check_output(path)
        if arguments.log and path.exists() and path.samefile(arguments.log):
            raise DataError(
                f"{arguments.log}: the report would overwrite it, since a file of this name belongs to it. "
                "Name another folder with --output."
            )


@contextmanager
def made_together(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder to make `FILES` in; at the end all move to `folder`, in place of older ones.

    Other reports into the same folder, at the same time, are made elsewhere, and move before or after.
    """
    part = folder / f"{UNFINISHED}{uuid.uuid4().hex[:8]}-report"
    with disk_errors(folder, "written", folder):
        part.mkdir()
    try:
        yield part
        with disk_errors(folder, "written", folder), alone_in(folder):
            (folder / "report.html").unlink(missing_ok=True)  # no page is ever beside another log's table
            for name in FILES:
                os.replace(part / name, folder / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def alone_in(folder: Path, seconds: float = 5.0) -> Iterator[None]:
    """Wait while another process moves its files, which takes no time; a killed one is passed over."""
    lock, end = folder / f"{UNFINISHED}00000000-lock", time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(FileExistsError):
            lock.mkdir()
            break
        time.sleep(0.05)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.rmdir()


def open_log(arguments: argparse.Namespace, folder: Path) -> tuple[Log, str]:
    """The well as `thickness.npy` in a folder, and what it is called."""
    target = folder / "thickness.npy"
    if arguments.well is not None:
        source = find_data()
        _, images = load_data(source.folder)
        columns = arguments.columns or columns_of(images, arguments.well)
        save_well(well_from_frame(images, arguments.well, columns), target)
        return Log(target), f"well {arguments.well}, {source.name}"
    if arguments.log.suffix.lower() == ".npy":
        open_well(arguments.log)
        with disk_errors(target, "written", folder):
            shutil.copyfile(arguments.log, target)
        return Log(target), arguments.log.name
    options = arguments.channel, arguments.frame, arguments.logical_file, arguments.unit
    return read_apart(arguments.log, target, *options), arguments.log.name


def read_apart(source: Path, *options) -> Log:
    """`read_log` in a process of its own, since some damaged files make dlisio crash, and not raise."""
    with ProcessPoolExecutor(1) as process:
        try:
            return process.submit(read_log, source, *options).result()
        except BrokenProcessPool as error:
            raise DataError(
                f"{source}: expected a DLIS file, reading it crashed, so it is damaged. Copy it again, or "
                "have it exported again."
            ) from error


def check_deviation(thickness: np.ndarray, name: str, config: Config) -> list[str]:
    """Return a note if thickness is unusual; raise DataError if it cannot be deviation in inches."""
    if thickness.shape[1] not in (36, 72):
        raise DataError(
            f"{name}: found {thickness.shape[1]} columns, expected 36 or 72, once around the pipe. "
            "Resample its rows."
        )
    rows = np.asarray(thickness[:: 1 + len(thickness) // 2000])
    usable = usable_pixels(rows, config)
    wanted = (
        "Expected thickness in inches minus the mean of each row. Is its unit right? That of a DLIS file's "
        "channel is named with --unit, that of an .npy file is always inch."
    )
    if usable.mean() < 0.5:
        raise DataError(
            f"{name}: {1 - usable.mean():.0%} of the pixels hold no measurement between "
            f"{config.outlier_threshold:g} and {config.upper_outlier_threshold:g}. {wanted}"
        )
    low, median, high = np.quantile(rows[usable], (0.25, 0.5, 0.75))
    if abs(median) > USUAL_MEDIAN:
        raise DataError(f"{name}: the median is {median:.2f}, far from 0. {wanted}")
    spread, usual = high - low, f"{USUAL_SPREAD[0]:g} to {USUAL_SPREAD[1]:g}"
    said = f"half of the values lie within {spread:.5f} inch, where those of a wall take {usual}."
    if not USUAL_SPREAD[0] / 4 <= spread <= USUAL_SPREAD[1] * 4:  # millimetres are 25 times too many
        raise DataError(f"{name}: {said} {wanted}")
    is_usual = USUAL_SPREAD[0] <= spread <= USUAL_SPREAD[1]
    return [] if is_usual else [f"Is the unit right? {said.capitalize()}"]


def detection_curve(arguments: argparse.Namespace) -> tuple[DetectionCurve, pd.DataFrame] | None:
    """Of the shipped network at its own threshold; of others it was not measured."""
    if arguments.model != WEIGHTS or arguments.threshold is not None or arguments.views != 1:
        return None
    try:
        trials = pd.read_csv(TRIALS)
    except OSError as error:
        raise DataError(f"{TRIALS}: could not be read. Run python experiments/detection.py.") from error
    return fit_detection_curve(trials), trials


def notes_on_breaks(report: pd.DataFrame, breaks: tuple[int, ...]) -> list[str]:
    """Which grooves are concerned where the log does not go on."""
    cut = report["start_row"].isin(breaks) | (report["end_row"] + 1).isin(breaks)
    named = listed(report.index[cut], 20)
    return [f"Cut off where the log does not go on: groove {named}."] if cut.any() else []


def facts_of(arguments: argparse.Namespace, shape: tuple, log: Log, threshold: float) -> dict[str, str]:
    facts = {"Log": arguments.log.name if arguments.log else f"well {arguments.well} of the challenge"}
    if log.depth is not None:
        facts["Depth"] = (
            f"{np.min(log.depth):.2f} to {np.max(log.depth):.2f} m, a row every "
            f"{abs(np.median(np.diff(log.depth))) * 1000:.1f} mm"
        )
    facts["Rows and azimuths"] = f"{shape[0]:,} x {shape[1]}"
    facts["Unit"] = "inch is assumed for the data that the network learned from, whose unit is not published"
    if arguments.inner_diameter:
        facts["Inner diameter"] = f"{arguments.inner_diameter:g} mm"
    facts["Called a groove"] = f"from a probability of {threshold:g} on, ten rows long at least"
    facts["Network"] = arguments.model.name
    return facts


def card_of(model: Path) -> str:
    """The model card beside the network's file."""
    card = model.parent / "README.md"
    return card.read_text(encoding="utf-8") if card.is_file() else f"{model} has no model card beside it."


if __name__ == "__main__":
    run_from_command_line(main)
