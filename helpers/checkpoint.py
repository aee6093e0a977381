"""Files of trained models: written whole or not at all, read with suspicion.

A checkpoint is torch's zip of plain values and tensors. It carries the config that the model was trained
with, since a model is of no use without its scale and thresholds. The config's folders stay out: they are of
one machine. Weights that are handed on are a `.safetensors` file, which holds the same but for a run's state.
"""

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch
from safetensors import safe_open
from torch import nn

from helpers.config import Config
from helpers.files import DataError, replace_atomically
from helpers.losses import LOSSES
from helpers.models import build_model

MODEL_FIELDS = {  # what each is
    "model_name": str, "options": dict, "loss": str, "state_dict": dict, "scores": dict, "config": dict,
    "data": dict, "versions": dict,
}  # fmt: skip
STATE_FIELDS = MODEL_FIELDS | {  # what a run needs besides, to go on
    "optimizer": dict, "scaler": dict, "history": list, "best_val_loss": float, "best_model": str | None,
    "first_epoch": int, "last_epoch": int, "random_states": list, "shuffle_state": torch.Tensor | None,
}  # fmt: skip


def load_model(path: Path, device: torch.device | str = "cpu") -> tuple[nn.Module, Config]:
    """Load a model that `helpers.training.fit` or `write_weights` saved, and the config it was trained with.

    Use the model with this config's scale (`value_mean`, `value_std`) and thresholds.

    Returns
    -------
    The model, in evaluation mode, and its config; folders in it are this machine's defaults.

    Raises
    ------
    DataError : the file is missing, damaged, or not a checkpoint of this project.

    >>> model, config = load_model("runs/<run>/model_20261122_201436_7.pt")  # doctest: +SKIP
    """
    checkpoint = read_checkpoint(path)
    with names_file(path):
        return build_trained(checkpoint).to(device).eval(), config_from(checkpoint["config"])


def write_checkpoint(path: Path, checkpoint: dict[str, object]) -> None:
    """Write a checkpoint, all of it or nothing.

    Raises
    ------
    DataError : it cannot be written; what was there stays.
    """
    buffer = io.BytesIO()  # torch.save to a full disk raises no OSError, but a file's `write` does
    torch.save(checkpoint, buffer)
    with replace_atomically(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def write_weights(path: Path, checkpoint: dict[str, object]) -> None:
    """Write the model of a checkpoint as a `.safetensors` file: tensors, and all else as JSON text.

    Raises
    ------
    DataError : it cannot be written; what was there stays.
    """
    about = {name: checkpoint[name] for name in MODEL_FIELDS if name != "state_dict"}
    weights = {name: tensor.contiguous().cpu() for name, tensor in checkpoint["state_dict"].items()}
    content = safetensors.torch.save(weights, {"model": json.dumps(about)})
    with replace_atomically(path) as temporary:
        temporary.write_bytes(content)


def read_checkpoint(path: Path, state: bool = False) -> dict[str, object]:
    """Read a checkpoint, or, as one, a file of `write_weights`.

    Only tensors and plain values are read (`weights_only=True`): a checkpoint cannot run code. A run's
    file has checksums, which are compared, so that no flipped bit goes unnoticed.

    Parameters
    ----------
    state : whether it must have all that a run needs to go on, as `last_<timestamp>.pt` has.

    Raises
    ------
    DataError : the file is missing, damaged, of another version, or not a checkpoint of this project.
    """
    expected = "last_<timestamp>.pt" if state else "model_<timestamp>_<epoch>.pt or last_<timestamp>.pt"
    expected = f"expected a {expected} that helpers.training.fit saved"
    try:
        checkpoint = (_read_weights if Path(path).suffix == ".safetensors" else _read_zip)(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; {expected}.") from error
    except Exception as error:  # of many kinds, and torch's own texts advise to trust the file
        raise DataError(
            f"{path}: {expected}, found a file that is damaged or holds more than tensors and plain values. "
            "Use another copy of it."
        ) from error
    with names_file(path):
        if not isinstance(checkpoint, dict):
            raise ValueError(f"{expected}, found a {type(checkpoint).__name__}")
        wanted = STATE_FIELDS if state or "optimizer" in checkpoint else MODEL_FIELDS
        _compare_names("fields", checkpoint, wanted)
        for name, kind in wanted.items():
            if not isinstance(checkpoint[name], kind):
                raise ValueError(f"its field {name} is {checkpoint[name]!r}, expected {kind}")
        config_from(checkpoint["config"])
        if checkpoint["loss"] not in LOSSES:
            raise ValueError(f"its loss is {checkpoint['loss']!r}; known are {', '.join(LOSSES)}")
    return checkpoint


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise zipfile.BadZipFile(f"the checksum of {damaged} in it is wrong")
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_weights(path: Path) -> object:
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["model"])
        return about | {"state_dict": {name: file.get_tensor(name) for name in file.keys()}}


def build_trained(checkpoint: dict[str, object]) -> nn.Module:
    """The model that a checkpoint describes, with its weights.

    Raises
    ------
    ValueError : the weights are not finite, or do not fit the architecture.
    """
    weights = checkpoint["state_dict"]
    broken = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"{len(broken)} of its weights are NaN or infinite, first {broken[0]}")
    model = build_model(checkpoint["model_name"], **checkpoint["options"])
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:  # it lists each weight, too long to read
        raise ValueError(
            f"its weights do not fit the architecture that it names, {checkpoint['model_name']!r}"
        ) from error
    return model


@contextmanager
def names_file(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a checkpoint's content into a DataError that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path}: this checkpoint cannot be used: {error}. Was it saved by another version of helpers/? "
            "Use it with that version, or train again."
        ) from error


def plain_config(config: Config) -> dict[str, object]:
    """A config as plain values, without its folders."""
    return {name: value for name, value in dataclasses.asdict(config).items() if not name.endswith("_dir")}


def config_from(plain: dict[str, object]) -> Config:
    """The inverse of `plain_config`; the folders are this machine's defaults.

    Raises
    ------
    ValueError : a setting is missing, unknown, or of another kind than its default.
    """
    defaults = plain_config(Config())
    _compare_names("settings", plain, defaults)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    for name, default in defaults.items():
        kinds = (int, float) if isinstance(default, float) else type(default)
        if default is not None and not isinstance(values[name], kinds):
            raise ValueError(f"its setting {name} is {values[name]!r}, expected one like {default!r}")
    return Config(**values)


def _compare_names(what: str, found: dict, wanted: dict) -> None:
    missing, unknown = sorted(set(wanted) - set(found)), sorted(map(str, set(found) - set(wanted)))
    if missing or unknown:
        raise ValueError(
            f"its {what} are not the expected ones; missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(unknown) or 'none'}"
        )
