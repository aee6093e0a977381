import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
import torch
from stripes import loader, new_run, read_scalars

from helpers.config import PROJECT_ROOT
from helpers.files import DataError
from helpers.training import fit
from helpers.training.checkpoint import load_model
from helpers.training.runs import fingerprint, resume_run, start_run


def test_two_runs_of_one_second_get_folders_of_their_own_named_after_the_time(config):
    folders = [new_run(config).folder for _ in range(2)]
    assert sorted(config.runs_dir.iterdir()) == sorted(folders) and folders[0] != folders[1]
    for folder in folders:
        assert re.fullmatch(r"corrosion_segmentation_trainer_\d{8}_\d{6}", folder.name)


def test_a_run_that_cannot_begin_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match=r"'mse'.*'bce'"):
        start_run("unet", config, loss="mse")
    with pytest.raises(ValueError, match=r"'half'"):
        start_run("unet", replace(config, precision="half"))
    assert not config.runs_dir.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/runs.*runs_dir"):
        start_run("unet", replace(config, runs_dir=tmp_path / "file" / "runs"))
    with pytest.raises(DataError, match=r"last_7\.pt.*no such file"):
        resume_run(tmp_path / "corrosion_segmentation_trainer_7")


def test_the_best_model_is_kept_and_only_that_beside_the_last(config):
    run = new_run(config)
    losses = iter([0.5, 0.3, 0.4])
    counts = torch.tensor([[1, 0, 0]])
    with patch("helpers.training.loop.evaluate", side_effect=lambda *_: (next(losses), counts)):
        fit(run, loader(8), loader(8), epochs=3)
    assert run.best_path.name == f"model_{run.timestamp}_2.pt"
    assert list(run.folder.glob("model_*.pt")) == [run.best_path]
    last, _ = load_model(run.last_path)
    torch.testing.assert_close(last.head.weight, run.model.head.weight)
    assert torch.load(run.last_path, weights_only=True)["scores"]["epoch"] == 3


KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from stripes import loader, new_run, read_scalars
from helpers.config import Config
from helpers.training import fit
run = new_run(Config(runs_dir=Path(sys.argv[1])))
fit(run, loader(24, shuffle=True), loader(8), epochs=2)
fit(run, loader(24, shuffle=True), loader(8), epochs=10)
"""


def assert_same(run, other) -> None:
    """Bit by bit: weights, history, files; all but the time that it took."""
    for key, value in run.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[key]), key
    columns = ["learning_rate", "train_loss", "val_loss", "val_dice", "val_mean_iou"]
    pd.testing.assert_frame_equal(
        run.history_frame()[columns], other.history_frame()[columns], check_exact=True
    )
    assert run.best_path.name.split("_")[-1] == other.best_path.name.split("_")[-1]
    assert run.best_path.exists() and len(list(run.folder.glob("model_*.pt"))) == 1


def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(config, tmp_path):
    """A real kill -9, as Colab disconnects, somewhere in the second call of fit."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(root=str(PROJECT_ROOT), tests=str(Path(__file__).parent)))
    process = subprocess.Popen([sys.executable, str(script), str(config.runs_dir)])
    wait_until = time.monotonic() + 120
    epochs = 0
    while epochs < 4 and time.monotonic() < wait_until and process.poll() is None:
        time.sleep(0.02)
        for path in config.runs_dir.glob("*/last_*.pt"):
            epochs = len(torch.load(path, weights_only=True)["history"])
    process.kill()
    assert process.wait() == -9

    (folder,) = config.runs_dir.iterdir()
    resumed = resume_run(folder)
    assert 4 <= len(resumed.history) < 12 and resumed.unfinished
    fit(resumed, loader(24, shuffle=True), loader(8))
    whole = new_run(config)
    fit(whole, loader(24, shuffle=True), loader(8), epochs=2)
    fit(whole, loader(24, shuffle=True), loader(8), epochs=10)
    assert_same(resumed, whole)
    logged = [read_scalars(run.folder)["val_loss"].tolist() for run in (resumed, whole)]
    assert logged[0] == logged[1]


def test_a_finished_run_gets_more_epochs_of_the_same_data_alone(config):
    run = new_run(config)
    fit(run, loader(8), loader(8), epochs=1)
    assert list(fit(resume_run(run.folder), loader(8), loader(8), epochs=2).index) == [1, 2, 3]
    with pytest.raises(ValueError, match="how many epochs"):
        fit(resume_run(run.folder), loader(8), loader(8))
    for given in (run, resume_run(run.folder)):
        with pytest.raises(DataError, match="other train images"):
            fit(given, loader(16), loader(8), epochs=1)
    assert fingerprint([1, 2]) != fingerprint([1])  # of data of another kind, their number is compared
