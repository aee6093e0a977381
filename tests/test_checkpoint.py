import random
import resource
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import timm
import torch
from stripes import loader, new_run, stripes
from torch.utils.data import TensorDataset

from helpers.config import Config
from helpers.files import DataError
from helpers.training import fit, runs
from helpers.training.checkpoint import load_model, read_checkpoint, write_weights
from helpers.training.runs import resume_run, start_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch, with settings that are not the defaults; read only."""
    config = Config(runs_dir=tmp_path_factory.mktemp("runs"), value_std=0.05, threshold=0.3, seed=3)
    run = new_run(config)
    fit(run, loader(8), loader(8), epochs=1)
    run.model.eval()
    return run


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    """A copy of the run's folder, to be damaged."""
    return shutil.copytree(trained.folder, tmp_path / trained.folder.name)


def last(folder: Path) -> Path:
    (path,) = folder.glob("last_*.pt")
    return path


def changed(folder: Path, without: str = "", **change) -> Path:
    """The folder's last state, without a field, or with others."""
    state = torch.load(last(folder), weights_only=True) | change
    state.pop(without, None)
    torch.save(state, last(folder))
    return last(folder)


def test_a_saved_model_is_loaded_back_with_its_config_and_where_it_comes_from(trained, tmp_path):
    write_weights(tmp_path / "handed_on.safetensors", runs.describe(trained))
    for path in (trained.best_path, trained.last_path, tmp_path / "handed_on.safetensors"):
        model, config = load_model(path)
        images, _ = stripes(4)
        torch.testing.assert_close(model(images), trained.model(images))
        assert not model.training
        assert (config.value_std, config.threshold, config.seed) == (0.05, 0.3, 3)
        assert config == replace(trained.config, runs_dir=Config().runs_dir)  # a folder stays out
        checkpoint = read_checkpoint(path)
        assert checkpoint["scores"] == trained.history[-1]
        assert checkpoint["versions"]["torch"] == torch.__version__.partition("+")[0]
        assert checkpoint["data"]["train"] == runs.fingerprint(TensorDataset(*stripes(8)))
        assert str(trained.folder.parent).encode() not in path.read_bytes()


def test_a_checkpoint_that_does_not_fit_on_the_disk_leaves_what_was_there(folder):
    """A real limit on the size of files, as a full disk: writing breaks off at 8 different bytes."""
    run = resume_run(folder)
    run.best_val_loss, whole = float("inf"), last(folder).stat().st_size
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for step in range(8):
        for save, size in ((runs.save_best, whole // 4), (runs.save_last, whole)):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size * step // 8, limits[1]))
            try:
                with pytest.raises(DataError, match=f"^{folder}.*could not be written"):
                    save(run)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-100], b"", b"a model", b"PK\x03\x04", b"\x08" + 7 * b"\0" + b"{}"]
)
def test_a_file_that_is_no_checkpoint_is_named(trained, tmp_path, name, damage):
    path = tmp_path / name
    with pytest.raises(DataError, match=f"{name}: there is no such file; expected"):
        load_model(path)
    write_weights(path, runs.describe(trained)) if "safe" in name else shutil.copy(trained.best_path, path)
    path.write_bytes(damage(path.read_bytes()) if callable(damage) else damage)
    told = rf"{name}: expected a model_<timestamp>_<epoch>\.pt.* damaged"
    with pytest.raises(DataError, match=told) as error:
        load_model(path)
    assert "weights_only" not in str(error.value)  # torch's advice to trust the file


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_a_flipped_bit_is_noticed_or_changes_nothing(trained, tmp_path, kind):
    """Flips in a zip's own padding and times are of no consequence. In the other file each bit counts: one of
    these gave a report without a groove."""
    path = shutil.copy(trained.last_path, tmp_path / "model.pt")
    if kind == "safetensors":
        write_weights(path := tmp_path / "model.safetensors", runs.describe(trained))
    whole, right, draw, noticed = path.read_bytes(), load_model(path)[0].state_dict(), random.Random(0), 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[draw.randrange(0 if kind == "pt" else 8, len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            found = load_model(path)[0].state_dict()
        except DataError as error:
            assert str(path) in str(error)
            noticed += 1
        else:
            assert kind == "pt" and all(torch.equal(found[name], tensor) for name, tensor in right.items())
    assert noticed > 50


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Exploit:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"model_name": "unet", "state_dict": Exploit()}, tmp_path / "model.pt")
    with pytest.raises(DataError):
        load_model(tmp_path / "model.pt")
    assert not (tmp_path / "owned").exists()
    torch.save(torch.zeros(3), tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"model\.pt.*found a Tensor"):
        load_model(tmp_path / "model.pt")


NAN = {"state_dict": {"head.bias": torch.full((1,), torch.nan)}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("config", "lacks 'config'"),
        ("random_state", "lacks 'random_state'"),
        (NAN, r"1 of its weights are NaN or infinite, first head\.bias"),
        ({"loss": "mse"}, "the loss 'mse'; give that function"),
        ({"model_name": "resunet"}, "do not fit the architecture that it names, 'resunet'"),
        ({"model_name": "alexnet"}, "'alexnet'"),
        ({"options": {"dropot": 0.1}}, "no option dropot"),
        ({"config": {"seed": "0"}}, "seed is '0', expected one like 0"),
        ({"config": {"value_std": "0.02"}}, r"value_std is '0\.02', expected one like 0\.02"),
        ({"config": {"threshold": 2.0}}, "threshold between 0 and 1, found 2.0"),
        ({"optimizer": {}}, "cannot be used"),
        ({"best_model": "model_1_1.pt/../../precious.pt"}, "no model of this run"),
    ],
)
def test_an_odd_or_missing_field_is_told_with_the_file(folder, change, told):
    path = changed(folder, **({"without": change} if isinstance(change, str) else change))
    with pytest.raises(DataError, match=told) as error:
        resume_run(folder)
    assert str(path) in str(error.value)


def test_a_checkpoint_survives_a_change_of_config_and_of_losses(folder):
    """Of a version that had another setting and loss, and lacked two of today's."""
    config = torch.load(last(folder), weights_only=True)["config"] | {"twist": 0.05}
    del config["threshold"], config["patience"]
    path = changed(folder, config=config, note="hello")
    with pytest.warns(UserWarning, match="passed over: twist"):
        fit(resume_run(folder), loader(8), loader(8), epochs=1)
    changed(folder, config=config, loss="a loss of yesterday")
    with pytest.warns(UserWarning, match="passed over: twist"):
        _, config = load_model(path)
    assert (config.threshold, config.value_std) == (Config().threshold, 0.05)


def test_numpy_numbers_are_saved_as_plain_ones(tmp_path):
    config = Config(runs_dir=tmp_path, learning_rate=np.geomspace(1e-3, 4e-3, 3)[1], seed=np.int64(1))
    options = {"width": np.int64(8), "dropout": np.float32(0.25)}
    run = start_run("unet", replace(config, val_wells=np.setdiff1d([1, 3, 9], [1])), **options)
    fit(run, loader(8), loader(8), epochs=1)
    assert load_model(run.best_path)[1] == replace(run.config, runs_dir=Config().runs_dir)
    resumed = resume_run(run.folder).options
    assert resumed == options and all(type(value) in (int, float) for value in resumed.values())


def test_trained_weights_are_not_downloaded_again(folder):
    path = changed(folder, model_name="vit", options={"pretrained": True})
    with patch("timm.create_model", side_effect=timm.create_model) as create, pytest.raises(DataError):
        load_model(path)  # these are weights of another network
    assert create.call_args.args[1] is False
