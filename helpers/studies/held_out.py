"""Small comparisons: train the baseline U-Net on some patches, score it on others.

The notebooks run these live at a small budget, the scripts under experiments/ at a large one.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from helpers.config import Config
from helpers.dataset import as_images
from helpers.inference import predict_pixels
from helpers.losses import bce
from helpers.metrics import count_pixels
from helpers.models import build_model
from helpers.training import train_one_epoch
from helpers.wells import parse_name, wells_of

# Three groups of wells of about equal size. Leaving each out once, every patch is unseen once.
WELL_FOLDS = ((3, 4, 6, 9, 14), (1, 2, 5, 8, 13, 15), (7, 10, 11, 12))


class FlippedBatches:
    """Shuffled batches of (images, masks), each sample flipped at random, from one generator."""

    def __init__(self, images: Tensor, masks: Tensor, batch_size: int, generator: torch.Generator):
        self.images, self.masks = images, masks
        self.batch_size, self.generator = batch_size, generator

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in torch.randperm(len(self.images), generator=self.generator).split(self.batch_size):
            pair = torch.stack([self.images[batch], self.masks[batch]])  # (2, B, 1, H, W): flipped as one
            for dimension in (-1, -2):
                flip = torch.rand((len(batch), 1, 1, 1), generator=self.generator) < 0.5
                pair = torch.where(flip, pair.flip(dimension), pair)
            yield pair[0], pair[1]


def train_on(
    y: pd.DataFrame,
    images: pd.DataFrame,
    budget: int,
    seed: int = 0,
    config: Config = Config(),
    loss: Callable[[Tensor, Tensor], Tensor] = bce,
) -> nn.Module:
    """Train a new baseline U-Net (Adam, flips) on about `budget` patches, and return it.

    The budget counts every showing of a patch; it is rounded to whole epochs, at least one. So training sets
    of different sizes get about the same number of steps.

    Parameters
    ----------
    y : (n, 1296) masks, the patches to train on.
    images : repaired images, with at least the rows of `y`.
    loss : takes logits and masks, one of `helpers.losses`.
    """
    torch.manual_seed(seed)  # weights and dropout
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build_model("unet", dropout=config.dropout).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    generator = torch.Generator().manual_seed(seed)
    batches = FlippedBatches(_scaled(y, images, config), as_images(y), config.batch_size, generator)
    for _ in range(max(1, round(budget / len(y)))):
        train_one_epoch(model, batches, loss, optimizer)
    return model


@torch.inference_mode()
def counts_on(model: nn.Module, y: pd.DataFrame, images: pd.DataFrame, config: Config = Config()) -> Tensor:
    """Counts (n, 3) of `metrics.count_pixels` of the model's masks against `y`, in its order."""
    model.eval()
    device = next(model.parameters()).device
    batches = zip(_scaled(y, images, config).split(256), as_images(y).split(256), strict=True)
    counts = [
        count_pixels(model(x.to(device)).sigmoid() >= config.threshold, masks.to(device).bool())
        for x, masks in batches
    ]
    return torch.cat(counts).cpu()


def probabilities_on(model: nn.Module, images: pd.DataFrame, config: Config = Config()) -> pd.DataFrame:
    """`predict_pixels` as a frame like `images`: (n, 1296) float32, indexed by patch name."""
    found = predict_pixels(model, images, config)
    return pd.DataFrame(found.flatten(1).numpy(), images.index, images.columns)


def _scaled(y: pd.DataFrame, images: pd.DataFrame, config: Config) -> Tensor:
    return (as_images(images.loc[y.index]) - config.value_mean) / config.value_std


def hold_out(y: pd.DataFrame, by: str, seed: int, share: float = 0.2) -> np.ndarray:
    """Choose about `share` of the patches for validation; return (n,) True for each that is chosen.

    Parameters
    ----------
    by : "patch": patches at random, as in the notebook under review; "pair": likewise, but patches 2k and
        2k+1 stay together, so no twin is torn apart; "wells": whole wells.

    Raises
    ------
    ValueError : `by` is none of these, or no choice of wells has about that share of the patches.
    """
    wells = wells_of(y)
    pairs = [(well, patch // 2) for well, patch in map(parse_name, y.index)]
    groups = {"patch": np.arange(len(y)), "pair": pd.factorize(pd.Index(pairs))[0], "wells": wells}
    if by not in groups:
        raise ValueError(f"Patches are held out by 'patch', 'pair' or 'wells', not by {by!r}.")
    names, group = np.unique(groups[by], return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(1000):  # wells differ in size, so some draws of wells are far from the share
        chosen = (rng.random(len(names)) < share)[group]
        if abs(chosen.mean() - share) <= 0.07:
            return chosen
    raise ValueError(f"No choice of wells {sorted(set(wells.tolist()))} has {share:.0%} of the patches.")
