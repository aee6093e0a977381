"""A run: a model with all that its training needs, and how it is started, saved and resumed."""

import hashlib
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from helpers.checkpoint import (
    build_trained,
    config_from,
    names_file,
    plain_config,
    read_checkpoint,
    write_checkpoint,
)
from helpers.config import Config
from helpers.devices import best_device, from_first, gather, precision_on, process_count, process_rank
from helpers.files import DataError, remove_leftovers
from helpers.losses import LOSSES
from helpers.models import build_model

PREFIX = "corrosion_segmentation_trainer_"


@dataclass
class Run:
    """A training run and all its state, which `helpers.training` moves on.

    Make one with `start_run`, take it up with `resume_run` from its folder, or make one that leaves nothing
    on the disk with `unsaved_run`.

    Attributes
    ----------
    folder : runs/corrosion_segmentation_trainer_<timestamp>, with event files and models; None if unsaved.
    scaler : keeps float16 gradients from vanishing; does nothing in other precisions.
    history : a dict an epoch, see `history_frame`.
    best_path, best_val_loss : the model of the lowest validation loss.
    first_epoch, last_epoch : of the present call of `fit`, or of the one that was interrupted.
    """

    model_name: str
    options: dict[str, object]
    loss_name: str
    model: nn.Module
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    config: Config
    folder: Path | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    best_val_loss: float = float("inf")
    best_path: Path | None = None
    first_epoch: int = 1
    last_epoch: int = 0
    random_states: list[dict[str, Tensor]] = field(default_factory=list)  # of each process
    shuffle_state: Tensor | None = None  # of the training loader
    fingerprints: dict[str, str] = field(default_factory=dict)

    @property
    def loss_fn(self) -> Callable[[Tensor, Tensor], Tensor]:
        return LOSSES[self.loss_name]

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
        """The whole state after the last epoch, good or bad."""
        return self.folder / f"last_{self.timestamp}.pt"

    @property
    def unfinished(self) -> bool:
        """Whether a call of `fit` was interrupted."""
        return len(self.history) < self.last_epoch

    def history_frame(self) -> pd.DataFrame:
        """One row an epoch: learning_rate, seconds, patches_per_second, and loss, dice and mean_iou of
        training ("train_loss") and validation ("val_loss")."""
        return pd.DataFrame(self.history).set_index("epoch")

    def check_data(self, train: Dataset, val: Dataset) -> None:
        """Remember which data these are.

        Raises
        ------
        DataError : the run began with others.
        """
        found = {"train": fingerprint(train), "val": fingerprint(val)}
        if self.fingerprints and self.fingerprints != found:
            parts = [part for part in found if found[part] != self.fingerprints[part]]
            raise DataError(
                f"{self.folder}: this run began with other {' and '.join(parts)} patches, or another seed of "
                "their transforms, than those given. Give it the same data, or start a new run."
            )
        self.fingerprints = found

    def keep_random_state(self, loader: DataLoader | None = None) -> None:
        """Remember the state of all random generators, in this process and in those that train along."""
        state = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state()
        self.random_states = gather(state)
        if loader is not None and loader.generator is not None:
            self.shuffle_state = loader.generator.get_state()

    def restore_random_state(self, loader: DataLoader) -> None:
        """Set all random generators as they were when the run stopped.

        The loader of a new run shuffles as if it were new, whatever used it before.

        Raises
        ------
        ValueError : the run was begun with another number of processes.
        """
        if len(self.random_states) != process_count():
            raise ValueError(
                f"{self.folder}: this run was trained in {len(self.random_states)} processes and cannot "
                f"go on in {process_count()}; launch it with as many as before."
            )
        state = self.random_states[process_rank()]
        torch.set_rng_state(state["cpu"])
        if torch.cuda.is_available() and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])
        if loader.generator is not None:
            if self.shuffle_state is None:
                loader.generator.manual_seed(loader.generator.initial_seed())
            else:
                loader.generator.set_state(self.shuffle_state)


def start_run(model_name: str, config: Config = Config(), loss: str = "bce", **options) -> Run:
    """`unsaved_run`, with a folder to be saved in.

    Raises
    ------
    ValueError : there is no such model, option, loss or precision.
    DataError : the folder `<config.runs_dir>/corrosion_segmentation_trainer_<timestamp>` cannot be made.

    >>> run = start_run("unet", Config(), dropout=0.1)  # doctest: +SKIP
    """
    run = unsaved_run(model_name, config, loss, **options)
    run.folder = from_first(_make_folder(config) if process_rank() == 0 else None)
    return run


def unsaved_run(model_name: str, config: Config = Config(), loss: str = "bce", **options) -> Run:
    """A new model with its optimizer (Adam), for a training that leaves nothing on the disk.

    Parameters
    ----------
    model_name, options : see `helpers.models.build_model`; weights follow from `config.seed`.
    loss : a name in `helpers.losses.LOSSES`.

    Raises
    ------
    ValueError : there is no such model, option, loss or precision.
    """
    if loss not in LOSSES:
        raise ValueError(f"No loss is called {loss!r}; choose one of {sorted(LOSSES)}.")
    torch.manual_seed(config.seed)
    run = _prepare(model_name, options, loss, build_model(model_name, **options), config)
    if process_rank():  # each process its own dropout; weights are those of the first
        torch.manual_seed(config.seed + process_rank())
    run.keep_random_state()
    return run


