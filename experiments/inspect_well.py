"""The groove report of a well, and how deep a groove must be to be found, by a trained model. Notebook 07.

    python experiments/inspect_well.py runs/<run>/last_<timestamp>.pt --well 2 --output grooves.csv

The probability of detection is that of grooves 30 degrees wide and 72 rows long, planted in `--wall`, a well
without grooves (9 or 10).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.colab import find_data
from helpers.config import Config
from helpers.data import load_data
from helpers.detection import calls, false_calls, fit_detection_curve, hit_or_miss
from helpers.files import replace_atomically
from helpers.inspection import groove_report
from helpers.models.well_resunet import WellResUNet
from helpers.checkpoint import load_model
from helpers.well_inference import predict_well, predict_well_by_patches
from helpers.wells import well_from_frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="file of a trained model, of patches or of whole wells")
    parser.add_argument("--well", type=int, default=2, help="to report on (default 2)")
    parser.add_argument("--wall", type=int, default=9, choices=(9, 10), help="without grooves (default 9)")
    parser.add_argument("--output", type=Path, help="CSV of the report")
    arguments = parser.parse_args()
    source, config = find_data(), Config()
    _, images = load_data(source.folder, config.unpacked_dir)
    model = load_model(arguments.model)

    def probability(thickness: np.ndarray, well: int) -> np.ndarray:
        if isinstance(model, WellResUNet):
            return predict_well(model, thickness)
        return predict_well_by_patches(model, thickness, well)

    print(f"Data: {source.description}")
    thickness = well_from_frame(images, arguments.well)
    found = probability(thickness, arguments.well)
    report = groove_report(calls(found >= config.threshold) > 0, thickness, found)
    print(f"Well {arguments.well}, {len(thickness)} rows: {len(report)} grooves")
    print(report.describe().loc[["mean", "std", "min", "max"]].round(3).to_string())
    if arguments.output:
        with replace_atomically(arguments.output) as temporary:
            report.to_csv(temporary)

    wall = well_from_frame(images, arguments.wall)

    def find(thickness: np.ndarray) -> np.ndarray:
        return probability(thickness, arguments.wall) >= config.threshold

    planted = {"trials": 160, "depths": (0.004, 0.1), "width": 30, "length": 72, "seed": config.seed}
    curve = fit_detection_curve(hit_or_miss(find, wall, **planted))
    print(f"Wall of well {arguments.wall}: {false_calls(find, wall):.0f} false calls per 10,000 rows")
    print(f"a90 {curve.depth_at(0.9):.4f}, a90/95 {curve.depth_at(0.9, 0.95):.4f}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:  # a DataError among them; its message says all
        sys.exit(str(error))
