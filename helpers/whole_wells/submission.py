"""Masks of all patches of a folder, as the challenge wants them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor, nn

from helpers.config import Config
from helpers.data import COLUMNS, read_images
from helpers.data.load import sorted_names, warn_of_other_units
from helpers.data.preprocess import repair_pixels
from helpers.files import DataError, check_input, reason_of
from helpers.inference import predict_pixels


def by_patches(model: nn.Module, images: pd.DataFrame, config: Config) -> Tensor:
    """Masks of patches, each judged by itself: from `config.threshold` on a pixel is a groove."""
    return predict_pixels(model, images, config) >= config.threshold


def predict_folder(
    model: nn.Module,
    config: Config,
    images_dir: Path,
    example: Path | None = None,
    predict: Callable[[nn.Module, pd.DataFrame, Config], Tensor] = by_patches,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict the masks of all patches in a folder or zip. Every patch gets one, as the challenge wants it:
    what cleaning would drop is judged by what is left of it, without any usable pixel the mask is empty.

    model, config : as `load_model` gives them; the config is for its scale and thresholds.
    example : a CSV, with or without a header, whose first column names the patches to predict, in this order;
        by default all of the folder, in the order of wells and patch numbers.
    predict : gives the masks (n, 1, 36, 36) of patches. For a network of whole wells it is
        `helpers.whole_wells.prediction.mask_patches`.
    Returns masks, (n, 1296) uint8 of 0 and 1, indexed by patch name, with columns "0" ... "1295"; and a row a
    patch with unusable pixels: how many of each kind (`unusable_by_kind`), and what was done.
    DataError : a file is missing or damaged, or the example is no table of patch names. It warns if the
    images seem to be in other units.
    """
    images = read_images(images_dir, None if example is None else _names_of(example))
    warn_of_other_units(images)
    _, counts = repair_pixels(images.to_numpy(), config)
    unusable = counts.sum(axis=1).to_numpy()
    masks = predict(model, images, config).flatten(1).numpy().astype(np.uint8)
    empty, poor = unusable == images.shape[1], unusable >= config.ruined_pixels
    masks[empty] = 0
    done = np.select([empty, poor], ["empty mask: no usable pixel", "judged by what is left"], "repaired")
    report = counts.set_index(images.index).assign(done=done)
    return pd.DataFrame(masks, images.index, COLUMNS), report[unusable > 0]


def _names_of(example: Path) -> list[str]:
    check_input(example)
    try:
        table = pd.read_csv(example, header=None, usecols=[0], dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{example}: expected a CSV with patch names in front, found none ({reason_of(error)})."
        ) from error
    names = table[0].tolist()
    if not re.match(r"well_\d", names[0]):  # a header, of whatever name
        names = names[1:]
    if not names:
        raise DataError(f"{example}: expected the name of at least one patch, found none.")
    sorted_names(names, example)
    if (index := pd.Index(names)).has_duplicates:
        raise DataError(f"{example}: expected one row a patch, found {index[index.duplicated()][0]} twice.")
    return names
