"""Training: one epoch, its evaluation, and the recipe that every network of the project is trained by."""

import math
import time
from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from helpers.files import progress
from helpers.losses import Loss
from helpers.metrics import count_pixels, summarise
from helpers.training.board import Board
from helpers.training.runs import Run, save_best, save_last


def train_one_epoch(
    model: nn.Module,
    loader: DataLoader,
    loss_fn: Loss,
    optimizer: Optimizer,
    clip_norm: float = math.inf,
    precision: torch.dtype = torch.float32,
    scaler: torch.amp.GradScaler | None = None,
) -> float:
    """Train on every batch once (R3.6), and return the mean loss over patches.

    The loss stays on the model's device until the end; only whether it is finite is asked for in each batch.
    FloatingPointError : it is not; the model is as before that batch.

    loader : gives (images, masks), both (B, 1, H, W) float32.
    loss_fn : takes what the model returns, and masks; gives the mean over the batch.
    clip_norm : gradients longer than this are shortened to it.
    precision : of the forward pass, by torch's autocast.
    scaler : for float16, whose smallest gradients would vanish: it scales the loss, and leaves a step out
        where a gradient is infinite.
    """
    device = next(model.parameters()).device
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    model.train()
    total, patches = torch.zeros((), device=device), 0
    for number, (images, masks) in enumerate(loader, 1):
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            loss = loss_fn(model(images), masks)
        check_finite(loss, f"training loss in batch {number}")
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        scaler.step(optimizer)
        scaler.update()
        total += loss.detach() * len(images)
        patches += len(images)
    return (total / patches).item()


def check_finite(loss: Tensor, what: str) -> None:
    """Raise FloatingPointError with advice if a loss is NaN or infinite."""
    if not torch.isfinite(loss):
        raise FloatingPointError(
            f"The {what} is {loss.item()}, and no step is taken on it. Look at the images for NaN or extreme "
            "values; if they are fine, try a smaller learning rate."
        )


@torch.inference_mode()
def evaluate(
    model: nn.Module, loader: DataLoader, loss_fn: Loss, threshold: float = 0.5
) -> tuple[float, Tensor]:
    """Return the mean loss over patches, and the counts (N, 3) of `metrics.count_pixels`, on the CPU.

    All is in float32. Masks are the pixels of probability >= `threshold`; counts are in the loader's order,
    without the images of which no pixel's label is known. FloatingPointError : the loss is not finite.
    """
    device = next(model.parameters()).device
    model.eval()
    total, counts, judged, patches = torch.zeros((), device=device), [], [], 0
    for images, masks in loader:
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        logits = model(images)
        total += loss_fn(logits, masks) * len(images)
        known = ~masks.isnan()
        found = (logits.sigmoid() >= threshold) & known
        counts.append(count_pixels(found, masks.nan_to_num().bool()))
        judged.append(known.flatten(1).any(1))  # to choose by it in each batch would wait for the device
        patches += len(images)
    check_finite(total, "validation loss")
    return (total / patches).item(), torch.cat(counts)[torch.cat(judged)].cpu()


def fit(
    run: Run, train_loader: DataLoader, val_loader: DataLoader, epochs: int | None = None
) -> pd.DataFrame:
    """Train for `epochs` more epochs; call it again to add more (R3.7). Returns the history of the whole run.

    After each epoch all is logged to TensorBoard and flushed; the model is saved as
    `model_<timestamp>_<epoch>.pt` if its validation loss is the lowest of the run (the file that it beats is
    then removed), and the whole state as `last_<timestamp>.pt`. A run that was killed at any moment goes on
    from there (`helpers.training.runs.resume_run`) and ends as if it had not been: what is random follows
    from the run's own state of torch's generators. The same seed gives the same bits on CPUs of one kind; on
    a GPU some operations have no deterministic algorithm.

    epochs : 1 or more; without it, a call that was killed is finished.
    ValueError : `epochs` is below 1, or not given though no call was interrupted; or the run has no folder.
    FloatingPointError : the loss is no longer finite. What was saved stays as it was.
    DataError : the run began with other data, or a file cannot be written.
    """
    if run.folder is None:
        raise ValueError("This run has no folder to be saved in: begin it with start_run, or use train.")
    begin_call(run, epochs)
    run.check_data(train_loader.dataset, val_loader.dataset)
    save_last(run)
    with Board(run) as board:
        while run.unfinished:
            row = train_next_epoch(run, train_loader)
            loss, counts = evaluate(run.model, val_loader, run.loss_fn, run.config.threshold)
            row |= {"val_loss": loss} | {f"val_{name}": value for name, value in summarise(counts).items()}
            run.history.append(row)
            if out_of_patience(run):
                run.last_epoch = row["epoch"]
            board.log_epoch(row)
            board.log_pictures(run, val_loader)
            if loss < run.best_val_loss:
                save_best(run)
            save_last(run)
        board.log_hyperparameters(run)
    return run.history_frame()


