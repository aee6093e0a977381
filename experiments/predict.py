"""Masks for a folder of patches, in the challenge's format. Notebook 08.

    python experiments/predict.py path/to/X_test.zip y_test.csv --model runs/<run>/last_<timestamp>.pt

Without a model of yours the network that ships with the project is used, which has seen simulated wells only
(data/weights/README.md). Scale and thresholds are those that a model was trained with.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from common import run_from_command_line

from helpers.data import write_csv
from helpers.files import check_output
from helpers.models.well_resunet import WellResUNet
from helpers.training.checkpoint import load_model
from helpers.training.runs import best_device
from helpers.whole_wells.prediction import WEIGHTS, mask_patches
from helpers.whole_wells.submission import by_patches, predict_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="folder of well_<w>_patch_<p>.npy, or a zip of them")
    parser.add_argument("csv", type=Path, help="CSV to write")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="that helpers.training.fit saved")
    parser.add_argument("--example", type=Path, help="CSV with the patches' names in the order wanted")
    parser.add_argument("--threshold", type=float, help="a plain one, instead of the model's own")
    parser.add_argument("--columns", type=int, choices=(36, 72), help="of wells whose patches do not tell it")
    arguments = parser.parse_args()
    check_output(arguments.csv)
    model, config = load_model(arguments.model, best_device())
    if arguments.threshold is not None:
        if not 0 < arguments.threshold < 1:
            parser.error(f"--threshold: expected a number between 0 and 1, found {arguments.threshold}")
        config = replace(config, **dict.fromkeys(("threshold", "likely", "sure"), arguments.threshold))
    whole_wells = isinstance(model, WellResUNet)
    predict = partial(mask_patches, columns=arguments.columns) if whole_wells else by_patches
    masks, report = predict_folder(model, config, arguments.images, arguments.example, predict)
    write_csv(masks, arguments.csv)
    print(f"{arguments.csv}: {len(masks)} patches, {masks.any(axis=1).sum()} with a groove.")
    if len(report):
        print(f"Patches with unusable pixels:\n{report.to_string()}")


if __name__ == "__main__":
    run_from_command_line(main)
