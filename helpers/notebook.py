"""Where am I, where is the data: one call opens every notebook, in Colab and elsewhere."""

import inspect
import os
import platform
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from helpers.config import PROJECT_ROOT, Config
from helpers.data import DataSource, find_data
from helpers.files import DRIVE, DataError

_data_of_notebook = None  # the folder that a notebook has put into $CORROSEG_DATA
_PACKAGES = ("numpy", "pandas", "scikit-learn", "torch", "torchvision")


def open_notebook(data_folder: str | Path = "", config: Config = Config()) -> DataSource:
    """Work in the project's folder, seed the generators, style figures, find the data; print which they are.

    In Colab, first install what its runtime lacks, and mount Google Drive if the data or the runs lie there.
    No restart of the runtime is needed: nothing that is loaded changes. Where the project is not the one
    around the notebook, its place is printed too.

    Parameters
    ----------
    data_folder : of the challenge's files, zipped as they were downloaded; without it, see `find_data`.

    Raises
    ------
    DataError : `find_data` found no usable data, or the installation failed.
    """
    global _data_of_notebook
    wanted = str(data_folder) if data_folder else None
    if wanted:
        os.environ["CORROSEG_DATA"] = wanted
    elif os.environ.get("CORROSEG_DATA") == _data_of_notebook:  # named before, and now no more
        os.environ.pop("CORROSEG_DATA", None)
    _data_of_notebook = wanted
    if in_colab():
        _install_what_colab_lacks()
        _mount_drive_for(os.environ.get("CORROSEG_DATA", ""), config.runs_dir)
    elif _nobody_looks():
        _start_no_tensorboard()
    from helpers.plots import set_style  # here, so that finding the data does not need matplotlib

    set_style()
    source = find_data(config)
    if Path.cwd() not in (PROJECT_ROOT, PROJECT_ROOT / "notebooks"):
        print(f"Project: {PROJECT_ROOT}")
    os.chdir(PROJECT_ROOT)
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


def _mount_drive_for(*folders: str | Path) -> None:
    """Ask for the user's Google Drive if one of these folders lies there."""
    if any(Path(folder).is_relative_to(DRIVE) for folder in folders) and not os.path.ismount(DRIVE):
        from google.colab import drive

        drive.mount(str(DRIVE))


def _nobody_looks() -> bool:
    """Tell whether a program that shows it to nobody (nbval, nbclient, papermill) executes this notebook.

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


def in_colab() -> bool:
    """Tell whether this runs in a Google Colab notebook."""
    return "google.colab" in sys.modules


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries still draw from the global one
    torch.manual_seed(seed)


def show_code(*parts: Callable) -> None:
    """Print the source of functions or classes, as it is today."""
    print("\n\n".join(textwrap.dedent(inspect.getsource(part)).rstrip() for part in parts))


def print_versions() -> None:
    """Print the versions of Python and of the libraries that results depend on, and the device."""
    print(f"python {platform.python_version()}")
    for package in _PACKAGES:
        try:
            print(f"{package} {version(package)}")
        except PackageNotFoundError:
            print(f"{package} is not installed")
    print(f"device {f'cuda, {torch.cuda.get_device_name()}' if torch.cuda.is_available() else 'cpu'}")
