"""A run: a model with all that its training needs, and how it is started, saved and resumed."""

import hashlib
import os
import platform
import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from helpers.config import Config
from helpers.files import DataError, disk_errors
from helpers.losses import LOSSES, Loss, over_outputs
from helpers.models import build_model
from helpers.training.checkpoint import (
    build_trained,
    config_from,
    names_file,
    plain_config,
    plain_state,
    read_checkpoint,
    write_checkpoint,
)

PREFIX = "corrosion_segmentation_trainer_"
STATE = ("history", "best_val_loss", "first_epoch", "last_epoch", "random_state")  # saved as they are
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def best_device() -> torch.device:
    """This process's GPU, or the CPU where there is none."""
    number = int(os.environ.get("LOCAL_RANK", 0))  # torchrun numbers its processes
    return torch.device("cuda", number) if torch.cuda.is_available() else torch.device("cpu")


def precision_on(device: torch.device, wanted: str = "auto") -> torch.dtype:
    """The numbers that a training calculates in: a name in `PRECISIONS`, or "auto", which is bfloat16 on a
    GPU that can (compute capability 8.0 or more), float16 on another, as a T4, and float32 on a CPU."""
    if wanted in PRECISIONS:
        return PRECISIONS[wanted]
    if wanted != "auto":
        raise ValueError(f'Expected a precision of "auto" or one of {list(PRECISIONS)}, found {wanted!r}.')
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


@dataclass
class Run:
    """A training run and all its state, which `helpers.training` moves on: made by `start_run`, taken up by
    `resume_run`, or by `unsaved_run` one that leaves nothing on the disk.

    folder : runs/corrosion_segmentation_trainer_<timestamp>, with event files and models; None if unsaved.
    history : a dict an epoch, see `history_frame`.
    first_epoch, last_epoch : of the present call of `fit`, or of the one that was interrupted.
    random_state : of torch's generators, as the last epoch left them.
    data : fingerprints of the images and masks that the run began with.
    """

    model_name: str
    options: dict[str, object]
    loss_name: str
    model: nn.Module
    loss_fn: Loss
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    config: Config
    folder: Path | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    best_val_loss: float = float("inf")
    best_path: Path | None = None
    first_epoch: int = 1
    last_epoch: int = 0
    random_state: dict[str, Tensor] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)

    @property
    def timestamp(self) -> str:
        return self.folder.name.removeprefix(PREFIX)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def precision(self) -> torch.dtype:
        return precision_on(self.device, self.config.precision)

    @property
    def last_path(self) -> Path:
        return self.folder / f"last_{self.timestamp}.pt"

    @property
    def unfinished(self) -> bool:
        """Whether a call of `fit` was interrupted."""
        return len(self.history) < self.last_epoch

    def history_frame(self) -> pd.DataFrame:
        """One row an epoch: its rate and seconds, train_loss, val_loss, val_dice, val_mean_iou and speed."""
        return pd.DataFrame(self.history).set_index("epoch")

    def check_data(self, train: Dataset, val: Dataset) -> None:
        """Remember which data these are; raise DataError if the run began with others."""
        found = {"train": fingerprint(train), "val": fingerprint(val)}
        if self.data and self.data != found:
            parts = " and ".join(part for part in found if found[part] != self.data[part])
            raise DataError(
                f"{self.folder}: this run began with other {parts} images or masks than those given. Give it "
                "the same data, or start a new run."
            )
        self.data = found

    def keep_random_state(self) -> None:
        """Remember the state of torch's generators."""
        self.random_state = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            self.random_state["cuda"] = torch.cuda.get_rng_state()

    def restore_random_state(self) -> None:
        """Set torch's generators as the run left them, whatever was drawn since."""
        torch.set_rng_state(self.random_state["cpu"])
        if torch.cuda.is_available() and "cuda" in self.random_state:
            torch.cuda.set_rng_state(self.random_state["cuda"])


def start_run(model: str | nn.Module, config: Config = Config(), loss: str | Loss = "bce", **options) -> Run:
    """`unsaved_run`, with a folder `<config.runs_dir>/corrosion_segmentation_trainer_<timestamp>` to be saved
    in. DataError : it cannot be made.
    """
    run = unsaved_run(model, config, loss, **options)
    run.folder = _make_folder(config)
    return run


def unsaved_run(
    model: str | nn.Module, config: Config = Config(), loss: str | Loss = "bce", **options
) -> Run:
    """A model with its optimizer (Adam), for a training that leaves nothing on the disk.

    model, options : see `helpers.models.build_model`, weights follow from `config.seed`; or a module of one's
        own, which takes (N, 1, H, W) thickness and returns logits.
    loss : a name in `helpers.losses.LOSSES`, or a function of logits and masks. A model with a
        `training_loss` of its own, as Mask R-CNN has, learns from that instead.
    ValueError : there is no such model, option, loss or precision.
    """
    if isinstance(loss, str) and loss not in LOSSES:
        raise ValueError(f"No loss is called {loss!r}; choose one of {sorted(LOSSES)}, or give a function.")
    # A checkpoint keeps plain numbers only
    options = {key: one.item() if isinstance(one, np.generic) else one for key, one in options.items()}
    torch.manual_seed(config.seed)
    name, built = (model, build_model(model, **options)) if isinstance(model, str) else (_name(model), model)
    run = _prepare(built, name, options, loss, config)
    run.keep_random_state()
    return run


