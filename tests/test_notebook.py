"""Where the data come from, in which order, and what a notebook says of them."""

import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from unittest import mock

import jupytext
import numpy as np
import pytest
import tensorboard.manager
import tensorboard.notebook
import torch

from helpers import files, notebook
from helpers.config import PROJECT_ROOT, Config
from helpers.data import find_data
from helpers.files import DataError
from helpers.notebook import open_notebook


def fill(folder: Path, labels: str = "y_train.csv") -> Path:
    """Make a folder that looks like the challenge's data."""
    (folder / "images").mkdir(parents=True)
    (folder / labels).touch()
    return folder


@pytest.fixture
def config(tmp_path, monkeypatch) -> Config:
    """Settings with empty folders, and the environment of a user who has set nothing."""
    monkeypatch.delenv("CORROSEG_DATA", raising=False)
    monkeypatch.delenv("CORROSEG_FROM", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / ".gitkeep").touch()
    return replace(Config(), raw_dir=tmp_path / "raw", simulated_dir=tmp_path / "simulated_wells", seed=7)


@pytest.fixture
def ensure_simulated(monkeypatch) -> mock.Mock:
    """Stand in for the simulation, which has tests of its own."""
    module = ModuleType("helpers.data.synthetic")
    module.ensure_simulated = mock.Mock(side_effect=lambda folder, seed: folder)
    monkeypatch.setitem(sys.modules, "helpers.data.synthetic", module)
    return module.ensure_simulated


@pytest.mark.parametrize(
    ("variable", "raw", "found"),
    [
        ("", "", "simulated_wells"),
        ("", "nowhere", "simulated_wells"),
        ("simulated", "full", "simulated_wells"),
    ]
    + [("", "full", "raw"), (" ", "full", "raw")]
    + [("mine", "full", "mine"), ("{tmp}/mine", "full", "mine"), ("~/mine", "", "mine")],
)
def test_the_environment_goes_before_the_raw_folder_and_that_before_the_simulated_wells(
    config, tmp_path, monkeypatch, ensure_simulated, variable, raw, found
):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "mine")
    if raw == "full":
        fill(config.raw_dir)
    if raw == "nowhere":
        config = replace(config, raw_dir=tmp_path / "nowhere")
    monkeypatch.setenv("CORROSEG_DATA", variable.format(tmp=tmp_path))
    source = find_data(config)
    assert source.folder == tmp_path / found
    assert source.simulated == ensure_simulated.called == (found == "simulated_wells")
    if source.simulated:
        ensure_simulated.assert_called_once_with(config.simulated_dir, 7)
    elif found == "raw":
        (config.raw_dir / "y_train.csv").unlink()  # incomplete, it is not taken for none
        with pytest.raises(DataError, match=r"raw: expected one y_train\*\.csv"):
            find_data(config)


def test_folder_that_is_nowhere_is_refused_with_all_that_was_tried(config, tmp_path, monkeypatch):
    monkeypatch.setenv("CORROSEG_FROM", str(tmp_path / "make"))
    monkeypatch.setenv("PWD", str(tmp_path / "typed"))
    monkeypatch.setattr("helpers.data.load.PROJECT_ROOT", tmp_path / "root")
    tried = [tmp_path / place / "mine" for place in ("make", "typed", "", "root")]
    for wanted, places in (("mine", tried), (str(tmp_path / "nowhere"), [tmp_path / "nowhere"])):  # each once
        monkeypatch.setenv("CORROSEG_DATA", wanted)
        places = ", ".join(map(str, places))
        with pytest.raises(DataError, match=rf"is '{wanted}'.* Tried: {places}\. .*images/ .*X_train.*y_tr"):
            find_data(config)
    monkeypatch.setenv("CORROSEG_DATA", "mine")
    for folder in reversed(tried):  # what comes earlier goes before
        fill(folder)
        assert find_data(config).folder == folder


SIMULATED = "15 simulated wells (helpers.data.synthetic{}) with simulated labels; the clean truth is known"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["y_train_silver.csv.gz"], "real challenge images with silver labels"),
        (["Y_train_SILVER.csv"], "real challenge images with silver labels"),
        (["y_train_9oPq.csv"], "real challenge images with the challenge's labels"),
        (["y_train.csv", "y_clean.csv"], SIMULATED.format("")),
        ([], SIMULATED.format(", seed 7")),
    ],
)
def test_description_tells_the_labels_and_the_seed(config, ensure_simulated, files, said):
    for file in files:
        (config.raw_dir / file).touch()
    source = find_data(config)
    assert source.description == said
    assert source.simulated == said.startswith("15")


