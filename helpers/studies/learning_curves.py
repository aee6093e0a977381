"""Comparisons of architectures and losses: learning curves on wells left out, and what a model costs."""

import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from helpers.config import PATCH_SIZE, Config
from helpers.dataset import SegmentationDataset
from helpers.runs import unsaved_run
from helpers.studies.folds import STUDY_CONFIG, predict_masks, score
from helpers.training import train


def learning_curve(
    model_name: str,
    loss: str,
    loader: DataLoader,
    unseen: SegmentationDataset,
    truth: Tensor,
    epochs: int,
    seed: int = 0,
    config: Config = STUDY_CONFIG,
    teacher: nn.Module | None = None,
    **options,
) -> Iterator[dict[str, float]]:
    """Train a new model by the recipe of `helpers.training`; after each epoch, yield its scores.

    The learning rate falls over all `epochs`, so only the last row is the result of such a training; the
    others show how it gets there.

    Parameters
    ----------
    model_name, loss, options : see `helpers.runs.start_run`. Mask R-CNN learns from its own loss, whatever
        is named here.
    unseen : patches of wells that `loader` has not. truth : (N, 1, H, W) masks of 0 and 1 that judge them.
    teacher : a trained network that a DeiT learns from.

    Yields
    ------
    epoch, train_seconds (since the start, scoring not counted), train_loss, train_rate and inference_rate
    (patches a second), and the scores of `folds.score`.
    """
    run = unsaved_run(model_name, replace(config, seed=seed), loss, **options)
    if teacher is not None:
        run.model.teach(teacher)
    train_seconds = 0.0
    for row in train(run, loader, epochs):
        train_seconds += row["seconds"]
        start = time.perf_counter()
        prediction = predict_masks(run.model, unseen, config)
        inference_rate = len(unseen) / (time.perf_counter() - start)
        scores = score(prediction, truth)
        yield {
            "epoch": row["epoch"],
            "train_seconds": round(train_seconds, 2),
            "train_loss": round(row["train_loss"], 5),
            "train_rate": round(row["patches_per_second"], 1),
            "inference_rate": round(inference_rate, 1),
        } | {name: round(value, 5) for name, value in scores.items()}


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
