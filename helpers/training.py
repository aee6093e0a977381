"""Training: one epoch, its evaluation, and the recipe that every network of the project is trained by.

`fit` follows the recipe with validation, TensorBoard and saved models; `train` is the same without them, for
studies.
"""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from tqdm import tqdm

from helpers.board import Board
from helpers.devices import from_first, gather, process_count, process_rank, share_among_processes
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
    precision: torch.dtype = torch.float32,
    scaler: torch.amp.GradScaler | None = None,
    bar: tqdm | None = None,
) -> tuple[float, Tensor]:
    """Train on every batch once; return the mean loss over patches, and the counts of `count_pixels`.

    Losses and counts stay on the model's device until the end: no transfer inside the epoch. They are of the
    model as it was when it saw a batch, with dropout, so they lag behind those of `evaluate`.

    Parameters
    ----------
    loader : gives (images, masks), both (B, 1, H, W) float32; NaN in a mask is a pixel of unknown label.
    loss_fn : takes logits and masks, and returns the mean over the batch. A model that is supervised in
        several places, as U-Net++ is, gives a tuple of logits in training, its prediction first; the loss is
        the mean over them. One that learns otherwise, as Mask R-CNN does, has `own_loss(images, masks)`,
        which is taken instead.
    clip_norm : gradients longer than this are shortened to it.
    threshold : masks of the counts are the pixels of at least this probability.
    precision : of the forward pass, by torch's autocast; the loss is taken in float32.
    scaler : for float16, whose smallest gradients would vanish: it scales the loss, and leaves a step out
        where a gradient is infinite.
    bar : moved on by one after each batch.

    Returns
    -------
    The mean loss over all processes' patches, and (N, 3) counts on the CPU in the order of this process's
    patches, without those of which no pixel's label is known; (0, 3) where the model has its own loss.

    Raises
    ------
    FloatingPointError : a loss was not finite; names the first batch's patches.
    """
    device = next(model.parameters()).device
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    model.train()
    losses, sizes, counts = [], [], _Counts(threshold, device)
    for images, masks in loader:
        images, masks, weight = _own_share(images, masks)
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        optimizer.zero_grad()
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            if hasattr(model, "own_loss"):
                loss = model.own_loss(images, masks)
            else:
                outputs = model(images)
                outputs = outputs if isinstance(outputs, tuple) else (outputs,)
                each = [loss_fn(*ignore_unknown(logits.float(), masks)) for logits in outputs]
                loss = torch.stack(each).mean()
                if weight:
                    counts.add(outputs[0].detach().float(), masks)
        scaler.scale(weight * loss).backward()
        scaler.unscale_(optimizer)
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.detach().float())
        sizes.append(len(images) if weight else 0)
        if bar is not None:
            bar.update()
    losses, sizes = torch.stack(losses), torch.tensor(sizes, device=device)
    totals = torch.stack([losses @ sizes.float(), sizes.sum().float()])
    broken = (~torch.isfinite(losses)).float()
    if process_count() > 1:
        dist.all_reduce(totals)
        dist.all_reduce(broken)
    _check_finite("training", broken, loader)
    return (totals[0] / totals[1]).item(), counts.all()


class _Counts:
    """Gathers the counts of a model's masks, batch by batch, where the tensors are."""

    def __init__(self, threshold: float, device: torch.device):
        self.threshold = threshold
        self.counts = [torch.zeros((0, 3), dtype=torch.int64, device=device)]
        self.known = [torch.zeros(0, dtype=torch.bool, device=device)]

    def add(self, logits: Tensor, masks: Tensor) -> None:
        self.known.append(~masks.isnan().flatten(1).all(dim=1))
        logits, masks = ignore_unknown(logits, masks)
        self.counts.append(count_pixels(logits.sigmoid() >= self.threshold, masks.bool()))

    def all(self) -> Tensor:
        """(N, 3), on the CPU, of the images with any pixel of known label: two empty masks would agree."""
        return torch.cat(self.counts)[torch.cat(self.known)].cpu()


