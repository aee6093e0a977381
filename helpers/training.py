"""Training: one epoch, its evaluation, and `fit`, which can be called again for more epochs."""

import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from helpers.config import Config
from helpers.files import DataError, replace_atomically
from helpers.metrics import count_pixels, summarise
from helpers.models import build_model


def train_one_epoch(
    model: nn.Module, loader: DataLoader, loss_fn: nn.Module, optimizer: Optimizer, bar: tqdm | None = None
) -> float:
    """Train on every batch once and return the mean loss over patches (not over batches).

    The loss is added up on the model's device and read once, at the end: no transfer inside the epoch.

    Parameters
    ----------
    loader : gives (images, masks), both (B, 1, H, W) float32.
    loss_fn : takes logits and masks, and returns the mean over the batch. A model that learns otherwise, as
        Mask R-CNN does, has `own_loss(images, masks)`, which is taken instead.
    bar : moved on by one after each batch.

    Raises
    ------
    FloatingPointError : the mean loss is not finite.
    """
    device = next(model.parameters()).device
    model.train()
    total = torch.zeros((), device=device)
    patches = 0
    for images, masks in loader:
        images, masks = images.to(device), masks.to(device)
        optimizer.zero_grad()
        loss = _loss_of(model, loss_fn, images, masks)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(images)
        patches += len(images)
        if bar is not None:
            bar.update()
    mean_loss = (total / patches).item()
    if not torch.isfinite(torch.tensor(mean_loss)):
        raise FloatingPointError(
            f"The training loss is {mean_loss}. Try a smaller learning rate, and check the images for NaN."
        )
    return mean_loss


def _loss_of(model: nn.Module, loss_fn: nn.Module, images: Tensor, masks: Tensor) -> Tensor:
    if hasattr(model, "own_loss"):
        return model.own_loss(images, masks)
    return loss_fn(model(images), masks)


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
        logits = model(images)
        total += loss_fn(logits, masks) * len(images)
        counts.append(count_pixels(logits.sigmoid() >= threshold, masks.bool()))
    all_counts = torch.cat(counts).cpu()
    return (total / len(all_counts)).item(), all_counts


@dataclass
class Run:
    """A model in training: everything that `fit` needs to go on where it stopped.

    Make one with `start_run`. `history` has a dict an epoch; `best_path` is the best model's file.
    """

    model_name: str
    model: nn.Module
    optimizer: Optimizer
    loss_fn: nn.Module
    folder: Path
    timestamp: str
    config: Config
    history: list[dict[str, float]] = field(default_factory=list)
    best_val_loss: float = float("inf")
    best_path: Path | None = None

    @property
    def last_path(self) -> Path:
        """The model after its last epoch, good or bad."""
        return self.folder / f"last_{self.timestamp}.pt"

    def history_frame(self) -> pd.DataFrame:
        """One row an epoch: train_loss, val_loss, val_dice, val_mean_iou, seconds, patches_per_second."""
        return pd.DataFrame(self.history).set_index("epoch")


def start_run(
    model_name: str, model: nn.Module, optimizer: Optimizer, loss_fn: nn.Module, config: Config = Config()
) -> Run:
    """Make `runs/corrosion_segmentation_trainer_<timestamp>` and return the run that logs there.

    Raises
    ------
    DataError : the folder cannot be made.
    """
    while True:
        timestamp = datetime.now().strftime("%Y%m%d_%H%M%S")
        folder = config.runs_dir / f"corrosion_segmentation_trainer_{timestamp}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:  # another run began in this second
            time.sleep(0.2)
        except OSError as error:
            raise DataError(
                f"{folder}: the run's folder could not be made ({error.strerror}). "
                "Free the disk, or name another place in Config(runs_dir=...)."
            ) from error
        else:
            return Run(model_name, model, optimizer, loss_fn, folder, timestamp, config)