def train(run: Run, loader: DataLoader, epochs: int) -> Iterator[dict[str, float]]:
    """Train by the recipe of `fit`, but without validation, and save nothing: for studies.

    Yields a row after each epoch: epoch, learning_rate, train_loss, seconds, patches_per_second. Between two
    epochs `run.model` may be evaluated. Raises as `fit` does.
    """
    begin_call(run, epochs)
    while run.unfinished:
        run.history.append(train_next_epoch(run, loader))
        yield run.history[-1]


def begin_call(run: Run, epochs: int | None) -> None:
    """Set the first and the last epoch of a call of `fit`."""
    if epochs is None:
        if not run.unfinished:
            raise ValueError("No call of fit was interrupted in this run: say how many epochs to add.")
    elif epochs < 1:
        raise ValueError(f"Expected 1 epoch or more, found {epochs}.")
    else:
        run.first_epoch, run.last_epoch = len(run.history) + 1, len(run.history) + epochs


def train_next_epoch(run: Run, loader: DataLoader) -> dict[str, float]:
    """One epoch of the recipe: the schedule's learning rate, the config's clipping and precision."""
    epoch, rate = len(run.history) + 1, learning_rate_at(run, len(run.history) + 1)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.restore_random_state()
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    start = time.perf_counter()
    batches = progress(loader, f"epoch {epoch} of {run.last_epoch}", unit="batch")
    try:
        loss = train_one_epoch(
            run.model, batches, run.loss_fn, run.optimizer, run.config.clip_norm, run.precision, run.scaler
        )
    except FloatingPointError as error:
        raise FloatingPointError(f"Epoch {epoch}: {error}{_how_to_go_on(run)}") from error
    run.keep_random_state()
    seconds = time.perf_counter() - start
    row = {"epoch": epoch, "learning_rate": rate, "train_loss": loss, "seconds": seconds}
    return row | {"patches_per_second": len(loader.dataset) / seconds}


def _how_to_go_on(run: Run) -> str:
    if run.folder is None:
        return ""
    return (
        f" Epoch {len(run.history)} is saved: run = resume_run({str(run.folder)!r}), then "
        "run.config = replace(run.config, learning_rate=...), and fit(run, ...) without epochs goes on."
    )


def learning_rate_at(run: Run, epoch: int) -> float:
    """The config's learning rate, or, with the schedule "cosine", half a cosine over the epochs of one call
    of `fit` (Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, equation 5). The next call starts
    anew. ValueError : the schedule is neither "cosine" nor "constant"."""
    if run.config.schedule not in ("cosine", "constant"):
        raise ValueError(f'Expected a schedule of "cosine" or "constant", found {run.config.schedule!r}.')
    if run.config.schedule == "constant":
        return run.config.learning_rate
    done = (epoch - run.first_epoch) / (run.last_epoch + 1 - run.first_epoch)
    return run.config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def out_of_patience(run: Run) -> bool:
    """Whether this call of `fit` has waited `config.patience` epochs for a lower validation loss."""
    losses = [row["val_loss"] for row in run.history]
    since_best = len(losses) - 1 - losses.index(min(losses))
    of_this_call = len(losses) + 1 - run.first_epoch
    return run.config.patience is not None and min(since_best, of_this_call) >= run.config.patience
