"""From images to probabilities and masks."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader


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
    return torch.cat([model(images.to(device)).sigmoid().float().cpu() for images, _ in loader])


def as_patches(tensor: Tensor) -> np.ndarray:
    """(N, 1, H, W) tensor -> (N, H, W) array, as `helpers.wells.assemble_well` and the plots take it."""
    return tensor[:, 0].cpu().numpy()