def test_open_notebook_says_which_data_and_where_the_project_is_unless_the_notebook_lies_in_it(
    config, ensure_simulated, capsys, monkeypatch
):
    source = open_notebook(config=config)
    assert capsys.readouterr().out == f"Project: {PROJECT_ROOT}\nData: {source.description}\n"
    monkeypatch.chdir(PROJECT_ROOT / "notebooks")
    open_notebook(config=config)
    assert capsys.readouterr() == (f"Data: {source.description}\n", "")
    assert Path.cwd() == PROJECT_ROOT


def test_open_notebook_takes_a_path_and_forgets_a_folder_that_is_named_no_more(
    config, tmp_path, monkeypatch, ensure_simulated
):
    for mine in (str(fill(tmp_path / "mine")), tmp_path / "mine"):
        assert open_notebook(mine, config).folder == tmp_path / "mine"
    assert open_notebook("", config).simulated
    monkeypatch.setenv("CORROSEG_DATA", str(tmp_path / "mine"))  # named outside of the notebook, it stays
    assert not open_notebook("", config).simulated


def test_open_notebook_seeds_whatever_the_simulation_has_drawn(config, ensure_simulated):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    open_notebook(config=config)
    first = draw()
    ensure_simulated.side_effect = lambda folder, seed: draw() and folder
    open_notebook(config=config)
    assert draw() == first
    open_notebook(config=replace(config, seed=8))
    assert not set(draw()) & set(first)


@pytest.fixture
def google(monkeypatch, tmp_path) -> mock.Mock:
    """A stand-in for the module that only Colab has, for its Drive, and for pip."""
    module = ModuleType("google.colab")
    drive = tmp_path / "content" / "drive"
    module.drive, mounted = mock.Mock(), []
    module.drive.mount.side_effect = mounted.append
    monkeypatch.setattr("os.path.ismount", lambda path: str(path) in mounted)
    monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", module)
    monkeypatch.setattr(notebook, "DRIVE", drive)
    monkeypatch.setattr(files, "DRIVE", drive)
    monkeypatch.setattr(notebook.subprocess, "run", mock.Mock(return_value=mock.Mock(returncode=0)))
    return module


def test_in_colab_alone_what_is_missing_is_installed_quietly(config, ensure_simulated, google, monkeypatch):
    open_notebook(config=config)
    (command,), _ = notebook.subprocess.run.call_args
    assert command[1:5] == ["-m", "pip", "install", "--quiet"]
    assert Path(command[-1]).name == "requirements-colab.txt" and Path(command[-1]).exists()
    google.drive.mount.assert_not_called()  # nothing is said to lie there
    monkeypatch.delitem(sys.modules, "google.colab")
    open_notebook(config=config)
    notebook.subprocess.run.assert_called_once()


def test_an_installation_that_fails_is_told_with_its_reason(config, google):
    failed = mock.Mock(returncode=1, stderr="Retrying\nERROR: no network", stdout="")
    notebook.subprocess.run.return_value = failed
    with pytest.raises(DataError, match=r"requirements-colab\.txt.*ERROR: no network.*again"):
        open_notebook(config=config)


@pytest.mark.parametrize("what", ["data", "runs"])
def test_the_drive_is_mounted_once_for_what_is_said_to_be_there(config, ensure_simulated, google, what):
    folder = notebook.DRIVE / "MyDrive" / what  # what lies there unmounted is on Colab's own disk
    for _ in range(2):
        if what == "data":
            assert open_notebook(str(folder if folder.exists() else fill(folder)), config).folder == folder
        else:
            open_notebook(config=replace(config, runs_dir=folder))
    google.drive.mount.assert_called_once_with(str(notebook.DRIVE))


def test_nothing_is_written_to_a_drive_that_is_not_mounted(google):
    path = notebook.DRIVE / "MyDrive" / "runs" / "last.pt"
    with pytest.raises(DataError, match=r"last\.pt.*Google Drive is not mounted. Run `from google\.colab"):
        with files.replace_atomically(path) as temporary:
            temporary.touch()
    assert not notebook.DRIVE.exists()
    google.drive.mount(str(notebook.DRIVE))
    with files.replace_atomically(path) as temporary:
        temporary.touch()
    assert path.exists()


NOTEBOOK = PROJECT_ROOT / "notebooks" / "04_Baseline_model.py"
SETUP = next(cell.source for cell in jupytext.read(NOTEBOOK).cells if cell.source.startswith("# Setup"))
ADDRESS = re.search(r"https://github.com/[\w.-]+/[\w.-]+", SETUP)[0]
IN_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n"


