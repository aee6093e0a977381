"""From images to probabilities and masks."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from helpers.config import Config
from helpers.dataset import as_images
from helpers.metrics import count_pixels, summarise


@torch.inference_mode()
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
    ValueError : the loader shuffles or drops patches.
    """
    if loader.drop_last or isinstance(loader.sampler, torch.utils.data.RandomSampler):
        raise ValueError(
            "This loader shuffles or drops patches; predict with shuffle=False, drop_last=False."
        )
    model.eval()
    device = next(model.parameters()).device
    batches = (images.to(device, non_blocking=True) for images, _ in loader)
    return torch.cat([model(images).sigmoid().float().cpu() for images in batches])


@torch.inference_mode()
def predict_pixels(model: nn.Module, pixels: np.ndarray | pd.DataFrame, config: Config = Config()) -> Tensor:
    """Return the groove probability of every pixel of repaired patches, (n, 1296) thickness row by row.

    Returns
    -------
    (n, 1, 36, 36) float32 on the CPU, in the order of the patches.
    """
    model.eval()
    device = next(model.parameters()).device
    scaled = (as_images(pixels) - config.value_mean) / config.value_std
    return torch.cat([model(images.to(device)).sigmoid().float().cpu() for images in scaled.split(64)])


def threshold_curve(probabilities: Tensor, masks: Tensor) -> pd.DataFrame:
    """Dice and mean IoU at the thresholds 0.05, 0.10 ... 0.95, which index the frame.

    Parameters
    ----------
    probabilities, masks : (N, 1, H, W) of patches that the model was not trained on. To choose a threshold
        take validation patches; chosen on test patches it would flatter the test score.

    >>> threshold_curve(probabilities, masks)["dice"].idxmax()  # doctest: +SKIP
    0.4
    """
    rows = {
        round(0.05 * step, 2): summarise(count_pixels(probabilities >= 0.05 * step, masks.bool()))
        for step in range(1, 20)
    }
    return pd.DataFrame(rows).T.rename_axis("threshold")


def as_patches(tensor: Tensor) -> np.ndarray:
    """(N, 1, H, W) tensor -> (N, H, W) array, as `helpers.wells.assemble_well` and the plots take it."""
    return tensor[:, 0].cpu().numpy()
