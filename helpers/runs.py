"""A run: what `helpers.training.fit` works on, and how it is saved, resumed and loaded."""

import dataclasses
import hashlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from helpers.config import Config
from helpers.engine import engine
from helpers.files import DataError, replace_atomically
from helpers.losses import LOSSES
from helpers.models import build_model

PREFIX = "corrosion_segmentation_trainer_"


@dataclass
class Run:
    """A training run and all its state. Make one with `start_run`, or with `resume_run` from its folder.

    Attributes
    ----------
    folder : runs/corrosion_segmentation_trainer_<timestamp>, with event files and models.
    history : a dict an epoch, see `history_frame`.
    best_path, best_val_loss : the model of the lowest validation loss.
    first_epoch, last_epoch : of the present call of `fit`, or of the one that was interrupted.
    """

    model_name: str
    options: dict[str, object]
    loss_name: str
    model: nn.Module
    optimizer: Optimizer
    folder: Path
    timestamp: str
    config: Config
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
                f"{self.folder}: this run began with other {' and '.join(parts)} patches than those given. "
                "Give it the same data, or start a new run."
            )
        self.fingerprints = found

    def keep_random_state(self, loader: DataLoader | None = None) -> None:
        """Remember the state of all random generators, in this process and in those that train along."""
        state = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state()
        self.random_states = gather_object([state])
        if loader is not None and loader.generator is not None:
            self.shuffle_state = loader.generator.get_state()

    def restore_random_state(self, loader: DataLoader) -> None:
        """Set all random generators as they were when the run stopped.

        Raises
        ------
        ValueError : the run was begun with another number of processes.
        """
        if len(self.random_states) != engine().num_processes:
            raise ValueError(
                f"{self.folder}: this run was trained in {len(self.random_states)} processes and cannot "
                f"go on in {engine().num_processes}; launch it with as many as before."
            )
        state = self.random_states[engine().process_index]
        torch.set_rng_state(state["cpu"])
        if torch.cuda.is_available() and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])
        if loader.generator is not None and self.shuffle_state is not None:
            loader.generator.set_state(self.shuffle_state)


def start_run(model_name: str, config: Config = Config(), loss: str = "bce", **options) -> Run:
    """Make a new model with its optimizer (Adam), and a folder for its run.

    Parameters
    ----------
    model_name, options : see `helpers.models.build_model`; weights follow from `config.seed`.
    loss : a name in `helpers.losses.LOSSES`.

    Raises
    ------
    ValueError : there is no such model, option or loss.
    DataError : the folder `<config.runs_dir>/corrosion_segmentation_trainer_<timestamp>` cannot be made.

    >>> run = start_run("unet", Config(), dropout=0.1)  # doctest: +SKIP
    """
    if loss not in LOSSES:
        raise ValueError(f"No loss is called {loss!r}; choose one of {sorted(LOSSES)}.")
    timestamp = [None]
    if engine().is_main_process:
        timestamp = [_make_folder(config)]
    timestamp = broadcast_object_list(timestamp)[0]
    run = _new(model_name, options, loss, config.runs_dir / f"{PREFIX}{timestamp}", config)
    if engine().process_index:  # each process its own dropout; weights are those of the first
        torch.manual_seed(config.seed + engine().process_index)
    run.keep_random_state()
    return run


def _make_folder(config: Config) -> str:
    while True:
        timestamp = datetime.now().strftime("%Y%m%d_%H%M%S")
        folder = config.runs_dir / f"{PREFIX}{timestamp}"
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
            return timestamp


