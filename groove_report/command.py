"""From a log to a groove report: one HTML file to read and sign, and one CSV. Notebook 08.

    python -m groove_report well.dlis --output report --inner-diameter 220
    python -m groove_report well.npy --output report
    python -m groove_report --well 3 --output report
    python -m groove_report a.dlis b.dlis --output reports

The log is a DLIS file with a channel of wall thickness around the pipe, or a well as `.npy`, rows by columns,
of thickness deviation in inches, or, with `--well`, a well of the challenge's patches. The network is the one
that ships with the project, if no other is named. In the output folder stand report.html, grooves.csv,
well.html to scroll and zoom in and, as `.npy`, the well, what was measured and the groove probabilities: all
of one log, and only when all are made.
Stopped half-way, it leaves the folder as it was; start again. Several logs get a folder each, and wells.csv.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from tqdm import tqdm

from groove_report.grooves import DEEP, engineers_report, report_by_pieces
from groove_report.logs import BEARINGS, CHANNEL, INCH, MEASURED, Log, log_of_well, read_log
from groove_report.page import write_page
from groove_report.pod import Measured, fit_detection_curve
from groove_report.tally import joint_tally
from helpers.config import Config
from helpers.data import find_data, load_data
from helpers.data.load import USUAL_MEDIAN, USUAL_SPREAD
from helpers.data.preprocess import usable_pixels
from helpers.data.wells import columns_of, well_from_frame
from helpers.files import DataError, check_input, check_output, disk_errors, listed, replace_atomically
from helpers.models.well_resunet import WellResUNet
from helpers.training.checkpoint import load_model
from helpers.training.runs import best_device
from helpers.whole_wells.prediction import WEIGHTS, predict_well_file
from helpers.whole_wells.well_files import open_well

TRIALS = WEIGHTS.with_name("detection.csv")  # of the shipped network, made by experiments/detection.py
WELLS, COLUMNS = "wells.csv", ["folder", "well", "rows", "grooves", "deepest_loss_mm", "outcome"]
FILES = "thickness.npy", "probability.npy", "grooves.csv", "report.html", "well.html", MEASURED
RANGES = ("inner_diameter", 50, 1000), ("nominal", 1, 60), ("grade", 100, 2000), ("threshold", 0.001, 0.999)
JOINTS = "joints.csv"  # of a log that gives the wall's thickness


def main() -> None:
    arguments = read_arguments()
    matplotlib.use("agg")
    check_input(arguments.model)
    model, config = load_model(arguments.model, best_device())
    if not isinstance(model, WellResUNet):
        kind = type(model).__name__
        raise ValueError(f"{arguments.model}: expected a network for whole wells, found {kind}.")
    curve = None
    if arguments.threshold:
        config = replace(config, likely=arguments.threshold, sure=arguments.threshold)
    elif arguments.model == WEIGHTS:
        curve = fit_detection_curve(trials := pd.read_csv(TRIALS)), trials  # measured in this one way only
    if len(arguments.logs) < 2:
        arguments.log = arguments.logs[0] if arguments.logs else None
        write_report(arguments, model, config, curve)
        return
    stems, rows = [log.stem for log in arguments.logs], []
    for place, (log, stem) in enumerate(zip(arguments.logs, stems, strict=True)):
        folder = stem if stems.count(stem) == 1 else f"{stem}-{place + 1}"
        one = vars(arguments) | {"log": log, "output": arguments.output / folder}
        row = {"folder": folder, "outcome": "report"}
        try:
            row |= write_report(argparse.Namespace(**one), model, config, curve)
        except (OSError, ValueError, FloatingPointError, MemoryError) as error:
            row["outcome"] = str(error) or type(error).__name__
            print(row["outcome"], file=sys.stderr)
        rows.append(row)
        with replace_atomically(arguments.output / WELLS) as temporary:
            pd.DataFrame(rows, columns=COLUMNS).convert_dtypes().to_csv(temporary, index=False)
    if failed := sum(row["outcome"] != "report" for row in rows):
        raise DataError(f"{failed} of {len(rows)} logs have no report: {arguments.output / WELLS} says why.")


def write_report(arguments: argparse.Namespace, model: WellResUNet, config: Config, curve: Measured | None):
    """Write the report of one log; return its row of `WELLS`."""
    from groove_report.viewer import write_viewer  # takes a second, which `--help` does not need

    check_paths(arguments)
    with made_together(arguments.output) as folder:
        log, name = open_log(arguments, folder / FILES[0])
        thickness = open_well(log.path)
        log = replace(log, notes=(*check_deviation(thickness, name, config), *log.notes))
        print(f"{name}: {len(thickness):,} rows of {thickness.shape[1]} azimuths.", *log.notes, flush=True)
        with tqdm(total=len(thickness), unit="row", desc="search", mininterval=1) as bar:
            predict_well_file(model, log.path, folder / FILES[1], bar.update, config=config)
        wall, found = open_well(log.measured), open_well(folder / FILES[1])
        numbers = np.zeros(wall.shape, np.uint32)
        places = report_by_pieces(wall, found, config, log.breaks, numbers)
        report = places[0]
        cut = report["start_row"].isin(log.breaks) | (report["end_row"] + 1).isin(log.breaks)
        if cut.any():
            said = f"Cut off where the log does not go on: groove {listed(report.index[cut], 20)}."
            log = replace(log, notes=(*log.notes, said))
        facts, tally = facts_of(arguments, name, log, config), None
        if log.is_wall:
            joints, nominal, said = joint_tally(wall, log.depth, log.nominal)
            if arguments.grade and arguments.inner_diameter and nominal:  # Barlow's formula
                outer = arguments.inner_diameter + 2 * 25.4 * nominal
                joints["burst_mpa"] = 2 * arguments.grade * joints["least_wall_mm"] / outer
            joints.round(5).to_csv(folder / JOINTS)
            log, tally = replace(log, nominal=nominal), (joints, said)
        pod = curve and curve[0].pod
        table = engineers_report(report, log.depth, arguments.inner_diameter, pod, log.nominal, log.is_wall)
        table.round(5).to_csv(folder / FILES[2])
        write_page(folder / FILES[3], facts, table, places, numbers, log, curve, tally)
        write_viewer(folder / FILES[4], thickness, found, report, log.depth, name)
        rows = len(wall)
        del thickness, wall, found  # Windows moves no file that is mapped
    print(f"{len(table)} grooves: {arguments.output / FILES[3]}, {arguments.output / FILES[2]}")
    row = {"well": log.header.get("Well", name), "rows": rows, "grooves": len(table)}
    return row | {"deepest_loss_mm": table["max_loss_mm"].round(3).max()}


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m groove_report", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("logs", type=Path, nargs="*", metavar="log", help="a .dlis file, or a well as .npy; or several")
    add("--well", type=int, help="instead of a log: a well of the challenge's patches")
    add("--columns", type=int, choices=(36, 72), help="of that well, if its patches do not tell")
    add("--output", type=Path, required=True, help="folder of the report")
    add("--channel", default=CHANNEL, help=f"of wall thickness (default {CHANNEL})")
    add("--frame", default="", help="of a DLIS file, where several have the channel")
    add("--logical-file", type=int, metavar="N", help="likewise, counted from 0")
    add("--unit", default="", help="of the channel, where the file names none or a wrong one: in, mm ...")
    add("--bearing", default="", help=f"channel of the tool's turning, or none (default {BEARINGS[0]} ...)")
    add("--nominal", type=float, metavar="MM", help="thickness of the wall, if the file does not say it")
    add("--inner-diameter", type=float, metavar="MM", help="of the casing, for widths in mm")
    add("--grade", type=float, metavar="MPA", help="yield strength of the casing, for its burst pressure")
    add("--threshold", type=float, metavar="P", help="a plain one, not the network's own two")
    add("--model", type=Path, default=WEIGHTS, help="another network for whole wells")
    arguments = parser.parse_args()
    if bool(arguments.logs) == (arguments.well is not None):
        parser.error("name a log, or a well of the challenge with --well: one of both")
    for name, low, high in RANGES:
        if (value := getattr(arguments, name)) is not None and not low <= value <= high:
            parser.error(f"argument --{name.replace('_', '-')}: expected {low} to {high}, found {value:g}")
    return arguments


def check_paths(arguments: argparse.Namespace) -> None:
    """Raise DataError, before any work, if a file cannot be read or written, or would be read and written."""
    if arguments.log:
        check_input(arguments.log)
    for path in (arguments.output / name for name in (*FILES, JOINTS)):
        check_output(path)
        if arguments.log and path.exists() and path.samefile(arguments.log):
            raise DataError(
                f"{arguments.log}: the report would overwrite it, since a file of this name belongs to it. "
                "Name another folder with --output."
            )


@contextmanager
def made_together(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder to make `FILES` in; at the end all move to `folder`, in place of older ones."""
    with disk_errors(folder, "written", folder):
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        yield part
        with disk_errors(folder, "written", folder):
            for name in (FILES[3], JOINTS):  # no page is ever beside another log's table
                (folder / name).unlink(missing_ok=True)
            for path in part.iterdir():
                os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def open_log(arguments: argparse.Namespace, target: Path) -> tuple[Log, str]:
    """The well as an `.npy` file of our own, and what it is called."""
    nominal = arguments.nominal and arguments.nominal / 1000 / INCH
    if arguments.well is not None:
        source = find_data()
        _, images = load_data(source.folder)
        columns = arguments.columns or columns_of(images, arguments.well)
        image = well_from_frame(images, arguments.well, columns)
        return log_of_well(image, target, nominal), f"well {arguments.well}, {source.name}"
    if arguments.log.suffix.lower() == ".npy":
        return log_of_well(open_well(arguments.log), target, nominal), arguments.log.name
    options = arguments.channel, arguments.frame, arguments.logical_file, arguments.unit
    return read_apart(arguments.log, target, *options, nominal, arguments.bearing), arguments.log.name


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
    rows = np.asarray(thickness[:: 1 + len(thickness) // 2000])
    usable = usable_pixels(rows, config)
    low, median, high = np.quantile(rows[usable], (0.25, 0.5, 0.75)) if usable.any() else (0.0, 0.0, 0.0)
    spread, (least, most) = high - low, USUAL_SPREAD
    said = f"half of the values lie within {spread:.5f} inch, those of a wall within {least:g} to {most:g}."
    problems = {
        f"{rows.shape[1]} columns, expected 36 or 72, once around the pipe.": rows.shape[1] not in (36, 72),
        f"{1 - usable.mean():.0%} of the pixels hold nothing that a wall can have.": usable.mean() < 0.5,
        f"the median is {median:.2f}, far from 0.": abs(median) > USUAL_MEDIAN,
        said: not least / 4 <= spread <= most * 4,  # millimetres are 25 times too many
    }
    if wrong := [text for text, is_there in problems.items() if is_there]:
        raise DataError(
            f"{name}: {wrong[0]} Expected thickness in inches minus the mean of each row. Is the unit right? "
            "That of a DLIS file's channel is named with --unit, that of an .npy file is always inch."
        )
    return [] if least <= spread <= most else [f"Is the unit right? {said.capitalize()}"]


def facts_of(arguments: argparse.Namespace, name: str, log: Log, config: Config) -> dict[str, str]:
    rows, columns = open_well(log.path).shape
    facts = {"Log": name, **log.header, "Rows and azimuths": f"{rows:,} x {columns}"}
    if log.depth is not None:
        every = np.median(steps := np.abs(np.diff(log.depth))) or steps.mean()
        facts["Depth"] = f"{min(log.depth):.2f} to {max(log.depth):.2f} m, a row every {every * 1000:.1f} mm"
    facts["Unit"] = "inch is assumed for the data that the network learned from, whose unit is not published"
    if log.nominal:
        facts["Nominal thickness"] = f"{log.nominal * 25.4:.2f} mm"
    if arguments.inner_diameter:
        facts["Inner diameter"] = f"{arguments.inner_diameter:g} mm"
    facts["Called a groove"] = (
        f"what hangs together at a probability of {config.likely:g} or more and reaches {config.sure:g}, or "
        f"has lost {DEEP * 25.4:.1f} mm on average, ten rows long at least"
    )
    return facts | {"Network": arguments.model.name, "To scroll and zoom": "well.html, beside this page"}