def _own_share(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, float]:
    """Of a batch the part of this process, and what its mean loss counts in the mean over processes.

    All processes have the same loader with the same seeds, so a batch and its augmentations are the same
    for all, and training is what it would be in one process. A process that a small last batch has nothing
    for takes the first patch, which counts nothing: the others wait for its gradients.
    """
    rank, processes = process_rank(), process_count()
    if rank >= len(images):
        return images[:1], masks[:1], 0.0
    share = images[rank::processes]
    return share, masks[rank::processes], processes * len(share) / len(images)


def _check_finite(part: str, broken: Tensor, loader: DataLoader) -> None:
    """Raise FloatingPointError if any batch is marked, by a number above 0, as one of a loss not finite."""
    if not broken.any():
        return
    batch = int(broken.bool().int().argmax())
    named = ""
    if hasattr(loader, "names_of_batch"):
        named = f" ({', '.join(loader.names_of_batch(batch))})"
    raise FloatingPointError(
        f"The {part} loss is NaN or infinite in batch {batch + 1} of {len(broken)}{named}. "
        "Look at these images for NaN or extreme values; if they are fine, try a smaller learning rate. "
        "What was saved before this epoch is as it was."
    )


@torch.inference_mode()
def evaluate(
    model: nn.Module, loader: DataLoader, loss_fn: nn.Module, threshold: float = 0.5
) -> tuple[float, Tensor]:
    """Return the mean loss over patches, and the counts (N, 3) of `metrics.count_pixels`, on the CPU.

    All is in float32. Masks are the pixels of probability >= `threshold`; counts are in the loader's order,
    without the images of which no pixel's label is known.

    Raises
    ------
    FloatingPointError : a loss was not finite; names the first batch's patches.
    """
    device = next(model.parameters()).device
    model.eval()
    losses, sizes, counts = [], [], _Counts(threshold, device)
    for images, masks in loader:
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        logits = model(images)
        losses.append(loss_fn(*ignore_unknown(logits, masks)))
        counts.add(logits, masks)
        sizes.append(len(images))
    losses, sizes = torch.stack(losses), torch.tensor(sizes, device=device)
    _check_finite("validation", ~torch.isfinite(losses), loader)
    return (losses @ sizes.float() / sizes.sum()).item(), counts.all()


def train(run: Run, loader: DataLoader, epochs: int) -> Iterator[dict[str, float]]:
    """Train for `epochs` epochs by the recipe of `fit`, but without validation, and save nothing.

    Yields
    ------
    A row after each epoch: epoch, learning_rate, train_loss, train_dice, train_mean_iou, seconds,
    patches_per_second. Between two epochs `run.model` may be evaluated.

    Raises
    ------
    ValueError : `epochs` is below 1.
    FloatingPointError : the loss is no longer finite.
    """
    _begin_call(run, epochs)
    while run.unfinished:
        row = _train_once(run, run.model, loader)
        run.history.append(row)
        yield row


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

    What is random follows from the run's own state, not from what else was drawn between two calls, nor from
    who used the training loader before. On CPUs of one kind the same seed, versions and number of threads
    give the same bits; elsewhere roundings differ, and training enlarges them. On a GPU cuDNN is asked for
    deterministic algorithms, but some operations have none there (the backward pass of bilinear
    interpolation, for one), so the last digits may differ from run to run.

    Where torchrun has started several processes, each trains on its share of every batch, and the loss curve
    is that of one process but for rounding and for each process's own dropout, stochastic depth included. A
    network with batch normalisation (ResUNet, VGG16-U-Net, AG-CUResNeSt, WellResUNet) does so on
    GPUs only, by `SyncBatchNorm`: on CPUs each process normalises its own share.

    Parameters
    ----------
    epochs : 1 or more; without it, a call that was killed is finished.

    Returns
    -------
    The history of the whole run, see `Run.history_frame`.

    Raises
    ------
    ValueError : `epochs` is below 1, or not given though no call was interrupted.
    FloatingPointError : the loss is no longer finite. What was saved stays as it was.
    DataError : the run began with other data, or a file cannot be written.
    """
    _begin_call(run, epochs)
    run.check_data(train_loader.dataset, val_loader.dataset)
    network = _shared_network(run)
    run.restore_random_state(train_loader)  # says at once if it cannot
    first_process = process_rank() == 0
    if first_process:
        save_last(run)
    with _progress(run, len(train_loader)) as bar, Board(run) if first_process else nullcontext() as board:
        while run.unfinished:
            bar.set_description(f"epoch {len(run.history) + 1} of {run.last_epoch}", refresh=False)
            row = _train_once(run, network, train_loader, bar) | _validate(run, val_loader)
            run.history.append(row)
            bar.set_postfix(train=f"{row['train_loss']:.4f}", val=f"{row['val_loss']:.4f}", refresh=False)
            improved = row["val_loss"] < run.best_val_loss
            if _out_of_patience(run):
                run.last_epoch = row["epoch"]
            if first_process:
                board.log_epoch(row)
                board.log_pictures(run, val_loader)
                if improved:
                    save_best(run)
                save_last(run)
        if first_process:
            board.log_hyperparameters(run)
    return run.history_frame()


def _begin_call(run: Run, epochs: int | None) -> None:
    """Set the first and the last epoch of a call of `fit`."""
    if epochs is None:
        if not run.unfinished:
            raise ValueError("No call of fit was interrupted in this run: say how many epochs to add.")
    elif epochs < 1:
        raise ValueError(f"Expected 1 epoch or more, found {epochs}.")
    else:
        run.first_epoch, run.last_epoch = len(run.history) + 1, len(run.history) + epochs


def _shared_network(run: Run) -> nn.Module:
    """The run's model as this and the other processes train it."""
    if process_count() > 1 and hasattr(run.model, "own_loss"):
        raise ValueError(f"{run.model_name} has its own loss, and trains in one process only.")
    return share_among_processes(run.model)


