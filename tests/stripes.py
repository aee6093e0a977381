"""Small patches to train on, for the tests of training."""

from dataclasses import replace

import pandas as pd
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset

from helpers.training.board import LOSS, PARTS, SINGLE
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


def read_scalars(folder) -> pd.DataFrame:
    """What `fit` logged for TensorBoard, as a history with one row an epoch."""
    sources = {f"{part}_loss": (name, LOSS) for part, name in PARTS.items()}
    sources |= {key: ("", title) for key, title in SINGLE.items()}
    columns = {}
    for column, (part, tag) in sources.items():
        events = EventAccumulator(str(folder / part)).Reload()
        columns[column] = pd.Series({event.step: event.value for event in events.Scalars(tag)})
    return pd.DataFrame(columns)
