"""Small patches to train on, for the tests of training."""

from dataclasses import replace

import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers.training.runs import start_run


def stripes(patches: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches with a vertical groove of metal loss in noise, and their masks."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(patches, 1, 36, 36)
    for index, column in enumerate(torch.randint(2, 30, (patches,), generator=generator)):
        masks[index, :, :, column : column + 4] = 1
    return 0.5 * torch.randn(masks.shape, generator=generator) - 2 * masks, masks


def loader(patches: int = 24, batch_size: int = 8, shuffle: bool = False) -> DataLoader:
    return DataLoader(TensorDataset(*stripes(patches)), batch_size, shuffle=shuffle)


def new_run(config, **changes):
    return start_run("unet", replace(config, **{"learning_rate": 3e-3} | changes))
