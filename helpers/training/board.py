"""What a run logs for TensorBoard, and how to read it back."""

import io
import time
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from helpers.config import PATCH_SIZE
from helpers.files import disk_errors
from helpers.training.runs import Run

LOSS = "Training vs. Validation Loss"
PARTS = {"train": "Training", "val": "Validation"}
SINGLE = {  # TensorBoard shows tags by the alphabet: what is looked at first comes first
    "val_dice": "Validation Dice",
    "val_mean_iou": "Validation mean IoU",
    "learning_rate": "Work/learning rate",
    "seconds": "Work/seconds per epoch",
    "patches_per_second": "Work/patches per second",
}
PICTURES = 6


class Board:
    """Writes the event files of a run; a context manager, flushed after each epoch.

    The losses of training and of validation share a chart, so each of the two has a folder and a writer of
    its own. `SummaryWriter.add_scalars` makes such folders too, but does not hide what a killed process
    logged after the last saved state, as `purge_step` does here.
    """

    def __init__(self, run: Run):
        from torch.utils.tensorboard import SummaryWriter  # it takes seconds, which a report does not need

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
        """Once, for models that can be drawn: not for compiled ones, nor for Mask R-CNN."""
        example = torch.zeros(1, 1, PATCH_SIZE, PATCH_SIZE, device=run.device)
        run.model.eval()
        # TensorBoard's graphs need torch.jit, which warns of its end, prints and raises errors of many kinds
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), suppress(Exception):
            warnings.simplefilter("ignore")
            self.writer.add_graph(run.model, example)

    def log_epoch(self, row: dict[str, float]) -> None:
        """A row of the run's history: training against validation (R3.8), scores, learning rate, speed."""
        with disk_errors(self.folder, "written", self.folder):
            for part, writer in self.parts.items():
                writer.add_scalar(LOSS, row[f"{part}_loss"], row["epoch"])
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

        samples = _samples_with_grooves(loader)
        run.model.eval()
        with torch.inference_mode():
            found = [run.model(image[None].to(run.device))[0, 0].sigmoid().cpu() for image, _ in samples]
        scale, shift = run.config.value_std, run.config.value_mean
        figure = draw_patches(
            [(image[0] * scale + shift).numpy() for image, _ in samples],
            [f"validation image {number + 1}" for number in range(len(samples))],
            [mask[0].nan_to_num().numpy() for _, mask in samples],
            [probability.numpy() >= run.config.threshold for probability in found],
            columns=3,
        )
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
        }
        # Of a run that goes on, TensorBoard keeps the first settings, but shows the last scores
        final = {name: row[name] for name in ("epoch", "val_loss", "val_dice", "val_mean_iou")}
        final["best_val_loss"] = run.best_val_loss
        metrics = {f"Validation, final/{name.replace('val_', '')}": value for name, value in final.items()}
        from torch.utils.tensorboard.summary import hparams

        with disk_errors(self.folder, "written", self.folder):
            # Not by `add_hparams`: it makes a second file, which TensorBoard may read before the first
            for summary in hparams(made_with, metrics):
                self.writer.file_writer.add_summary(summary)
            for name, value in metrics.items():
                self.writer.add_scalar(name, value, row["epoch"])


def _wait_for_the_next_second(folder: Path) -> None:
    """TensorBoard reads event files by name, and a name starts with the second in which the file was made:
    files of one second can be read in the wrong order, and `purge_step` would then hide the older ones."""
    while any(folder.rglob(f"events.out.tfevents.{int(time.time()):010d}.*")):
        time.sleep(0.05)


def _samples_with_grooves(loader: DataLoader) -> list[tuple[Tensor, Tensor]]:
    """Of the images with a groove a few, evenly spaced, with their masks, each (1, H, W); of a loader without
    any groove the first images."""
    samples = [sample for images, masks in loader for sample in zip(images, masks, strict=True)]
    samples = [sample for sample in samples if sample[1].nan_to_num().any()] or samples
    return [samples[int(at)] for at in np.linspace(0, len(samples) - 1, min(PICTURES, len(samples)))]
