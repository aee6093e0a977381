"""From a log to a groove report: one HTML file to read and sign, and one CSV. Notebook 08.

    python experiments/inspect_log.py well.dlis --output report --inner-diameter 220
    python experiments/inspect_log.py well.npy --output report
    python experiments/inspect_log.py --well 3 --output report

The log is a DLIS file with a channel of wall thickness around the pipe, or a well as `.npy`, rows by columns,
of thickness deviation in inches, or, with `--well`, a well of the challenge's patches. The network is the one
that ships with the project, if no other is named. In the output folder stand report.html, grooves.csv and, as
`.npy`, the well and its groove probabilities. Stopped half-way, it leaves nothing half-written; start again.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from common import run_from_command_line
from tqdm import tqdm

from helpers.checkpoint import load_model
from helpers.config import Config
from helpers.data import USUAL_MEDIAN, find_data, load_data
from helpers.devices import best_device
from helpers.files import DataError, check_output, remove_leftovers, replace_atomically
from helpers.models.well_resunet import WellResUNet
from helpers.preprocess import usable_pixels
from helpers.wells import well_from_frame
from helpers.whole_wells.logs import CHANNEL, Log, read_log
from helpers.whole_wells.page import write_page
from helpers.whole_wells.pod import DetectionCurve, fit_detection_curve
from helpers.whole_wells.prediction import WEIGHTS, predict_well_file
from helpers.whole_wells.report import engineers_report, report_by_pieces
from helpers.whole_wells.well_files import open_well, save_well

TRIALS = WEIGHTS.with_name("detection.csv")  # of the shipped network, made by detection.py


def main() -> None:
    arguments = read_arguments()
    matplotlib.use("agg")
    folder = arguments.output
    page = folder / "report.html"
    check_output(page)
    remove_leftovers(folder)
    model, config = load_model(arguments.model, best_device())
    if not isinstance(model, WellResUNet):
        raise ValueError(
            f"{arguments.model}: expected a network for whole wells, found {type(model).__name__}."
        )
    if arguments.threshold is not None:
        if not 0 < arguments.threshold < 1:
            raise ValueError(f"Expected a threshold between 0 and 1, found {arguments.threshold:g}.")
        config = replace(config, threshold=arguments.threshold)
    log, name = open_log(arguments, folder)
    thickness = open_well(log.path)
    check_deviation(thickness, name, config)
    print(f"{name}: {len(thickness):,} rows of {thickness.shape[1]} azimuths", flush=True)
    with tqdm(total=len(thickness), unit="row", desc="search", mininterval=1) as bar:
        options = {"progress": bar.update, "views": arguments.views, "config": config}
        predict_well_file(model, log.path, folder / "probability.npy", **options)
    report = report_by_pieces(thickness, open_well(folder / "probability.npy"), config)
    curve = detection_curve(arguments)
    table = engineers_report(report, log.depth, arguments.inner_diameter, curve and curve[0].pod)
    with replace_atomically(folder / "grooves.csv") as temporary:
        table.round(5).to_csv(temporary)
    write_page(
        page,
        f"Grooves of {name}",
        facts_of(arguments, thickness.shape, log, config.threshold),
        table,
        report,
        thickness,
        log.depth,
        log.notes,
        curve,
        card_of(arguments.model),
        config,
    )
    print(f"{len(table)} grooves: {page}, {folder / 'grooves.csv'}")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path, nargs="?", help="a .dlis file, or a well as .npy")
    parser.add_argument("--well", type=int, help="instead of a log: a well of the challenge's patches")
    parser.add_argument("--output", type=Path, required=True, help="folder of the report")
    parser.add_argument("--channel", default=CHANNEL, help=f"of wall thickness (default {CHANNEL})")
    parser.add_argument("--frame", help="of a DLIS file, where several have the channel")
    parser.add_argument("--logical-file", type=int, metavar="N", help="likewise, counted from 0")
    parser.add_argument("--unit", help="of the channel, where the file names none: in, mm ...")
    parser.add_argument("--inner-diameter", type=float, metavar="MM", help="of the casing, for widths in mm")
    parser.add_argument("--threshold", type=float, help="of the probability (default: the network's own)")
    parser.add_argument("--views", type=int, default=1, help="mean of up to 8 views of the well, slower")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="another network for whole wells")
    arguments = parser.parse_args()
    if (arguments.log is None) == (arguments.well is None):
        parser.error("name a log, or a well of the challenge with --well: one of both")
    return arguments


def open_log(arguments: argparse.Namespace, folder: Path) -> tuple[Log, str]:
    """The well on disk, and what it is called."""
    if arguments.well is not None:
        source = find_data()
        _, images = load_data(source.folder, load_model(arguments.model)[1].unpacked_dir)
        save_well(well_from_frame(images, arguments.well), folder / "thickness.npy")
        return Log(folder / "thickness.npy", None, ()), f"well {arguments.well}, {source.name}"
    if arguments.log.suffix.lower() == ".npy":
        open_well(arguments.log)
        return Log(arguments.log, None, ()), arguments.log.name
    bar = tqdm(unit="row", desc="read", mininterval=1)

    def progress(done: int, rows: int) -> None:
        bar.total = rows
        bar.update(done - bar.n)

    with bar:
        log = read_log(
            arguments.log,
            folder / "thickness.npy",
            arguments.channel,
            arguments.frame,
            arguments.logical_file,
            arguments.unit,
            progress,
        )
    return log, arguments.log.name


def check_deviation(thickness: np.ndarray, name: str, config: Config) -> None:
    """Raise DataError unless this can be thickness deviation in inches, once around the pipe."""
    if thickness.shape[1] not in (36, 72):
        raise DataError(
            f"{name}: found {thickness.shape[1]} columns, expected 36 or 72, once around the pipe. "
            "Resample its rows."
        )
    rows = thickness[:: 1 + len(thickness) // 2000]
    usable = usable_pixels(rows, config)
    wanted = "Expected thickness in inches minus the mean of each row."
    if usable.mean() < 0.5:
        raise DataError(
            f"{name}: {1 - usable.mean():.0%} of the pixels hold no measurement between "
            f"{config.outlier_threshold:g} and {config.upper_outlier_threshold:g}. {wanted}"
        )
    if abs(median := np.median(rows[usable])) > USUAL_MEDIAN:
        raise DataError(f"{name}: the median is {median:.2f}, far from 0. {wanted}")


def detection_curve(arguments: argparse.Namespace) -> tuple[DetectionCurve, pd.DataFrame] | None:
    """Of the shipped network at its own threshold; of others it was not measured."""
    if arguments.model != WEIGHTS or arguments.threshold is not None or arguments.views != 1:
        return None
    try:
        trials = pd.read_csv(TRIALS)
    except OSError as error:
        raise DataError(f"{TRIALS}: could not be read. Run python experiments/detection.py.") from error
    return fit_detection_curve(trials), trials


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
