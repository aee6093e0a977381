"""What a run logs for TensorBoard, and how to read it back."""

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from helpers.config import PATCH_SIZE
from helpers.files import disk_errors
from helpers.runs import Run

PAIRS = {"loss": "Loss", "dice": "Dice", "mean_iou": "Mean IoU"}  # each of training and of validation
PARTS = {"train": "Training", "val": "Validation"}
SINGLE = {
    "learning_rate": "Learning rate",
    "seconds": "Seconds per epoch",
    "patches_per_second": "Patches per second",
}
PICTURES = 6


class Board:
    """Writes the event files of a run; a context manager, flushed after each epoch.

    Curves of training and of validation share a chart, so each of the two has a folder and a writer of its
    own. `SummaryWriter.add_scalars` makes such folders too, but does not hide what a killed process logged
    after the last saved state, as `purge_step` does here.
    """

    def __init__(self, run: Run):
        self.folder = run.folder
        purge = {"purge_step": len(run.history) + 1}
        with disk_errors(run.folder, "written", run.folder):
            _wait_for_the_next_second(run.folder)
            self.writer = SummaryWriter(run.folder, **purge)
            self.parts = {part: SummaryWriter(run.folder / name, **purge) for part, name in PARTS.items()}
            if not run.history:
                self._log_graph(run)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for writer in (self.writer, *self.parts.values()):
            writer.close()

    def _log_graph(self, run: Run) -> None:
        """Once, for the models that can be drawn: Mask R-CNN's path depends on what it sees."""
        if hasattr(run.model, "own_loss"):
            return
        example = torch.zeros(1, 1, PATCH_SIZE, PATCH_SIZE, device=run.device)
        run.model.eval()
        with warnings.catch_warnings():  # TensorBoard's graphs need torch.jit, whose days are numbered
            warnings.simplefilter("ignore")
            self.writer.add_graph(run.model, example)

    def log_epoch(self, row: dict[str, float]) -> None:
        """A row of the run's history: training against validation, learning rate, speed."""
        with disk_errors(self.folder, "written", self.folder):
            for part, writer in self.parts.items():
                for key, title in PAIRS.items():
                    writer.add_scalar(f"Training vs. Validation {title}", row[f"{part}_{key}"], row["epoch"])
                writer.flush()
            for key, title in SINGLE.items():
                self.writer.add_scalar(title, row[key], row["epoch"])
            self.writer.flush()

    def log_pictures(self, run: Run, loader: DataLoader) -> None:
        """The same few validation patches with the outlines of label and prediction, every few epochs."""
        epoch = run.history[-1]["epoch"]
        if epoch % run.config.picture_every != 0 and epoch != run.last_epoch:
            return
        from helpers.plots import draw_patches  # here, so that training does not need seaborn

        images, masks, shown = _some_images(loader)
        run.model.eval()
        with torch.inference_mode():
            found = [run.model(image[None].to(run.device))[0].sigmoid().cpu() for image in shown]
        images, masks = ([part[0].numpy() for part in parts] for parts in (images, masks))
        found = [part[0].numpy() >= run.config.threshold for part in found]
        titles = [f"validation image {number + 1}" for number in range(len(images))]
        figure = draw_patches(images, titles, masks, found, columns=3)
        with disk_errors(self.folder, "written", self.folder):
            self.writer.add_figure("Validation patches", figure, epoch)

    def log_hyperparameters(self, run: Run) -> None:
        """What the run was made with, and its scores at the end, for TensorBoard's HPARAMS page."""
        config, row = run.config, run.history[-1]
        made_with = {
            "model": run.model_name,
            "loss": run.loss_name,
            **{f"option {name}": value for name, value in run.options.items()},
            "learning rate": config.learning_rate,
            "batch size": config.batch_size,
            "seed": config.seed,
            "epochs": row["epoch"],
        }
        scores = {f"final/{key}": row[key] for key in ("val_loss", "val_dice", "val_mean_iou")}
        with disk_errors(self.folder, "written", self.folder):
            self.writer.add_hparams(
                made_with, scores | {"final/best_val_loss": run.best_val_loss}, run_name=".",
                global_step=row["epoch"],
            )  # fmt: skip


def _wait_for_the_next_second(folder: Path) -> None:
    """TensorBoard reads event files by name, and a name starts with the second in which the file was made:
    files of one second can be read in the wrong order, and `purge_step` would then hide the older ones."""
    while any(folder.rglob(f"events.out.tfevents.{int(time.time()):010d}.*")):
        time.sleep(0.05)


def _some_images(loader: DataLoader) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Of patches or sections with a groove a few, evenly spaced: images as they are, masks, images for the
    network, each (1, H, W)."""
    dataset = loader.dataset
    masks = dataset.tensors[1] if hasattr(dataset, "tensors") else dataset.masks
    corroded = [number for number, mask in enumerate(masks) if mask.nan_to_num().any()]
    rows = corroded or range(len(masks))
    rows = [rows[int(place)] for place in np.linspace(0, len(rows) - 1, min(PICTURES, len(rows)))]
    shown = [dataset[row][0] for row in rows]
    images = [dataset.images[row] for row in rows] if hasattr(dataset, "images") else shown
    return images, [masks[row].nan_to_num() for row in rows], shown


def read_scalars(run_folder: Path) -> pd.DataFrame:
    """Read back what `fit` logged for TensorBoard, as a history with one row an epoch."""
    # tensorboard takes a second to import, which only this function should cost
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sources = {key: ("", title) for key, title in SINGLE.items()}
    for part, name in PARTS.items():
        sources |= {f"{part}_{key}": (name, f"Training vs. Validation {PAIRS[key]}") for key in PAIRS}
    columns = {}
    for column, (folder, tag) in sources.items():
        events = EventAccumulator(str(Path(run_folder) / folder)).Reload()
        columns[column] = pd.Series({event.step: event.value for event in events.Scalars(tag)})
    return pd.DataFrame(columns).rename_axis("epoch")
