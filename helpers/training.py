"""Training: one epoch, its evaluation, and `fit`, which can be called again for more epochs."""

import math
import sys
import time
from contextlib import nullcontext

import pandas as pd
import torch
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from tqdm import tqdm

from helpers.board import Board
from helpers.engine import engine
from helpers.losses import ignore_unknown
from helpers.metrics import count_pixels, summarise
from helpers.runs import Run, save_best, save_last


def train_one_epoch(
    model: nn.Module,
    loader: DataLoader,
    loss_fn: nn.Module,
    optimizer: Optimizer,
    clip_norm: float | None = None,
    threshold: float = 0.5,
    bar: tqdm | None = None,
) -> tuple[float, Tensor]:
    """Train on every batch once; return the mean loss over patches, and the counts of `count_pixels`.

    Losses and counts stay on the model's device until the end: no transfer inside the epoch. They are of the
    model as it was when it saw a batch, with dropout, so they lag behind those of `evaluate`.

    Parameters
    ----------
    loader : gives (images, masks), both (B, 1, H, W) float32; NaN in a mask is a pixel of unknown label.
    loss_fn : takes logits and masks, and returns the mean over the batch. A model that learns otherwise, as
        Mask R-CNN does, has `own_loss(images, masks)`, which is taken instead.
    optimizer : prepared by `engine()`, as `fit` has it, each process trains on its share of every batch,
        in mixed precision on a GPU; any other trains in this process alone, in float32.
    clip_norm : gradients longer than this are shortened to it.
    threshold : masks of the counts are the pixels of at least this probability.
    bar : moved on by one after each batch.

    Returns
    -------
    The mean loss, and (N, 3) counts on the CPU in the order of this process's patches; (0, 3) where the
    model has its own loss.

    Raises
    ------
    FloatingPointError : a loss was not finite; names the first batch's patches.
    """
    together = isinstance(optimizer, AcceleratedOptimizer)
    device = next(model.parameters()).device
    model.train()
    losses, sizes, counts = [], [], [torch.zeros((0, 3), dtype=torch.int64, device=device)]
    for images, masks in loader:
        weight = 1.0
        if together and engine().num_processes > 1:
            images, masks, weight = _own_share(images, masks)
        images, masks = images.to(device), masks.to(device)
        optimizer.zero_grad()
        with engine().autocast() if together else nullcontext():
            if hasattr(model, "own_loss"):
                loss = model.own_loss(images, masks)
            else:
                logits, masks = ignore_unknown(model(images), masks)
                loss = loss_fn(logits, masks)
                if weight:
                    counts.append(count_pixels(logits.detach().sigmoid() >= threshold, masks.bool()))
        if together:
            engine().backward(weight * loss)
        else:
            loss.backward()
        if clip_norm is not None:
            clip = engine().clip_grad_norm_ if together else nn.utils.clip_grad_norm_
            clip(model.parameters(), clip_norm)
        optimizer.step()
        losses.append(loss.detach().float())
        sizes.append(len(images) if weight else 0)
        if bar is not None:
            bar.update()
    losses, sizes = torch.stack(losses), torch.tensor(sizes, device=device)
    totals = torch.stack([losses @ sizes.float(), sizes.sum().float()])
    broken = (~torch.isfinite(losses)).float()
    if together:
        totals, broken = engine().reduce(totals, "sum"), engine().reduce(broken, "sum")
    _check_finite(broken, loader)
    return (totals[0] / totals[1]).item(), torch.cat(counts).cpu()


def _own_share(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, float]:
    """Of a batch the part of this process, and what its mean loss counts in the mean over processes.

    All processes have the same loader with the same seeds, so a batch and its augmentations are the same
    for all, and training is what it would be in one process. A process that a small last batch has nothing
    for takes the first patch, which counts nothing: the others wait for its gradients.
    """
    rank, processes = engine().process_index, engine().num_processes
    rows = slice(rank, None, processes)
    if rank >= len(images):
        return images[:1], masks[:1], 0.0
    return images[rows], masks[rows], processes * len(images[rows]) / len(images)


def _check_finite(broken: Tensor, loader: DataLoader) -> None:
    """Raise FloatingPointError if any batch is marked, by a number above 0, as one of a loss not finite."""
    if not broken.any():
        return
    batch = int(broken.bool().int().argmax())
    named = ""
    if hasattr(loader, "names_of_batch"):
        named = f" ({', '.join(loader.names_of_batch(batch))})"
    raise FloatingPointError(
        f"The training loss is NaN or infinite in batch {batch + 1} of {len(broken)}{named}. "
        "Look at these images for NaN or extreme values; if they are fine, try a smaller learning rate. "
        "What was saved before this epoch is as it was."
    )


@torch.inference_mode()
def evaluate(
    model: nn.Module, loader: DataLoader, loss_fn: nn.Module, threshold: float = 0.5
) -> tuple[float, Tensor]:
    """Return the mean loss over patches, and the counts (N, 3) of `metrics.count_pixels`, on the CPU.

    Masks are the pixels of probability >= `threshold`. The counts are in the loader's order.
    """
    device = next(model.parameters()).device
    model.eval()
    total = torch.zeros((), device=device)
    counts = []
    for images, masks in loader:
        images, masks = images.to(device), masks.to(device)
        logits, masks = ignore_unknown(model(images), masks)
        total += loss_fn(logits, masks) * len(images)
        counts.append(count_pixels(logits.sigmoid() >= threshold, masks.bool()))
    counts = torch.cat(counts).cpu()
    return total.item() / len(counts), counts


