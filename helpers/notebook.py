"""Where am I, where is the data: one call opens every notebook, in Colab and elsewhere."""

import inspect
import os
import platform
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from IPython.display import Markdown, display

from helpers.config import PROJECT_ROOT, Config
from helpers.data import DataSource, find_data
from helpers.files import DRIVE, DataError

_data_of_notebook = None  # the folder that a notebook has put into $CORROSEG_DATA


def open_notebook(data_folder: str | Path = "", config: Config = Config()) -> DataSource:
    """Work in the project's folder, seed the generators, style figures, find the data; print which they are.

    In Colab, first install what its runtime lacks, and mount Google Drive if the data or the runs lie there.
    Where the notebook does not lie in the project, its place is printed too. Where nobody looks,
    `%tensorboard` prints a line instead of starting a server.

    data_folder : of the challenge's files, as they were downloaded; without it, see `find_data`.
    DataError : `find_data` found no usable data, or the installation failed.
    """
    global _data_of_notebook
    wanted = str(data_folder) if data_folder else None
    if wanted:
        os.environ["CORROSEG_DATA"] = wanted
    elif os.environ.get("CORROSEG_DATA") == _data_of_notebook:  # named before, and now no more
        os.environ.pop("CORROSEG_DATA", None)
    _data_of_notebook = wanted
    if "google.colab" in sys.modules:
        _install_what_colab_lacks()
        used = (os.environ.get("CORROSEG_DATA", ""), config.runs_dir)
        if any(Path(place).is_relative_to(DRIVE) for place in used) and not os.path.ismount(DRIVE):
            from google.colab import drive

            drive.mount(str(DRIVE))
    if os.environ.get("TQDM_DISABLE"):  # as make and pytest set it
        import tensorboard.notebook

        tensorboard.notebook.start = lambda options: print(f"To see TensorBoard, run: tensorboard {options}")
    from helpers.plots import set_style  # here, so that finding the data does not need matplotlib

    set_style()
    source = find_data(config)
    if Path.cwd() not in (PROJECT_ROOT, PROJECT_ROOT / "notebooks"):
        print(f"Project: {PROJECT_ROOT}")
    os.chdir(PROJECT_ROOT)
    random.seed(config.seed)  # last, so that nothing done on a first run only shifts the draws
    np.random.seed(config.seed)  # noqa: NPY002 - libraries still draw from the global one
    torch.manual_seed(config.seed)  # of all devices
    print(f"Data: {source.description}")
    return source


def _install_what_colab_lacks() -> None:
    requirements = str(PROJECT_ROOT / "requirements-colab.txt")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--requirement", requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise DataError(
            f"{requirements}: pip could not install it ({' '.join(reason)}). Is the runtime connected to the "
            "internet? Run this cell again; if it fails again, restart the runtime."
        )


def show_code(*parts: Callable) -> None:
    """Show the source of functions or classes, as it is today, highlighted."""
    source = "\n\n\n".join(textwrap.dedent(inspect.getsource(part)).rstrip() for part in parts)
    display(Markdown(f"```python\n{source}\n```"))


def print_versions() -> None:
    """Print the versions of Python and of the libraries that results depend on, and the device."""
    print(f"python {platform.python_version()}")
    for package in ("numpy", "pandas", "scikit-learn", "torch", "torchvision"):
        print(f"{package} {version(package)}")
    print(f"device {f'cuda, {torch.cuda.get_device_name()}' if torch.cuda.is_available() else 'cpu'}")
