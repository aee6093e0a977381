"""Masks of unlabelled patches as a CSV in the challenge's format.

python -m helpers.submission runs/.../last_<timestamp>.pt path/to/X_test/images y_test.csv
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers.checkpoint import load_model
from helpers.config import Config
from helpers.data import COLUMNS, read_images, write_csv
from helpers.files import DataError
from helpers.inference import predict_pixels
from helpers.preprocess import repair_pixels


def predict_folder(
    model: nn.Module, images_dir: Path, example: Path | None = None, config: Config = Config()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict the masks of all patches in a folder.

    Every patch gets a mask, since the challenge wants one for each. Unusable pixels are repaired as in
    cleaning. A patch that cleaning would drop is judged by what is left of it, and is reported; one without
    any usable pixel gets an empty mask.

    Parameters
    ----------
    model : gives logits, for example from `helpers.runs.load_model`.
    images_dir : holds `well_<w>_patch_<p>.npy`.
    example : a CSV whose first column names the patches to predict, in this order; by default all of the
        folder, in the order of wells and patch numbers.

    Returns
    -------
    masks : (n, 1296) uint8 of 0 and 1, indexed by patch name; columns "0" ... "1295".
    report : one row a patch with unusable pixels: missing, outliers, and what was done.

    Raises
    ------
    DataError : a file is missing or damaged, or the example is no table of patch names.
    """
    images = read_images(images_dir, None if example is None else _names_of(example))
    pixels, missing, outliers = repair_pixels(images.to_numpy(), config)
    unusable = missing + outliers
    masks = predict_pixels(model, pixels, config) >= config.threshold
    masks = masks.flatten(1).numpy().astype(np.uint8)
    empty, poor = unusable == pixels.shape[1], unusable >= config.ruined_pixels
    masks[empty] = 0
    done = np.select([empty, poor], ["empty mask: no usable pixel", "judged by what is left"], "repaired")
    report = pd.DataFrame({"missing": missing, "outliers": outliers, "done": done}, images.index)
    return pd.DataFrame(masks, images.index, COLUMNS), report[unusable > 0]


def _names_of(example: Path) -> list[str]:
    try:
        names = pd.read_csv(example, usecols=[0], dtype=str, keep_default_na=False).iloc[:, 0].tolist()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{example}: expected a CSV with patch names in front, found none ({error})."
        ) from error
    doubled = pd.Index(names)[pd.Index(names).duplicated()]
    if len(doubled):
        raise DataError(f"{example}: expected one row a patch, found {doubled[0]} twice.")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a model that helpers.training.fit saved")
    parser.add_argument("images", type=Path, help="folder of well_<w>_patch_<p>.npy")
    parser.add_argument("csv", type=Path, help="CSV to write")
    parser.add_argument("--example", type=Path, help="CSV with the patches' names in the order wanted")
    arguments = parser.parse_args()
    try:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = load_model(arguments.model, device)
        masks, report = predict_folder(model, arguments.images, arguments.example)
        write_csv(masks, arguments.csv)
    except DataError as error:
        sys.exit(str(error))
    corroded = (masks.sum(axis=1) > 0).sum()
    print(f"{arguments.csv}: {len(masks)} patches, {corroded} with a groove.")
    if len(report):
        print("Patches with unusable pixels:")
        print(report.to_string())


if __name__ == "__main__":
    main()