def fit(run: Run, train_loader: DataLoader, val_loader: DataLoader, epochs: int) -> pd.DataFrame:
    """Train for `epochs` more epochs; call it again to add more.

    After each epoch the losses and scores go to TensorBoard, and the model is saved as
    `model_<timestamp>_<epoch>.pt` if its validation loss is the lowest of the run; the file that it
    beats is then removed. The model of the last epoch is kept beside it as `last_<timestamp>.pt`.

    Returns
    -------
    The history of the whole run, see `Run.history_frame`.

    Raises
    ------
    FloatingPointError : the loss is no longer finite. The best model so far stays saved.
    DataError : a checkpoint cannot be written.
    """
    done = len(run.history)
    batches = epochs * len(train_loader)
    with (
        SummaryWriter(run.folder) as writer,
        tqdm(total=batches, unit="batch", leave=False, mininterval=1, file=sys.stderr) as bar,
    ):
        for epoch in range(done + 1, done + epochs + 1):
            bar.set_description(f"epoch {epoch} of {done + epochs}", refresh=False)
            start = time.perf_counter()
            train_loss = train_one_epoch(run.model, train_loader, run.loss_fn, run.optimizer, bar)
            seconds = time.perf_counter() - start
            val_loss, counts = evaluate(run.model, val_loader, run.loss_fn, run.config.threshold)
            scores = summarise(counts)
            row = {
                "epoch": epoch,
                "train_loss": train_loss,
                "val_loss": val_loss,
                "val_dice": scores["dice"],
                "val_mean_iou": scores["mean_iou"],
                "seconds": seconds,
                "patches_per_second": len(train_loader.dataset) / seconds,
            }
            run.history.append(row)
            _log(writer, row)
            if val_loss < run.best_val_loss:
                _save_best(run, row)
            _save(run, row, run.last_path)
            bar.set_postfix(train=f"{train_loss:.4f}", val=f"{val_loss:.4f}", refresh=False)
    return run.history_frame()


def _log(writer: SummaryWriter, row: dict[str, float]) -> None:
    losses = {"Training": row["train_loss"], "Validation": row["val_loss"]}
    writer.add_scalars("Training vs. Validation Loss", losses, row["epoch"])
    writer.add_scalar("Dice/Validation", row["val_dice"], row["epoch"])
    writer.add_scalar("Mean IoU/Validation", row["val_mean_iou"], row["epoch"])
    writer.add_scalar("Patches per second", row["patches_per_second"], row["epoch"])
    writer.flush()


def read_scalars(run_folder: Path) -> pd.DataFrame:
    """Read back what `fit` logged for TensorBoard, as a history with one row an epoch."""
    # tensorboard takes a second to import, which only this function should cost
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sources = {
        "train_loss": ("Training vs. Validation Loss_Training", "Training vs. Validation Loss"),
        "val_loss": ("Training vs. Validation Loss_Validation", "Training vs. Validation Loss"),
        "val_dice": ("", "Dice/Validation"),
        "val_mean_iou": ("", "Mean IoU/Validation"),
    }
    columns = {}
    for column, (folder, tag) in sources.items():
        events = EventAccumulator(str(Path(run_folder) / folder)).Reload()
        columns[column] = pd.Series({event.step: event.value for event in events.Scalars(tag)})
    return pd.DataFrame(columns).rename_axis("epoch")


def _save_best(run: Run, row: dict[str, float]) -> None:
    path = run.folder / f"model_{run.timestamp}_{row['epoch']}.pt"
    _save(run, row, path)
    if run.best_path is not None:
        run.best_path.unlink(missing_ok=True)
    run.best_val_loss, run.best_path = row["val_loss"], path


def _save(run: Run, row: dict[str, float], path: Path) -> None:
    checkpoint = {
        "model_name": run.model_name,
        "state_dict": run.model.state_dict(),
        "scores": row,
        "seed": run.config.seed,
        "torch": str(torch.__version__),
    }
    with replace_atomically(path) as temporary:
        torch.save(checkpoint, temporary)


def load_model(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Load the model that `fit` saved, in evaluation mode.

    Only tensors and plain values are read (`weights_only=True`): a checkpoint cannot run code.

    Raises
    ------
    DataError : the file is missing, damaged, or not a checkpoint of this project.
    """
    path = Path(path)
    expected = "expected a model_<timestamp>_<epoch>.pt that helpers.training.fit saved"
    try:
        checkpoint = torch.load(path, map_location=device, weights_only=True)
        model = build_model(checkpoint["model_name"])
        model.load_state_dict(checkpoint["state_dict"])
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; {expected}.") from error
    except Exception as error:  # damaged files make torch raise many kinds
        raise DataError(f"{path}: {expected}, found a file that is not one ({error}).") from error
    return model.to(device).eval()