def _new(model_name: str, options: dict, loss: str, folder: Path, config: Config) -> Run:
    torch.manual_seed(config.seed)
    model = build_model(model_name, **options)
    model = model.to(engine().device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    timestamp = folder.name.removeprefix(PREFIX)
    return Run(model_name, options, loss, model, optimizer, folder, timestamp, config)


def resume_run(folder: Path) -> Run:
    """Take up a run where it was interrupted; `fit(run, train_loader, val_loader)` then finishes the call.

    Raises
    ------
    DataError : the folder holds no `last_<timestamp>.pt`, or a damaged one.

    >>> run = resume_run("runs/corrosion_segmentation_trainer_20261122_201436")  # doctest: +SKIP
    >>> history = fit(run, data.train, data.val)  # doctest: +SKIP
    """
    folder = Path(folder).resolve()
    path = folder / f"last_{folder.name.removeprefix(PREFIX)}.pt"
    state = _read(path, "the state that helpers.training.fit saves after each epoch")
    try:
        settings = {
            name: Path(value) if name.endswith("_dir") else tuple(value) if isinstance(value, list) else value
            for name, value in state["config"].items()
        }
        config = dataclasses.replace(Config(**settings), runs_dir=folder.parent)
        run = _new(state["model_name"], state["options"], state["loss"], folder, config)
        _fill(run.model, state)
        run.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            engine().scaler.load_state_dict(state["scaler"])
        for name in ("history", "best_val_loss", "first_epoch", "last_epoch", "random_states"):
            setattr(run, name, state[name])
        run.shuffle_state, run.fingerprints = state["shuffle_state"], state["data"]
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise DataError(
            f"{path}: this state cannot be taken up ({error}). Was it saved by another version of helpers/? "
            "Resume it with that version, or start a new run."
        ) from error
    run.best_path = folder / state["best_model"] if state["best_model"] else None
    return run


def save_best(run: Run) -> None:
    """Save the model of the last epoch as the run's best, and remove the one that it beats.

    Raises
    ------
    DataError : it cannot be written; the former best stays.
    """
    row = run.history[-1]
    path = run.folder / f"model_{run.timestamp}_{row['epoch']}.pt"
    with replace_atomically(path) as temporary:
        torch.save(_describe(run), temporary)
    if run.best_path not in (None, path):
        run.best_path.unlink(missing_ok=True)
    run.best_val_loss, run.best_path = row["val_loss"], path


def save_last(run: Run) -> None:
    """Save all that `resume_run` needs.

    Raises
    ------
    DataError : it cannot be written; the state before stays.
    """
    state = _describe(run) | {
        "optimizer": run.optimizer.state_dict(),
        "scaler": engine().scaler.state_dict() if engine().scaler else None,
        "history": run.history,
        "best_val_loss": run.best_val_loss,
        "best_model": run.best_path.name if run.best_path else None,
        "first_epoch": run.first_epoch,
        "last_epoch": run.last_epoch,
        "random_states": run.random_states,
        "shuffle_state": run.shuffle_state,
    }
    with replace_atomically(run.last_path) as temporary:
        torch.save(state, temporary)


def _describe(run: Run) -> dict[str, object]:
    """A model, and where it comes from: plain values and tensors only."""
    config = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(run.config).items()
    }
    return {
        "model_name": run.model_name,
        "options": run.options,
        "loss": run.loss_name,
        "state_dict": run.model.state_dict(),
        "scores": run.history[-1] if run.history else {},
        "seed": run.config.seed,
        "config": config,
        "data": run.fingerprints,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "numpy", "accelerate")},
        },
    }


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of all images and masks of a dataset, in order, before any transform."""
    tensors = dataset.tensors if hasattr(dataset, "tensors") else (dataset.images, dataset.masks)
    digest = hashlib.sha256()
    for tensor in tensors:
        for sample in tensor:  # of sections, whose sizes may differ, there is a list
            digest.update(sample.contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_model(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Load a model that `fit` saved, in evaluation mode.

    Only tensors and plain values are read (`weights_only=True`): a checkpoint cannot run code.

    Raises
    ------
    DataError : the file is missing, damaged, or not a checkpoint of this project.
    """
    expected = "a model_<timestamp>_<epoch>.pt that helpers.training.fit saved"
    checkpoint = _read(Path(path), expected)
    try:
        model = build_model(checkpoint["model_name"], **checkpoint["options"])
        _fill(model, checkpoint)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise DataError(f"{path}: expected {expected}, found a file that is not one ({error}).") from error
    return model.to(device).eval()


def _fill(model: nn.Module, checkpoint: dict) -> None:
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:  # it lists each weight, which nobody reads
        raise ValueError(
            f"its weights do not fit the architecture that it names, {checkpoint['model_name']!r}"
        ) from error


def _read(path: Path, expected: str) -> dict:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; expected {expected}.") from error
    except Exception as error:  # damaged files make torch raise many kinds
        raise DataError(f"{path}: expected {expected}, found a file that is not one ({error}).") from error