def fit(
    run: Run, train_loader: DataLoader, val_loader: DataLoader, epochs: int | None = None
) -> pd.DataFrame:
    """Train for `epochs` more epochs; call it again to add more.

    The learning rate falls along half a cosine from the config's to nearly 0 within each call, or, with
    `config.schedule` "constant", stays: then two calls are the same as one of as many epochs. After each
    epoch, all is logged to TensorBoard and flushed; the model is saved as `model_<timestamp>_<epoch>.pt`
    if its validation loss is the lowest of the run (the file that it beats is then removed), and the whole
    state as `last_<timestamp>.pt`. A run that was killed at any moment goes on from there
    (`helpers.runs.resume_run`) and ends as if it had not been.

    What is random follows from the run's own state, not from what else was drawn between two calls.

    Parameters
    ----------
    epochs : without it, a call that was killed is finished.

    Returns
    -------
    The history of the whole run, see `Run.history_frame`.

    Raises
    ------
    ValueError : `epochs` is not given, and no call was interrupted.
    FloatingPointError : the loss is no longer finite. What was saved stays as it was.
    DataError : the run began with other data, or a file cannot be written.
    """
    if epochs is not None:
        run.first_epoch, run.last_epoch = len(run.history) + 1, len(run.history) + epochs
    elif not run.unfinished:
        raise ValueError("No call of fit was interrupted in this run: say how many epochs to add.")
    run.check_data(train_loader.dataset, val_loader.dataset)
    network, optimizer = _prepare(run)
    run.restore_random_state(train_loader)
    main = engine().is_main_process
    if main:
        save_last(run)
    with (
        Board(run) if main else nullcontext() as board,
        tqdm(
            total=(run.last_epoch - len(run.history)) * len(train_loader),
            unit="batch",
            leave=False,
            mininterval=1,
            file=sys.stderr,
            disable=None if main else True,
        ) as bar,
    ):
        for epoch in range(len(run.history) + 1, run.last_epoch + 1):
            bar.set_description(f"epoch {epoch} of {run.last_epoch}", refresh=False)
            rate = learning_rate_at(run, epoch)
            for group in optimizer.param_groups:
                group["lr"] = rate
            start = time.perf_counter()
            train_loss, train_counts = train_one_epoch(
                network, train_loader, run.loss_fn, optimizer, run.config.clip_norm, run.config.threshold, bar
            )
            seconds = time.perf_counter() - start
            run.keep_random_state(train_loader)
            val_loss, val_counts = _evaluate_once(run, val_loader)
            scores = {"train": _gathered_scores(train_counts), "val": summarise(val_counts)}
            row = {"epoch": epoch, "learning_rate": rate, "train_loss": train_loss, "val_loss": val_loss}
            row |= {f"{part}_{name}": v for part, both in scores.items() for name, v in both.items()}
            row |= {"seconds": seconds, "patches_per_second": len(train_loader.dataset) / seconds}
            run.history.append(row)
            improved = val_loss < run.best_val_loss
            stop = _out_of_patience(run)
            if stop:
                run.last_epoch = epoch
            if main:
                board.log_epoch(row)
                board.log_pictures(run, val_loader, epoch)
                if improved:
                    save_best(run)
                save_last(run)
            bar.set_postfix(train=f"{train_loss:.4f}", val=f"{val_loss:.4f}", refresh=False)
            if stop:
                break
        if main:
            board.log_hyperparameters(run)
    return run.history_frame()


def learning_rate_at(run: Run, epoch: int) -> float:
    """The config's learning rate, or, with the schedule "cosine", half a cosine over the epochs of one call
    of `fit` (Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, equation 5); the next call starts
    anew, a warm restart.

    Raises
    ------
    ValueError : the config's schedule is neither "cosine" nor "constant".
    """
    if run.config.schedule not in ("cosine", "constant"):
        raise ValueError(f'Expected a schedule of "cosine" or "constant", found {run.config.schedule!r}.')
    if run.config.schedule == "constant":
        return run.config.learning_rate
    done = (epoch - run.first_epoch) / (run.last_epoch + 1 - run.first_epoch)
    return run.config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def _prepare(run: Run) -> tuple[nn.Module, Optimizer]:
    network = run.model
    if engine().num_processes > 1:
        if hasattr(network, "own_loss"):
            raise ValueError(f"{run.model_name} has its own loss, and trains in one process only.")
        network = engine().prepare_model(network)
    if run.config.compile:
        network = torch.compile(network)
    return network, engine().prepare_optimizer(run.optimizer)


def _evaluate_once(run: Run, loader: DataLoader) -> tuple[float, Tensor]:
    """`evaluate`, done by the first process for all."""
    result = [None]
    if engine().is_main_process:
        result = [evaluate(run.model, loader, run.loss_fn, run.config.threshold)]
    return broadcast_object_list(result)[0]


def _gathered_scores(counts: Tensor) -> dict[str, float]:
    if engine().num_processes > 1:
        counts = torch.cat(gather_object([counts]))
    if len(counts) == 0:
        return {"dice": math.nan, "mean_iou": math.nan}
    return summarise(counts)


def _out_of_patience(run: Run) -> bool:
    losses = [row["val_loss"] for row in run.history]
    since_best = len(losses) - 1 - losses.index(min(losses))
    return run.config.patience is not None and since_best >= run.config.patience