def _make_folder(config: Config) -> Path:
    remove_leftovers(config.runs_dir, "*/.part-*")  # of runs that were killed while they were saved
    while True:
        folder = config.runs_dir / f"{PREFIX}{datetime.now().strftime('%Y%m%d_%H%M%S')}"
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
            return folder


def _prepare(model_name: str, options: dict, loss: str, model: nn.Module, config: Config) -> Run:
    """Bring a model to its device, and give it an optimizer and a gradient scaler of its own."""
    device = best_device()
    if process_count() > 1 and device.type == "cuda":  # statistics of the batch, not of a process's share
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    enabled = precision_on(device, config.precision) == torch.float16
    scaler = torch.amp.GradScaler(device.type, enabled=enabled)
    return Run(model_name, options, loss, model, optimizer, scaler, config)


def resume_run(folder: Path) -> Run:
    """Take up a run where it was interrupted; `fit(run, train_loader, val_loader)` then finishes the call.

    All that the run depends on comes from its checkpoint, the config too: data for it are prepared with
    `run.config`. Only folders are this machine's own.

    Raises
    ------
    DataError : the folder holds no `last_<timestamp>.pt`, or a damaged one.

    >>> run = resume_run("runs/corrosion_segmentation_trainer_20261122_201436")  # doctest: +SKIP
    >>> history = fit(run, data.train, data.val)  # doctest: +SKIP
    """
    folder = Path(folder).resolve()
    path = folder / f"last_{folder.name.removeprefix(PREFIX)}.pt"
    state = read_checkpoint(path, state=True)
    with names_file(path):
        config = replace(config_from(state["config"]), runs_dir=folder.parent)
        model = build_trained(state)
        run = _prepare(state["model_name"], state["options"], state["loss"], model, config)
        run.folder = folder
        run.optimizer.load_state_dict(state["optimizer"])
        if run.scaler.is_enabled() and state["scaler"]:
            run.scaler.load_state_dict(state["scaler"])
        run.history, run.best_val_loss = state["history"], state["best_val_loss"]
        run.first_epoch, run.last_epoch = state["first_epoch"], state["last_epoch"]
        run.random_states, run.shuffle_state = state["random_states"], state["shuffle_state"]
        run.fingerprints = state["data"]
        if state["best_model"] is not None:  # a name from a file must not lead to other files
            if not re.fullmatch(rf"model_{re.escape(run.timestamp)}_\d+\.pt", state["best_model"]):
                raise ValueError(f"its best model is {state['best_model']!r}, which is no model of this run")
            run.best_path = folder / state["best_model"]
    return run


def save_best(run: Run) -> None:
    """Save the model of the last epoch as the run's best, and remove the one that it beats.

    Raises
    ------
    DataError : it cannot be written; the former best stays.
    """
    row = run.history[-1]
    path = run.folder / f"model_{run.timestamp}_{row['epoch']}.pt"
    write_checkpoint(path, describe(run))
    if run.best_path not in (None, path):
        run.best_path.unlink(missing_ok=True)
    run.best_val_loss, run.best_path = row["val_loss"], path


def save_last(run: Run) -> None:
    """Save all that `resume_run` needs.

    Raises
    ------
    DataError : it cannot be written; the state before stays.
    """
    state = {
        "optimizer": run.optimizer.state_dict(),
        "scaler": run.scaler.state_dict(),
        "history": run.history,
        "best_val_loss": run.best_val_loss,
        "best_model": run.best_path.name if run.best_path else None,
        "first_epoch": run.first_epoch,
        "last_epoch": run.last_epoch,
        "random_states": run.random_states,
        "shuffle_state": run.shuffle_state,
    }
    write_checkpoint(run.last_path, describe(run) | state)


def describe(run: Run) -> dict[str, object]:
    """A model, and where it comes from: plain values and tensors only, for `helpers.checkpoint` to write."""
    return {
        "model_name": run.model_name,
        "options": run.options,
        "loss": run.loss_name,
        "state_dict": run.model.state_dict(),
        "scores": run.history[-1] if run.history else {},
        "config": plain_config(run.config),
        "data": run.fingerprints,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "numpy")},
        },
    }


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of all images and masks of a dataset, before any transform, and of the transforms' seed."""
    tensors = dataset.tensors if hasattr(dataset, "tensors") else (dataset.images, dataset.masks)
    digest = hashlib.sha256(str(getattr(dataset, "seed", None)).encode())
    for tensor in tensors:
        for sample in tensor:  # of sections, whose sizes may differ, there is a list
            digest.update(sample.contiguous().numpy().tobytes())
    return digest.hexdigest()
