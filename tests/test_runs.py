import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
import torch
from stripes import loader, new_run

from helpers import runs
from helpers.board import read_scalars
from helpers.checkpoint import load_model
from helpers.config import PROJECT_ROOT
from helpers.files import DataError
from helpers.runs import resume_run, start_run
from helpers.training import fit


def test_an_unknown_loss_is_refused_with_the_list(config):
    with pytest.raises(ValueError, match=r"'mse'.*'bce'"):
        start_run("unet", config, loss="mse")
    assert not config.runs_dir.exists()


def test_the_run_folder_is_named_after_the_time(config):
    with patch.object(runs, "datetime") as clock:
        clock.now.return_value.strftime.side_effect = lambda form: {"%Y%m%d_%H%M%S": "20261122_201436"}[form]
        run = new_run(config)
    assert run.folder == config.runs_dir / "corrosion_segmentation_trainer_20261122_201436"
    assert run.folder.is_dir()


def test_two_runs_of_one_second_get_two_folders(config):
    with patch.object(runs, "datetime") as clock, patch.object(runs.time, "sleep") as sleep:
        clock.now.return_value.strftime.side_effect = [
            "20261122_201436",
            "20261122_201436",
            "20261122_201437",
        ]
        folders = {new_run(config).folder.name for _ in range(2)}
    assert len(folders) == 2
    sleep.assert_called_once()


def test_a_runs_folder_that_cannot_be_made_is_named(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/runs.*runs_dir"):
        new_run(replace(config, runs_dir=tmp_path / "file" / "runs"))


def test_the_best_model_is_kept_and_only_that(config):
    run = new_run(config)
    losses = iter([0.5, 0.3, 0.4])
    counts = torch.tensor([[1, 0, 0]])
    with patch("helpers.training.evaluate", side_effect=lambda *_: (next(losses), counts)):
        fit(run, loader(), loader(), epochs=3)
    assert run.best_path.name == f"model_{run.timestamp}_2.pt"
    assert list(run.folder.glob("model_*.pt")) == [run.best_path]


def test_the_last_model_is_kept_too(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=2)
    last, _ = load_model(run.last_path)
    torch.testing.assert_close(last.head.weight, run.model.head.weight)
    assert torch.load(run.last_path, weights_only=True)["scores"]["epoch"] == 2


KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from stripes import loader, new_run
from helpers.config import Config
from helpers.training import fit
run = new_run(Config(runs_dir=Path(sys.argv[1])))
fit(run, loader(48, shuffle=True), loader(), epochs=2)
fit(run, loader(48, shuffle=True), loader(), epochs=6)
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
    assert 4 <= len(resumed.history) < 8 and resumed.unfinished
    fit(resumed, loader(48, shuffle=True), loader())
    whole = new_run(config)
    fit(whole, loader(48, shuffle=True), loader(), epochs=2)
    fit(whole, loader(48, shuffle=True), loader(), epochs=6)
    assert_same(resumed, whole)
    assert (
        read_scalars(resumed.folder)["val_loss"].tolist() == read_scalars(whole.folder)["val_loss"].tolist()
    )


@pytest.mark.parametrize("where", ["save_best", "save_last"])
def test_a_run_stopped_while_saving_goes_on(config, where):
    saved = []

    def fail_at_the_third(run):
        saved.append(len(run.history))
        if len(run.history) == 3:
            raise KeyboardInterrupt
        getattr(runs, where)(run)

    run = new_run(config)
    with patch(f"helpers.training.{where}", side_effect=fail_at_the_third), pytest.raises(KeyboardInterrupt):
        fit(run, loader(shuffle=True), loader(), epochs=5)
    resumed = resume_run(run.folder)
    fit(resumed, loader(shuffle=True), loader())
    whole = new_run(config)
    fit(whole, loader(shuffle=True), loader(), epochs=5)
    assert_same(resumed, whole)


def test_a_finished_run_can_be_taken_up_for_more_epochs(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    assert list(fit(resume_run(run.folder), loader(), loader(), epochs=2).index) == [1, 2, 3]


def test_a_finished_run_has_nothing_to_finish(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    with pytest.raises(ValueError, match="how many epochs"):
        fit(resume_run(run.folder), loader(), loader())


def test_a_run_does_not_go_on_with_other_data(config):
    run = new_run(config)
    fit(run, loader(24), loader(), epochs=1)
    with pytest.raises(DataError, match="other train images"):
        fit(run, loader(16), loader(), epochs=1)


def test_a_folder_without_a_state_is_named(tmp_path):
    with pytest.raises(DataError, match=r"last_7\.pt.*no such file"):
        resume_run(tmp_path / "corrosion_segmentation_trainer_7")
