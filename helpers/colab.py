"""Where am I, where is the data: one call opens every notebook, in Colab and elsewhere."""

import os
import platform
import random
import subprocess
import sys
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from helpers.config import PROJECT_ROOT, Config
from helpers.data import EXPECTED_FILES, find_labels, load_data
from helpers.files import DataError

DRIVE = Path("/content/drive")
_PACKAGES = ("numpy", "pandas", "scikit-learn", "torch", "torchvision")


@dataclass(frozen=True)
class DataSource:
    """The data folder a notebook runs on, and what can be said of it."""

    folder: Path  # for `load_data`
    simulated: bool
    labels: str  # "simulated labels", "silver labels" or "the challenge's labels"
    seed: int | None = None  # of the simulation, where it is known

    @property
    def name(self) -> str:
        """For tables: which wells, in two words."""
        return "simulated wells" if self.simulated else "real wells"

    @property
    def description(self) -> str:
        """One line that is the same on every machine, so that notebooks may print it."""
        if not self.simulated:
            return f"real challenge images with {self.labels}"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"15 simulated wells (helpers.synthetic{seed}) with {self.labels}; the clean truth is known"


def open_notebook(data_folder: str = "", config: Config = Config()) -> DataSource:
    """Seed the generators, set the figures' style, find the data and print which they are.

    In Colab, first install what its runtime lacks, and mount Google Drive if the data lie there. No
    restart of the runtime is needed: nothing that is loaded changes.

    Parameters
    ----------
    data_folder : of the challenge's files, zipped as they were downloaded; without it, see `find_data`.

    Raises
    ------
    DataError : `find_data` found no usable data, or the installation failed.
    """
    if data_folder:
        os.environ["CORROSEG_DATA"] = data_folder
    if in_colab():
        _install_what_colab_lacks()
        _mount_drive(os.environ.get("CORROSEG_DATA", ""))
    from helpers.plots import set_style  # here, so that finding the data does not need matplotlib

    # timm's bars of its downloads, of which there are none, would like ipywidgets
    warnings.filterwarnings("ignore", message="IProgress not found")
    set_style()
    if not in_colab() and _nobody_looks():
        _start_no_tensorboard()
    source = find_data(config)
    seed_everything(config.seed)  # last, so that nothing done on a first run only shifts the draws
    print(f"Data: {source.description}")
    return source


def _install_what_colab_lacks() -> None:
    requirements = PROJECT_ROOT / "requirements-colab.txt"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise DataError(
            f"{requirements}: pip could not install it ({' '.join(reason)}). Is the runtime connected to the "
            "internet? Run this cell again; if it fails again, restart the runtime."
        )


def _mount_drive(folder: str) -> None:
    """Ask for the user's Google Drive only if the data are said to lie there."""
    if Path(folder).is_relative_to(DRIVE) and not DRIVE.exists():
        from google.colab import drive

        drive.mount(str(DRIVE))


def _nobody_looks() -> bool:
    """Tell whether a program that shows it to nobody (nbval, papermill, nbconvert) executes this notebook.

    With each cell Jupyter's messages say whether somebody could answer `input()`.
    """
    from IPython import get_ipython  # here, since scripts need no IPython

    shell = get_ipython()
    request = shell.get_parent() if hasattr(shell, "get_parent") else {}  # only a notebook's shell has it
    return not request.get("content", {}).get("allow_stdin", True)


def _start_no_tensorboard() -> None:
    """Let `%tensorboard` print a line instead of starting a server, which would outlive the notebook."""
    import tensorboard.notebook

    tensorboard.notebook.start = lambda arguments: print(f"To see TensorBoard, run: tensorboard {arguments}")


def find_data(config: Config = Config()) -> DataSource:
    """Return the data to run on: $CORROSEG_DATA, else `config.raw_dir`, else the simulated wells.

    $CORROSEG_DATA is a folder, or the word "simulated". A relative folder counts from where the command
    was typed. The simulated wells are made on first use.

    Raises
    ------
    DataError : there is no such folder, or not one table of labels in it.
    """
    wanted = os.environ.get("CORROSEG_DATA", "")
    if wanted.strip() not in ("", "simulated"):
        return _describe(resolve(wanted))
    if not wanted.strip() and _holds_files(config.raw_dir):
        return _describe(config.raw_dir)
    from helpers.synthetic import ensure_simulated  # here, so that real data do not need it

    folder = ensure_simulated(config.simulated_dir, config.seed)
    return DataSource(folder, simulated=True, labels="simulated labels", seed=config.seed)


def check_data(config: Config = Config()) -> None:
    """Find and read the data and print which they are; run as `python -m helpers.colab`."""
    try:
        source = find_data(config)
        y, _ = load_data(source.folder, config.unpacked_dir)
    except DataError as error:
        sys.exit(str(error))
    print(f"Data: {source.description}. {len(y)} patches in {source.folder}")


def in_colab() -> bool:
    """Tell whether this runs in a Google Colab notebook."""
    return "google.colab" in sys.modules


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries still draw from the global one
    torch.manual_seed(seed)


def print_versions() -> None:
    """Print the versions of Python and of the libraries that results depend on, and the device."""
    print(f"python {platform.python_version()}")
    for package in _PACKAGES:
        try:
            print(f"{package} {version(package)}")
        except PackageNotFoundError:
            print(f"{package} is not installed")
    print(f"device {f'cuda, {torch.cuda.get_device_name()}' if torch.cuda.is_available() else 'cpu'}")


def resolve(wanted: str) -> Path:
    """Return the folder that $CORROSEG_DATA names, counted from where the user typed the command.

    Neither the shell's $PWD, which Jupyter hands on to its kernels, nor the working folder need be that:
    `make -C` changes both, so the Makefile says it in $CORROSEG_FROM.

    Raises
    ------
    DataError : there is no such folder.
    """
    path = os.path.expanduser(wanted)
    starts = (os.environ.get("CORROSEG_FROM"), os.environ.get("PWD"), os.getcwd(), PROJECT_ROOT)
    tried = list(dict.fromkeys(Path(start, path) for start in starts if start))  # an absolute path stays one
    for folder in tried:
        if folder.exists():
            return folder
    raise DataError(
        f"CORROSEG_DATA is {wanted!r}, but there is no such folder. Tried: {', '.join(map(str, tried))}. "
        f"{EXPECTED_FILES} CORROSEG_DATA=simulated asks for the simulated wells."
    )


def _holds_files(folder: Path) -> bool:
    """Tell whether a folder holds anything besides hidden files such as .gitkeep."""
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


def _describe(folder: Path) -> DataSource:
    labels = find_labels(folder)
    if (folder / "y_clean.csv").exists():  # only the simulation knows the clean truth
        return DataSource(folder, simulated=True, labels="simulated labels")
    silver = "silver" in labels.name.lower()
    return DataSource(folder, simulated=False, labels="silver labels" if silver else "the challenge's labels")


if __name__ == "__main__":
    check_data()
