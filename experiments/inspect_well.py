"""The groove report of a well, and how deep a groove must be to be found. Notebook 06.

    python experiments/inspect_well.py --well 2 --output grooves.csv
    python experiments/inspect_well.py --well 2 --model runs/<run>/last_<timestamp>.pt

Without a model of yours the network that ships with the project is used (data/weights/README.md).

The probability of detection is that of grooves 30 degrees wide and 72 rows long, planted in a wall without
grooves: on real data `--wall`, on simulated data a new pipe made like it. A depth is nan where the curve does
not get there.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import run_from_command_line
from scipy.stats import circmean, circstd

from helpers.checkpoint import load_model
from helpers.data import find_data, load_data
from helpers.files import check_output, replace_atomically
from helpers.models.well_resunet import WellResUNet
from helpers.synthetic import simulate_sound_wall
from helpers.wells import well_from_frame
from helpers.whole_wells.pod import calls, false_calls, fit_detection_curve, hit_or_miss
from helpers.whole_wells.prediction import WEIGHTS, predict_well, predict_well_by_patches
from helpers.whole_wells.report import groove_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="trained on patches or on whole wells")
    parser.add_argument("--well", type=int, default=2, help="to report on (default 2)")
    parser.add_argument("--wall", type=int, default=9, choices=(9, 10), help="without grooves (default 9)")
    parser.add_argument("--threshold", type=float, help="of the probability (default: the model's own)")
    parser.add_argument("--output", type=Path, help="CSV of the report")
    arguments = parser.parse_args()
    if arguments.output:
        check_output(arguments.output)
    model, config = load_model(arguments.model)
    if arguments.threshold is not None:
        if not 0 < arguments.threshold < 1:
            raise ValueError(f"Expected a threshold between 0 and 1, found {arguments.threshold:g}.")
        config = replace(config, threshold=arguments.threshold)
    source = find_data()
    _, images = load_data(source.folder, config.unpacked_dir)

    def probability(thickness: np.ndarray, well: int) -> np.ndarray:
        if isinstance(model, WellResUNet):
            return predict_well(model, thickness, config=config)
        return predict_well_by_patches(model, thickness, well, config)

    print(f"Data: {source.description}")
    thickness = well_from_frame(images, arguments.well)
    found = probability(thickness, arguments.well)
    report = groove_report(calls(found >= config.threshold) > 0, thickness, found, config=config)
    print(f"Well {arguments.well}, {len(thickness)} rows: {len(report)} grooves")
    if len(report):
        azimuth, others = report["azimuth_deg"], report.drop(columns="azimuth_deg")
        # 359° and 1° are close, and their mean is 0°
        print(f"Azimuth: {circmean(azimuth, high=360):.1f}° ± {circstd(azimuth, high=360):.1f}°")
        print(others.describe().loc[["mean", "std", "min", "max"]].round(3).to_string())
    if arguments.output:
        with replace_atomically(arguments.output) as temporary:
            report.to_csv(temporary)

    if source.simulated:
        wall = simulate_sound_wall(100 * 36, arguments.wall)
    else:
        wall = well_from_frame(images, arguments.wall)

    def find(thickness: np.ndarray) -> np.ndarray:
        return probability(thickness, arguments.wall) >= config.threshold

    print(f"Wall like well {arguments.wall}: {false_calls(find, wall):.0f} false calls per 10,000 rows")
    # The same grooves for every model, whatever its own seed
    trials = hit_or_miss(find, wall, trials=160, depths=(0.004, 0.1), width=30, length=72, seed=0)
    try:
        curve = fit_detection_curve(trials)
    except ValueError as error:  # all found, or none: a result too
        print(f"Probability of detection: {error}")
        return
    print(f"{len(trials)} grooves planted, in {curve.stretches} stretches of wall")
    print(f"a90 {curve.depth_at(0.9):.4f}, a90/95 {curve.depth_at(0.9, 0.95):.4f}")


if __name__ == "__main__":
    run_from_command_line(main)