def run_setup(folder: Path, address: str = ADDRESS, colab: bool = True) -> subprocess.CompletedProcess:
    """Run the setup cell in a new process, as a kernel that was started in a folder."""
    script = folder / "cell.py"
    script.write_text((IN_COLAB if colab else "") + SETUP.replace(ADDRESS, address) + "\nprint(data)")
    environment = os.environ | {"PYTHONPATH": ""}
    return subprocess.run(
        [sys.executable, "cell.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def git(folder: Path, *command: str) -> None:
    author = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    subprocess.run(["git", "-C", folder, *author, *command], check=True, capture_output=True)


def write_project(folder: Path, name: str = "corrosion-segmentation") -> Path:
    """The least that the setup cell takes for the project; it tells where it lies."""
    (folder / "helpers").mkdir(parents=True, exist_ok=True)
    (folder / "helpers" / "__init__.py").touch()
    (folder / "helpers" / "notebook.py").write_text("def open_notebook(data_folder):\n    return __file__\n")
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    return folder


def found(done: subprocess.CompletedProcess) -> Path:
    assert (done.returncode, done.stderr) == (0, "")
    return Path(done.stdout.strip()).parents[1]


@pytest.fixture
def content(tmp_path) -> Path:
    """Stands in for Colab's /content, with what lies there in a new runtime."""
    (tmp_path / "content" / "sample_data").mkdir(parents=True)
    return tmp_path / "content"


def test_in_colab_the_published_project_is_fetched_once(content, tmp_path):
    published = write_project(tmp_path / "published" / "corrosion-segmentation")
    git(published, "init", "--quiet")
    git(published, "add", ".")
    git(published, "commit", "--quiet", "--message", "First")
    for _ in range(2):
        assert found(run_setup(content, published.as_uri())) == content / "corrosion-segmentation"


@pytest.mark.parametrize(
    ("name", "start", "colab"),
    [(".", ".", True), ("my copy/it's here", ".", True), ("drive/MyDrive/corrosion-segmentation", ".", True)]
    + [("any name", start, colab) for start in ("any name/notebooks", "any name/a/b") for colab in (0, 1)],
)
def test_the_project_around_a_notebook_is_found_and_in_colab_a_copy_three_levels_down(
    content, name, start, colab
):
    project = write_project(content / name)
    (content / start).mkdir(parents=True, exist_ok=True)
    assert found(run_setup(content / start, colab=colab)) == project


def test_the_nearest_project_is_taken_and_only_ours(tmp_path):
    notebooks = tmp_path / "far" / "other" / "copy" / "notebooks"
    notebooks.mkdir(parents=True)
    write_project(tmp_path / "far", name="somebody-elses")
    write_project(tmp_path / "far" / "other", name="corrosion-segmentation-2")
    write_project(notebooks / "deeper" / "down")
    copy = write_project(tmp_path / "far" / "other" / "copy")
    assert found(run_setup(notebooks)) == copy
    (copy / "pyproject.toml").unlink()
    assert found(run_setup(notebooks)) == notebooks / "deeper" / "down"


@pytest.mark.parametrize("colab", [False, True])
def test_a_project_that_is_nowhere_is_one_clear_error(content, colab):
    write_project(content, name="somebody-elses")  # a package of the same name does not pass for ours
    done = run_setup(content, "file:///no/such/place/corrosion-segmentation", colab)
    assert "unpack its zip" in done.stderr
    assert done.stderr.count("Traceback") == done.stderr.count("AssertionError: No project:") == 1
    assert not (content / "corrosion-segmentation").exists()


def test_tensorboard_starts_only_where_somebody_looks(config, ensure_simulated, monkeypatch, capsys):
    """As make and pytest --nbval run a notebook, nobody does."""
    monkeypatch.setattr(tensorboard.notebook, "start", start := mock.Mock())
    for looks in (True, False):
        monkeypatch.delenv("TQDM_DISABLE") if looks else monkeypatch.setenv("TQDM_DISABLE", "1")
        open_notebook(config=config)
        tensorboard.notebook.start("--logdir runs")
    start.assert_called_once_with("--logdir runs")
    assert capsys.readouterr().out.endswith("To see TensorBoard, run: tensorboard --logdir runs\n")


def test_a_notebook_shows_a_data_error_without_traceback():
    assert DataError("y.csv: wrong")._render_traceback_() == ["DataError: y.csv: wrong"]
