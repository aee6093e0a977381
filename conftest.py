import os
from pathlib import Path

import pytest
from hypothesis import settings

from helpers.config import Config
from helpers.data.load import resolve
from helpers.data.synthetic import simulate_patches

REAL_DATA = pytest.StashKey[str]()
settings.register_profile("unhurried", deadline=None)  # for slow and busy machines
settings.load_profile("unhurried")


def pytest_configure(config):
    """Notebooks are compared with their committed outputs, which were made on the simulated wells."""
    # A worker of pytest-xdist inherits the environment as it is set below
    given = getattr(config, "workerinput", {}).get("real_data", os.environ.get("CORROSEG_DATA", ""))
    config.stash[REAL_DATA] = given
    os.environ["CORROSEG_DATA"] = "simulated"
    os.environ["TQDM_DISABLE"] = "1"  # how often a bar is drawn depends on the machine


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there are no workers
def pytest_configure_node(node):
    node.workerinput["real_data"] = node.config.stash[REAL_DATA]


@pytest.fixture(scope="session")
def real_data_folder(pytestconfig) -> Path:
    """The folder that CORROSEG_DATA named when pytest was started, else the test is skipped."""
    named = pytestconfig.stash[REAL_DATA]
    if named in ("", "simulated"):
        pytest.skip("CORROSEG_DATA does not name the real files")
    return resolve(named)


@pytest.fixture(scope="session")
def simulated():
    """(images, labels, truth) of all simulated wells; read only."""
    return simulate_patches(seed=0)


@pytest.fixture
def config(tmp_path) -> Config:
    """The defaults, but writing to a temporary folder."""
    return Config(
        raw_dir=tmp_path / "raw",
        interim_dir=tmp_path / "interim",
        simulated_dir=tmp_path / "simulated",
        runs_dir=tmp_path / "runs",
    )
