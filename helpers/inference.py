"""From images to probabilities, and to masks for the challenge."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from helpers.config import Config
from helpers.data import COLUMNS, read_images, sorted_names, warn_of_other_units
from helpers.dataset import as_images
from helpers.files import DataError, reason_of
from helpers.preprocess import repair_pixels


def predict_probabilities(model: nn.Module, loader: DataLoader) -> Tensor:
    """Return the groove probability of every pixel, in the loader's order.

    Parameters
    ----------
    model : gives logits; it is put into evaluation mode, and its device is used.
    loader : gives (images, masks), not shuffled, or the names would not fit the result.

    Returns
    -------
    (N, 1, H, W) float32 on the CPU, between 0 and 1.

    Raises
    ------
    ValueError : the loader shuffles or drops patches, or the model gives NaN.
    """
    in_order = isinstance(loader.sampler, SequentialSampler) and type(loader.batch_sampler) is BatchSampler
    if loader.drop_last or not in_order:
        raise ValueError(
            "This loader shuffles or drops patches; predict with shuffle=False, drop_last=False and no "
            "sampler of your own."
        )
    return _predict(model, (images for images, _ in loader))


def predict_pixels(model: nn.Module, pixels: np.ndarray | pd.DataFrame, config: Config = Config()) -> Tensor:
    """Return the groove probability of every pixel of patches, (n, 1296) thickness row by row.

    Each patch is judged by itself; pixels without a measurement are repaired first, as in cleaning.

    Returns
    -------
    (n, 1, 36, 36) float32 on the CPU, in the order of the patches.
    """
    repaired, _ = repair_pixels(np.asarray(pixels), config)
    scaled = (as_images(repaired) - config.value_mean) / config.value_std
    return _predict(model, scaled.split(64))


@torch.inference_mode()
def _predict(model: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    model.eval()
    device = next(model.parameters()).device
    batches = (images.to(device, non_blocking=True) for images in batches)
    probabilities = torch.cat([model(images).sigmoid().float().cpu() for images in batches])
    return check_probabilities(probabilities)


def check_probabilities(probabilities: Tensor) -> Tensor:
    """Return them; raise ValueError if one is NaN, which would count as "no groove" at any threshold."""
    if broken := int(probabilities.isnan().sum()):
        raise ValueError(
            f"The model gave NaN for {broken:,} of {probabilities.numel():,} pixels. Are there NaN in the "
            "images, or are its weights damaged?"
        )
    return probabilities


def as_patches(tensor: Tensor) -> np.ndarray:
    """(N, 1, H, W) tensor -> (N, H, W) array, as `helpers.wells.assemble_well` and the plots take it."""
    return tensor[:, 0].cpu().numpy()


# ---------------------------------------------------------------- submission


def predict_folder(
    model: nn.Module,
    config: Config,
    images_dir: Path,
    example: Path | None = None,
    predict: Callable[[nn.Module, pd.DataFrame, Config], Tensor] = predict_pixels,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict the masks of all patches in a folder.

    Every patch gets a mask, since the challenge wants one for each. What cleaning would drop is judged
    by what is left of it, and is reported; one without any usable pixel gets an empty mask.

    Parameters
    ----------
    model : gives logits.
    config : that the model was trained with, for its scale and thresholds: `helpers.checkpoint.load_model`
        gives both.
    images_dir : holds `well_<w>_patch_<p>.npy`.
    example : a CSV, with or without a header, whose first column names the patches to predict, in this order;
        by default all of the folder, in the order of wells and patch numbers.
    predict : gives the probabilities (n, 1, 36, 36) of patches. For a network of whole wells it is
        `helpers.whole_wells.prediction.predict_patches`.

    Returns
    -------
    masks : (n, 1296) uint8 of 0 and 1, indexed by patch name; columns "0" ... "1295".
    report : one row a patch with unusable pixels: missing, below, above, see
        `helpers.preprocess.unusable_by_kind`, and what was done.

    Raises
    ------
    DataError : a file is missing or damaged, or the example is no table of patch names.

    Warns
    -----
    UserWarning : the images seem to be in other units, see `helpers.data.warn_of_other_units`.
    """
    images = read_images(images_dir, None if example is None else _names_of(example))
    warn_of_other_units(images)
    _, counts = repair_pixels(images.to_numpy(), config)
    unusable = counts.sum(axis=1).to_numpy()
    masks = predict(model, images, config) >= config.threshold
    masks = masks.flatten(1).numpy().astype(np.uint8)
    empty, poor = unusable == images.shape[1], unusable >= config.ruined_pixels
    masks[empty] = 0
    done = np.select([empty, poor], ["empty mask: no usable pixel", "judged by what is left"], "repaired")
    report = counts.set_index(images.index).assign(done=done)
    return pd.DataFrame(masks, images.index, COLUMNS), report[unusable > 0]


def _names_of(example: Path) -> list[str]:
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
    doubled = pd.Index(names)[pd.Index(names).duplicated()]
    if len(doubled):
        raise DataError(f"{example}: expected one row a patch, found {doubled[0]} twice.")
    return names
