"""From images to probabilities, and to masks for the challenge."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from helpers.config import Config
from helpers.data.preprocess import as_images, repair_pixels


def predict_probabilities(model: nn.Module, loader: DataLoader) -> Tensor:
    """Return the groove probability of every pixel, in the loader's order.

    model : gives logits; it is put into evaluation mode, and its device is used.
    loader : gives (images, masks), not shuffled, or the names would not fit the result.

    Returns (N, 1, H, W) float32 on the CPU, between 0 and 1. ValueError : the loader shuffles or drops
    patches, or the model gives NaN.
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

    Each patch is judged by itself; pixels without a measurement are repaired first, as in cleaning. Returns
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
    """(N, 1, H, W) tensor -> (N, H, W) array, as `helpers.data.wells.assemble_well` and the plots take it."""
    return tensor[:, 0].cpu().numpy()
