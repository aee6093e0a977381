"""Fair comparisons of architectures and losses: learning curves with the time that training took.

One run gives both tables of notebook 03: the same number of epochs for all, and the same seconds for all.
"""

import time
from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from helpers.config import PATCH_SIZE, Config
from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.inference import predict_probabilities
from helpers.losses import LOSSES
from helpers.metrics import (
    boundary_f1_from_counts,
    count_boundary,
    count_pixels,
    precision_from_counts,
    recall_from_counts,
    summarise,
)
from helpers.models import build_model
from helpers.training import train_one_epoch


def learning_curve(
    model_name: str,
    loss_name: str,
    train: SegmentationDataset,
    unseen: dict[str, SegmentationDataset],
    epochs: int,
    seconds: float,
    seed: int = 0,
    config: Config = Config(),
    **options,
) -> Iterator[dict[str, float]]:
    """Train a new model with Adam; after each epoch, yield what it is worth on unseen wells.

    It goes on until both budgets are used up: at least `epochs` epochs, and at least `seconds` seconds of
    training, scoring not counted. The learning rate is the config's for every architecture and loss.

    Parameters
    ----------
    model_name, loss_name : as in `helpers.models.build_model` and `helpers.losses.LOSSES`. Mask R-CNN learns
        from its own loss, whatever is named here.
    train : its transform augments.
    unseen : name -> patches of wells that `train` has not.
    options : passed to `build_model`.

    Yields
    ------
    epoch, train_seconds (since the start), train_loss, train_rate and inference_rate (patches a second), and
    for each name in `unseen` the scores of `score`, as for example "test_dice".
    """
    torch.manual_seed(seed)  # weights and dropout
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build_model(model_name, **options).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    loader = BatchLoader(train, config.batch_size, shuffle=True, seed=seed)
    epoch, train_seconds = 0, 0.0
    while epoch < epochs or train_seconds < seconds:
        start = time.perf_counter()
        train_loss, _ = train_one_epoch(model, loader, LOSSES[loss_name], optimizer)
        duration = time.perf_counter() - start
        epoch, train_seconds = epoch + 1, train_seconds + duration
        row = {"epoch": epoch, "train_seconds": round(train_seconds, 2), "train_loss": round(train_loss, 5)}
        start = time.perf_counter()
        predictions = {name: predict_masks(model, dataset, config) for name, dataset in unseen.items()}
        inference_seconds = time.perf_counter() - start
        row["train_rate"] = round(len(train) / duration, 1)
        row["inference_rate"] = round(sum(map(len, unseen.values())) / inference_seconds, 1)
        for name, dataset in unseen.items():
            scores = score(predictions[name], dataset.masks)
            row |= {f"{name}_{key}": round(value, 5) for key, value in scores.items()}
        yield row


def predict_masks(model: nn.Module, dataset: SegmentationDataset, config: Config = Config()) -> Tensor:
    """Masks (N, 1, H, W) bool on the CPU, in the dataset's order."""
    return predict_probabilities(model, BatchLoader(dataset, size=64, shuffle=False)) >= config.threshold


def score(prediction: Tensor, target: Tensor) -> dict[str, float]:
    """Every score of the project: Dice, precision, recall over all pixels, boundary F1 over all boundary
    pixels, and the challenge's mean IoU over patches. Both masks are (N, 1, H, W) of 0 and 1."""
    counts = count_pixels(prediction, target)
    return summarise(counts) | {
        "precision": precision_from_counts(counts.sum(0)).item(),
        "recall": recall_from_counts(counts.sum(0)).item(),
        "boundary_f1": boundary_f1_from_counts(count_boundary(prediction, target).sum(0)).item(),
    }


def at_epoch(curves: pd.DataFrame, epochs: int) -> pd.DataFrame:
    """Of each run in `curves` the row after `epochs` epochs."""
    return curves[curves["epoch"] == epochs]


def at_time(curves: pd.DataFrame, seconds: float, run: list[str]) -> pd.DataFrame:
    """Of each run the last row within `seconds` seconds of training.

    A run whose first epoch took longer has no such row, and its scores are NaN: nothing was learned in time.

    Parameters
    ----------
    run : the columns that tell runs apart.
    """
    in_time = curves[curves["train_seconds"] <= seconds].sort_values("epoch")
    return curves[run].drop_duplicates().merge(in_time.groupby(run).tail(1), on=run, how="left")


def summary(rows: pd.DataFrame, by: list[str], columns: list[str]) -> pd.DataFrame:
    """Mean and standard deviation over seeds, as "0.612 ± 0.034", best first by the first column.

    A dash stands where no seed has a score; "seeds" counts those that have one.
    """
    groups = rows.groupby(by, sort=False)[columns]
    mean, spread = groups.mean(), groups.std(ddof=1)
    order = mean[columns[0]].sort_values(ascending=False).index
    text = mean.map("{:.3f}".format) + " ± " + spread.map("{:.3f}".format)
    text = text.replace("nan ± nan", "–").replace(" ± nan", "", regex=True)  # one seed has no spread
    return text.loc[order].assign(seeds=groups.count()[columns[0]])


def count_work(model: nn.Module, size: tuple[int, int] = (PATCH_SIZE, PATCH_SIZE)) -> dict[str, float]:
    """Parameters of a model in millions, and million multiply-adds for one image of `size`.

    Multiply-adds are those of convolutions and matrix products, as torch's own counter sees them.
    """
    model.eval()
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, *size, device=device))
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters, M": parameters / 1e6, "multiply-adds, M": counter.get_total_flops() / 2e6}


def trace_shapes(
    model: nn.Module, size: tuple[int, int] = (PATCH_SIZE, PATCH_SIZE)
) -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of what the parts of a model give for one image, in order of use.

    Shapes are (C, H, W), or (tokens, C) inside a transformer. A part that gives several tensors is
    replaced by its own parts. timm's "patch_embed" is left out: it gives (H, W, C), the tokens that follow.
    """
    calls = []

    def note(name):
        def hook(_, __, output):
            if isinstance(output, Tensor) and output.ndim in (3, 4) and len(output) == 1:
                calls.append((name, tuple(output.shape[1:])))

        return hook

    hooks = [
        part.register_forward_hook(note(name))
        for name, part in model.named_modules()
        if name and "patch_embed" not in name
    ]
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, 1, *size, device=next(model.parameters()).device))
    for hook in hooks:
        hook.remove()
    names = {name for name, _ in calls}
    return [
        (name, shape)
        for name, shape in calls
        if not any(name.startswith(other + ".") for other in names)  # inside a part that is shown
    ]