@contextmanager
def _progress(run: Run, batches: int) -> Iterator[tqdm]:
    """A bar over all batches that are left, drawn by the first process."""
    left = (run.last_epoch - len(run.history)) * batches
    silent = None if process_rank() == 0 else True  # None: silent where nobody looks at a terminal
    with tqdm(total=left, unit="batch", leave=False, mininterval=1, file=sys.stderr, disable=silent) as bar:
        yield bar


def _train_once(
    run: Run, network: nn.Module, loader: DataLoader, bar: tqdm | None = None
) -> dict[str, float]:
    """One epoch of the recipe: the schedule's learning rate, the config's clipping and precision."""
    epoch = len(run.history) + 1
    rate = learning_rate_at(run, epoch)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.restore_random_state(loader)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    start = time.perf_counter()
    loss, counts = train_one_epoch(
        network,
        loader,
        run.loss_fn,
        run.optimizer,
        clip_norm=run.config.clip_norm,
        threshold=run.config.threshold,
        precision=run.precision,
        scaler=run.scaler,
        bar=bar,
    )
    seconds = time.perf_counter() - start
    run.keep_random_state(loader)
    row = {"epoch": epoch, "learning_rate": rate, "train_loss": loss}
    row |= {f"train_{name}": score for name, score in _scores(torch.cat(gather(counts))).items()}
    return row | {"seconds": seconds, "patches_per_second": len(loader.dataset) / seconds}


def _validate(run: Run, loader: DataLoader) -> dict[str, float]:
    """Evaluate in the first process, and tell the others."""
    evaluated = None
    if process_rank() == 0:
        evaluated = evaluate(run.model, loader, run.loss_fn, run.config.threshold)
    loss, counts = from_first(evaluated)
    return {"val_loss": loss} | {f"val_{name}": score for name, score in _scores(counts).items()}


def _scores(counts: Tensor) -> dict[str, float]:
    """`summarise`, or NaN for a model with its own loss, which has no counts in training."""
    return summarise(counts) if len(counts) else {"dice": math.nan, "mean_iou": math.nan}


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


def _out_of_patience(run: Run) -> bool:
    """Whether this call of `fit` has waited long enough for a validation loss below the run's lowest."""
    losses = [row["val_loss"] for row in run.history]
    since_best = len(losses) - 1 - losses.index(min(losses))
    of_this_call = len(losses) + 1 - run.first_epoch
    return run.config.patience is not None and min(since_best, of_this_call) >= run.config.patience