def _name(thing: nn.Module | Loss) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


def _make_folder(config: Config) -> Path:
    made = "made (Config(runs_dir=...) or --runs names another place)"
    while True:
        folder = config.runs_dir / f"{PREFIX}{datetime.now().strftime('%Y%m%d_%H%M%S')}"
        with disk_errors(folder, made, config.runs_dir):
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:  # another run began in this second
                time.sleep(0.2)


def _prepare(model: nn.Module, name: str, options: dict, loss: str | Loss, config: Config) -> Run:
    """Bring a model to its device, and give it a loss, an optimizer and a gradient scaler of its own."""
    device = best_device()
    model = model.to(device, memory_format=torch.channels_last)
    loss_name, loss_fn = (loss, LOSSES[loss]) if isinstance(loss, str) else (_name(loss), loss)
    loss_fn = getattr(model, "training_loss", over_outputs(loss_fn))
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    enabled = precision_on(device, config.precision) == torch.float16
    scaler = torch.amp.GradScaler(device.type, enabled=enabled)
    return Run(name, options, loss_name, model, loss_fn, optimizer, scaler, config)


def resume_run(folder: Path, model: nn.Module | None = None, loss: Loss | None = None) -> Run:
    """Take up a run where it was interrupted; `fit(run, train_loader, val_loader)` then finishes the call.

    All that the run depends on comes from its checkpoint, the config too: data for it are prepared with
    `run.config`. Only folders are this machine's own. A model or loss of one's own is to be given again.
    DataError : the folder holds no `last_<timestamp>.pt`, or a damaged one; its model or loss is not known.
    """
    folder = Path(folder).resolve()
    path = folder / f"last_{folder.name.removeprefix(PREFIX)}.pt"
    state = read_checkpoint(path)
    with names_file(path):
        loss = loss or state["loss"]
        if isinstance(loss, str) and loss not in LOSSES:
            raise ValueError(f"it was trained with the loss {loss!r}; give that function to resume_run")
        config = replace(config_from(state["config"]), runs_dir=folder.parent)
        run = _prepare(build_trained(state, model), state["model_name"], state["options"], loss, config)
        run.folder, run.loss_name, run.data = folder, state["loss"], state["data"]
        for name in STATE:
            setattr(run, name, state[name])
        run.optimizer.load_state_dict(state["optimizer"])
        if run.scaler.is_enabled() and state["scaler"]:
            run.scaler.load_state_dict(state["scaler"])
        if state["best_model"] is not None:  # a name from a file must not lead to other files
            if not re.fullmatch(rf"model_{re.escape(run.timestamp)}_\d+\.pt", state["best_model"]):
                raise ValueError(f"its best model is {state['best_model']!r}, which is no model of this run")
            run.best_path = folder / state["best_model"]
    return run


def save_best(run: Run) -> None:
    """Save the model of the last epoch as `model_<timestamp>_<epoch>.pt` (R3.9), and remove the one that it
    beats. DataError : it cannot be written; the former best stays."""
    row = run.history[-1]
    path = run.folder / f"model_{run.timestamp}_{row['epoch']}.pt"
    write_checkpoint(path, describe(run))
    if run.best_path not in (None, path):
        run.best_path.unlink(missing_ok=True)
    run.best_val_loss, run.best_path = row["val_loss"], path


def save_last(run: Run) -> None:
    """Save all that `resume_run` needs. DataError : it cannot be written; the state before stays."""
    state = {name: getattr(run, name) for name in STATE} | {
        "optimizer": run.optimizer.state_dict(),
        "scaler": run.scaler.state_dict(),
        "best_model": run.best_path.name if run.best_path else None,
    }
    write_checkpoint(run.last_path, describe(run) | state)


def describe(run: Run) -> dict[str, object]:
    """A model, and where it comes from: plain values and tensors only, as a checkpoint holds them."""
    versions = {name: version(name) for name in ("torch", "torchvision", "numpy")}
    return {
        "model_name": run.model_name,
        "options": run.options,
        "loss": run.loss_name,
        "state_dict": plain_state(run.model),
        "scores": run.history[-1] if run.history else {},
        "config": plain_config(run.config),
        "data": run.data,
        "versions": {"python": platform.python_version(), **versions},
    }


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of all images and masks of a dataset, before any transform; of one that keeps them otherwise
    than ours and torch's `TensorDataset` do, the kind and the length."""
    of_ours = [getattr(dataset, name, None) for name in ("images", "masks")]
    tensors = getattr(dataset, "tensors", None) or of_ours
    if any(tensor is None for tensor in tensors):
        return f"{type(dataset).__name__} of {len(dataset)}"
    digest = hashlib.sha256()
    for tensor in tensors:
        for sample in tensor:  # of sections, whose sizes may differ, there is a list
            digest.update(sample.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
