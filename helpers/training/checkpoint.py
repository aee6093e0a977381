"""Files of trained models: written whole or not at all, read with suspicion.

A checkpoint is torch's zip of plain values and tensors. It carries the config that the model was trained
with, since a model is of no use without its scale and thresholds. The config's folders stay out: they are of
one machine. Weights that are handed on are a `.safetensors` file, which holds the same but for a run's state.
"""

import dataclasses
import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from helpers.config import Config
from helpers.files import DataError, replace_atomically
from helpers.models import build_model

HANDED_ON = ("model_name", "options", "loss", "scores", "config", "data", "versions")  # beside the weights


def load_model(
    path: Path, device: torch.device | str = "cpu", model: nn.Module | None = None
) -> tuple[nn.Module, Config]:
    """Load a model that `fit` or `write_weights` saved, in evaluation mode, and the config of its training.

    Use the model with this config's scale (`value_mean`, `value_std`) and thresholds.
    model : of one's own, to be filled with the weights. DataError : the file is missing or damaged.
    """
    checkpoint = read_checkpoint(path)
    with names_file(path):
        return build_trained(checkpoint, model).to(device).eval(), config_from(checkpoint["config"])


def write_checkpoint(path: Path, checkpoint: dict[str, object]) -> None:
    """Write a checkpoint, all of it or nothing: if not, DataError, and what was there stays."""
    buffer = io.BytesIO()  # torch.save to a full disk raises no OSError, but a file's `write` does
    torch.save(checkpoint, buffer)
    with replace_atomically(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def write_weights(path: Path, checkpoint: dict[str, object]) -> None:
    """Write the model of a checkpoint as a `.safetensors` file: tensors, all else as JSON text, and a digest
    of both, by which damage is noticed. If it cannot be written, DataError, and what was there stays."""
    about = json.dumps({name: checkpoint[name] for name in HANDED_ON})
    weights = {name: tensor.contiguous().cpu() for name, tensor in checkpoint["state_dict"].items()}
    content = safetensors.torch.save(weights, {"model": about, "sha256": _digest(about, weights)})
    with replace_atomically(path) as temporary:
        temporary.write_bytes(content)


def read_checkpoint(path: Path) -> dict[str, object]:
    """Read a checkpoint, or, as one, a file of `write_weights`; DataError if it is missing or damaged.

    Only tensors and plain values are read (`weights_only=True`): a checkpoint cannot run code. Both kinds
    have checksums, which are compared, so that no flipped bit goes unnoticed.
    """
    expected = "expected a model_<timestamp>_<epoch>.pt or last_<timestamp>.pt that `fit` saved"
    try:
        checkpoint = (_read_weights if Path(path).suffix == ".safetensors" else _read_zip)(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; {expected}.") from error
    except Exception as error:  # of many kinds, and torch's own texts advise to trust the file
        raise DataError(
            f"{path}: {expected}, found a file that is damaged or holds more than tensors and plain values. "
            "Use another copy of it."
        ) from error
    if not isinstance(checkpoint, dict):
        raise DataError(f"{path}: {expected}, found a {type(checkpoint).__name__}.")
    return checkpoint


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"the checksum of {damaged} in it is wrong")
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_weights(path: Path) -> object:
    with safe_open(path, "pt") as file:
        about = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}
    if about["sha256"] != _digest(about["model"], weights):
        raise ValueError("its digest is wrong")
    return json.loads(about["model"]) | {"state_dict": weights}


def _digest(about: str, weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].numpy().tobytes())
    return digest.hexdigest()


def build_trained(checkpoint: dict[str, object], model: nn.Module | None = None) -> nn.Module:
    """The model that a checkpoint describes, or the given one, with its weights; ValueError if they are not
    finite, or do not fit the architecture."""
    weights, options = checkpoint["state_dict"], checkpoint["options"]
    broken = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"{len(broken)} of its weights are NaN or infinite, first {broken[0]}")
    if "pretrained" in options:  # the weights are here, none are to be downloaded
        options = options | {"pretrained": False}
    model = model or build_model(checkpoint["model_name"], **options)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:  # it lists each weight, too long to read
        name = checkpoint["model_name"]
        raise ValueError(f"its weights do not fit the architecture that it names, {name!r}") from error
    return model


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights under the names of the model itself, without those that `torch.compile` ("_orig_mod.") and
    parallel training ("module.") put before them."""
    state = model.state_dict().items()
    return {name.replace("_orig_mod.", "").removeprefix("module."): tensor for name, tensor in state}


@contextmanager
def names_file(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a checkpoint's content into a DataError that names the file."""
    try:
        yield
    except KeyError as error:
        raise DataError(f"{path}: this checkpoint cannot be used: it lacks {error}.") from error
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path}: this checkpoint cannot be used: {error}. Use another copy, or the version of helpers/ "
            "that saved it, or train again."
        ) from error


def plain_config(config: Config) -> dict[str, object]:
    """A config as plain values, without its folders."""
    return {name: value for name, value in dataclasses.asdict(config).items() if not name.endswith("_dir")}


def config_from(plain: dict[str, object]) -> Config:
    """The inverse of `plain_config`, of this or another version of `Config`: a setting that is missing takes
    its default, one that is unknown is passed over with a warning. The folders are this machine's.
    ValueError : a setting is of another kind than its default, or out of its range."""
    defaults = plain_config(Config())
    if unknown := sorted(set(plain) - set(defaults)):
        warnings.warn(f"Settings of another version are passed over: {', '.join(unknown)}.", stacklevel=2)
    known = {name: value for name, value in plain.items() if name in defaults}
    for name, value in known.items():
        kind = type(defaults[name])
        kinds = {float: (int, float), tuple: (list, tuple)}.get(kind, kind)
        if defaults[name] is not None and not isinstance(value, kinds):
            raise ValueError(f"its setting {name} is {value!r}, expected one like {defaults[name]!r}")
    return Config(**known)
