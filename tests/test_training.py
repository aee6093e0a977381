import json
import math
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode
from urllib.request import urlopen

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers import runs
from helpers.board import read_scalars
from helpers.checkpoint import load_model
from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.files import DataError
from helpers.inference import as_patches, predict_probabilities, threshold_curve
from helpers.metrics import summarise
from helpers.models import build_model
from helpers.runs import resume_run, start_run
from helpers.training import evaluate, fit, train_one_epoch


def stripes(patches: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches with a vertical groove of metal loss in noise, and their masks."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(patches, 1, 36, 36)
    for index, column in enumerate(torch.randint(2, 30, (patches,), generator=generator)):
        masks[index, :, :, column : column + 4] = 1
    return 0.5 * torch.randn(masks.shape, generator=generator) - 2 * masks, masks


def loader(patches: int = 24, batch_size: int = 8, shuffle: bool = False) -> DataLoader:
    generator = torch.Generator().manual_seed(0)
    return DataLoader(TensorDataset(*stripes(patches)), batch_size, shuffle=shuffle, generator=generator)


def new_run(config, **changes):
    return start_run("unet", replace(config, **{"learning_rate": 3e-3} | changes))


class AlwaysSure(nn.Module):
    """Answers the logit of its one weight at every pixel."""

    def __init__(self, logit: float = 100.0):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, images):
        return self.logit.expand_as(images)


def test_an_epoch_lowers_the_loss():
    torch.manual_seed(0)
    model = build_model("unet")
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = [train_one_epoch(model, loader(), nn.BCEWithLogitsLoss(), optimizer)[0] for _ in range(4)]
    assert losses[-1] < 0.8 * losses[0]


def test_the_mean_loss_is_over_patches_although_the_last_batch_is_smaller():
    model = AlwaysSure(0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    losses = [
        train_one_epoch(model, loader(10, size), nn.BCEWithLogitsLoss(), optimizer)[0] for size in (1, 7, 10)
    ]
    expected = nn.BCEWithLogitsLoss()(model(stripes(10)[0]), stripes(10)[1]).item()
    assert losses == pytest.approx([expected] * 3, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_epoch_with_advice():
    model = AlwaysSure(math.nan)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match="NaN or infinite in batch 1 of 3.*learning rate"):
        train_one_epoch(model, loader(), nn.BCEWithLogitsLoss(), optimizer)


def test_a_loss_that_is_not_finite_names_the_patches_of_its_batch(simulated):
    _, y, images = simulated
    images = images.iloc[:40].copy()
    images.loc["well_1_patch_7"] = math.nan
    dataset = SegmentationDataset.from_frames(y.iloc[:40], images)
    model = build_model("unet")
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(FloatingPointError) as error:
        train_one_epoch(model, BatchLoader(dataset, 4, shuffle=True), nn.BCEWithLogitsLoss(), optimizer)
    named = re.findall(r"well_\d+_patch_\d+", str(error.value))
    assert len(named) == 4 and "well_1_patch_7" in named


def test_an_epoch_counts_the_pixels_that_it_trained_on():
    model = AlwaysSure()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    _, counts = train_one_epoch(model, loader(10, 4), nn.BCEWithLogitsLoss(), optimizer)
    assert torch.equal(counts, evaluate(model, loader(10, 4), nn.BCEWithLogitsLoss())[1])


def test_a_long_gradient_is_clipped():
    for clip_norm, most in ((None, 0.5), (0.01, 0.01)):
        model = AlwaysSure(3.0)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        train_one_epoch(model, loader(8), nn.BCEWithLogitsLoss(), optimizer, clip_norm)
        step = 3.0 - model.logit.item()
        assert step == pytest.approx(most, rel=1e-3) if clip_norm else step > most


def test_evaluate_counts_every_patch_in_order():
    _, counts = evaluate(AlwaysSure(), loader(10, 4), nn.BCEWithLogitsLoss())
    grooves = stripes(10)[1].sum(dim=(1, 2, 3)).long()
    assert counts[:, 0].tolist() == grooves.tolist()
    assert counts[:, 1].tolist() == (1296 - grooves).tolist()
    assert counts[:, 2].tolist() == [0] * 10


def test_evaluate_cuts_at_the_threshold():
    _, counts = evaluate(AlwaysSure(0.0), loader(), nn.BCEWithLogitsLoss(), threshold=0.51)  # probability 0.5
    assert counts[:, :2].sum() == 0


def test_evaluate_switches_dropout_off_and_does_not_train():
    torch.manual_seed(0)
    model = build_model("unet", dropout=0.5)
    before = [p.clone() for p in model.parameters()]
    first, second = (evaluate(model, loader(), nn.BCEWithLogitsLoss())[0] for _ in range(2))
    assert first == second
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_fit_learns_to_find_grooves(config):
    run = new_run(config)
    history = fit(run, loader(shuffle=True), loader(), epochs=12)
    assert history["val_dice"].iloc[-1] > 0.9


def test_the_same_seed_gives_the_same_history(config):
    histories = [fit(new_run(config), loader(shuffle=True), loader(), epochs=2) for _ in range(2)]
    columns = ["train_loss", "val_loss", "val_dice", "val_mean_iou"]
    assert histories[0][columns].equals(histories[1][columns])


def test_fit_called_twice_equals_fit_called_once(config):
    """R3.7: more epochs can be added to a run, whatever is drawn between."""
    once, twice = (new_run(config, schedule="constant") for _ in range(2))
    fit(once, loader(shuffle=True), loader(), epochs=3)
    train = loader(shuffle=True)
    fit(twice, train, loader(), epochs=1)
    torch.rand(5)
    history = fit(twice, train, loader(), epochs=2)
    assert list(history.index) == [1, 2, 3]
    assert history["train_loss"].tolist() == once.history_frame()["train_loss"].tolist()


def test_the_learning_rate_falls_along_a_cosine_in_each_call(config):
    run = new_run(config, learning_rate=0.004)
    fit(run, loader(), loader(), epochs=2)
    history = fit(run, loader(), loader(), epochs=4)
    expected = [0.004, 0.002, *(0.002 * (1 + math.cos(math.pi * i / 4)) for i in range(4))]
    assert history["learning_rate"].tolist() == pytest.approx(expected)


def test_an_unknown_schedule_is_refused(config):
    with pytest.raises(ValueError, match="'linear'"):
        fit(new_run(config, schedule="linear"), loader(), loader(), epochs=1)


def test_patience_ends_a_run_whose_validation_loss_no_longer_falls(config):
    losses = iter([0.5, 0.3, 0.4, 0.4, 0.2])
    counts = torch.tensor([[1, 0, 0]])
    run = new_run(config, patience=2)
    with patch("helpers.training.evaluate", side_effect=lambda *_: (next(losses), counts)):
        history = fit(run, loader(), loader(), epochs=5)
    assert list(history["val_loss"]) == [0.5, 0.3, 0.4, 0.4]
    assert not run.unfinished


def test_a_model_with_its_own_loss_is_trained_too(config):
    run = start_run("mask_rcnn", config)
    history = fit(run, loader(4, 2), loader(4, 2), epochs=1)
    assert history["train_loss"].notna().all() and history["train_dice"].isna().all()


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


def test_the_best_model_is_loaded_back(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    model = load_model(run.best_path)
    run.model.eval()
    images, _ = stripes(4)
    torch.testing.assert_close(model(images), run.model(images))
    assert not model.training


def test_the_last_model_is_kept_too(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=2)
    last = load_model(run.last_path)
    torch.testing.assert_close(last.head.weight, run.model.head.weight)
    assert torch.load(run.last_path, weights_only=True)["scores"]["epoch"] == 2


def test_a_checkpoint_holds_its_scores_and_seed(config):
    run = new_run(config)
    history = fit(run, loader(), loader(), epochs=1)
    checkpoint = torch.load(run.best_path, weights_only=True)
    assert checkpoint["scores"]["val_loss"] == history["val_loss"].iloc[0]
    assert checkpoint["seed"] == config.seed
    assert checkpoint["config"]["learning_rate"] == run.config.learning_rate
    assert checkpoint["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert checkpoint["data"]["train"] == runs.fingerprint(TensorDataset(*stripes()))


def test_a_full_disk_leaves_the_former_best_model(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    before = run.best_path
    run.best_val_loss = math.inf
    full = OSError(28, "No space left on device")
    with (
        patch.object(runs.torch, "save", side_effect=full),
        pytest.raises(DataError, match="disk is full"),
    ):
        fit(run, loader(), loader(), epochs=1)
    assert run.best_path == before
    assert list(run.folder.glob("model_*.pt")) == [before]
    load_model(before)


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text", "other"])
def test_a_file_that_is_no_checkpoint_is_named(config, tmp_path, damage):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    path = tmp_path / "model.pt"
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(run.best_path.read_bytes()[:-1000])
    elif damage == "text":
        path.write_text("a model")
    elif damage == "other":
        torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(DataError, match=r"model\.pt.*model_<timestamp>_<epoch>\.pt"):
        load_model(path)


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Exploit:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"model_name": "unet", "state_dict": Exploit()}, tmp_path / "model.pt")
    with pytest.raises(DataError):
        load_model(tmp_path / "model.pt")
    assert not (tmp_path / "owned").exists()


# --- resuming ----------------------------------------------------------------------------------------

KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_training import loader, new_run
from helpers.config import Config
from helpers.training import fit
run = new_run(Config(runs_dir=Path(sys.argv[1])))
fit(run, loader(48, shuffle=True), loader(), epochs=2)
fit(run, loader(48, shuffle=True), loader(), epochs=8)
"""


def assert_same(run, other) -> None:
    """Bit by bit: weights, history, files; all but the time that it took."""
    for key, value in run.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[key]), key
    columns = ["learning_rate", "train_loss", "val_loss", "train_dice", "val_dice", "val_mean_iou"]
    pd.testing.assert_frame_equal(
        run.history_frame()[columns], other.history_frame()[columns], check_exact=True
    )
    assert run.best_path.name.split("_")[-1] == other.best_path.name.split("_")[-1]
    assert run.best_path.exists() and len(list(run.folder.glob("model_*.pt"))) == 1


def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(config, tmp_path):
    """A real kill -9, as Colab disconnects, somewhere in the second call of fit."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(tests=str(Path(__file__).parent)))
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
    assert 4 <= len(resumed.history) < 10 and resumed.unfinished
    fit(resumed, loader(48, shuffle=True), loader())
    whole = new_run(config)
    fit(whole, loader(48, shuffle=True), loader(), epochs=2)
    fit(whole, loader(48, shuffle=True), loader(), epochs=8)
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
    with pytest.raises(DataError, match="other train patches"):
        fit(run, loader(16), loader(), epochs=1)


def test_a_run_does_not_go_on_in_another_number_of_processes(config):
    run = new_run(config)
    run.random_states *= 2
    with pytest.raises(ValueError, match="trained in 2 processes"):
        fit(run, loader(), loader(), epochs=1)


def test_a_folder_without_a_state_is_named(tmp_path):
    with pytest.raises(DataError, match=r"last_7\.pt.*no such file"):
        resume_run(tmp_path / "corrosion_segmentation_trainer_7")


def test_a_truncated_state_is_named(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    run.last_path.write_bytes(run.last_path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"last_.*\.pt.*not one"):
        resume_run(run.folder)


def test_the_state_of_another_architecture_is_named(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    state = torch.load(run.last_path, weights_only=True)
    torch.save(state | {"model_name": "resunet"}, run.last_path)
    with pytest.raises(DataError, match=r"last_.*do not fit .*'resunet'.*start a new run"):
        resume_run(run.folder)


DISTRIBUTED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_training import loader
from helpers.config import Config

from helpers.runs import start_run
from helpers.training import fit
run = start_run("unet", Config(runs_dir=Path(sys.argv[1])), dropout=0.0)
history = fit(run, loader(25, shuffle=True), loader(10), epochs=3)
if engine().is_main_process:
    history.to_csv(run.folder / "history.csv")
"""


def test_two_processes_learn_as_one(config, tmp_path):
    """The same batches, the last of which has one patch: the same losses but for rounding."""
    script = tmp_path / "distributed.py"
    script.write_text(DISTRIBUTED.format(tests=str(Path(__file__).parent)))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [*launch, "--main_process_port", "0", str(script), str(config.runs_dir)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    (path,) = config.runs_dir.glob("*/history.csv")
    two = pd.read_csv(path, index_col="epoch")
    one = fit(
        start_run("unet", replace(config, runs_dir=tmp_path / "one"), dropout=0.0),
        loader(25, shuffle=True),
        loader(10),
        epochs=3,
    )
    for column in ("train_loss", "val_loss", "train_dice"):
        assert two[column].tolist() == pytest.approx(one[column].tolist(), rel=1e-3, abs=1e-4)
    assert not list(path.parent.glob("*rank*"))


# --- TensorBoard -------------------------------------------------------------------------------------


def test_tensorboard_answers_with_the_scalars_of_a_run(config):
    run = new_run(config)
    history = fit(run, loader(), loader(), epochs=2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(config.runs_dir),
        "--port",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    query = urlencode({"run": f"{run.folder.name}/Training vs. Validation Loss_Validation",
                       "tag": "Training vs. Validation Loss"})  # fmt: skip
    try:
        answer, wait_until = [], time.monotonic() + 60
        while not answer and time.monotonic() < wait_until:
            time.sleep(0.5)
            with suppress(OSError):  # not listening yet, or the run not yet read: 404
                url = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?{query}"
                answer = json.load(urlopen(url, timeout=5))
    finally:
        server.kill()
        server.wait()
    assert [point[2] for point in answer] == pytest.approx(history["val_loss"].tolist())


def test_tensorboard_gets_pictures_graph_and_hyperparameters(config):
    run = new_run(config, picture_every=2)
    fit(run, loader(), loader(), epochs=3)
    events = EventAccumulator(str(run.folder)).Reload()
    assert [event.step for event in events.Images("Validation patches")] == [2, 3]
    assert events.Tags()["graph"]
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")
    assert events.Scalars("final/val_loss")[-1].value == pytest.approx(run.history[-1]["val_loss"])


def test_tensorboard_gets_what_the_history_has(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=2)
    history = fit(run, loader(), loader(), epochs=1)
    logged = read_scalars(run.folder)
    assert list(logged.index) == [1, 2, 3]
    for column in logged:
        assert logged[column].tolist() == pytest.approx(history[column].tolist(), rel=1e-6)


def test_events_are_written_after_each_epoch(config):
    run = new_run(config)
    train = loader()
    logged = []

    def look(*arguments):
        if run.history:
            logged.append(len(read_scalars(run.folder)))
        return evaluate(*arguments)

    with patch("helpers.training.evaluate", side_effect=look):
        fit(run, train, loader(), epochs=3)
    assert logged == [1, 2]


def test_probabilities_are_in_the_loader_s_order():
    torch.manual_seed(0)
    model = build_model("unet").eval()
    probabilities = predict_probabilities(model, loader(10, 4))
    torch.testing.assert_close(probabilities, model(stripes(10)[0]).sigmoid())
    assert as_patches(probabilities).shape == (10, 36, 36)


def test_a_shuffling_loader_is_refused_for_prediction():
    with pytest.raises(ValueError, match="shuffle=False"):
        predict_probabilities(build_model("unet"), loader(shuffle=True))


def test_scores_of_a_perfect_model_are_1():
    _, masks = stripes(6)
    perfect = DataLoader(TensorDataset(200 * masks - 100, masks), 4)
    identity = AlwaysSure()
    identity.forward = lambda images: images
    _, counts = evaluate(identity, perfect, nn.BCEWithLogitsLoss())
    assert summarise(counts) == {"dice": 1.0, "mean_iou": 1.0}


def test_a_threshold_is_judged_by_the_masks_that_it_cuts():
    probabilities = torch.tensor([0.1, 0.3, 0.6, 0.8]).view(1, 1, 2, 2)
    masks = torch.tensor([0, 0, 1, 1]).view(1, 1, 2, 2)
    curve = threshold_curve(probabilities, masks)
    assert list(curve.index[curve["dice"] == 1]) == [0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    assert curve.loc[0.05, "dice"] == pytest.approx(2 / 3)
    assert curve.loc[0.95, "mean_iou"] == 0


# --- devices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "bf16"), ((7, 5), "fp16")])
def test_a_gpu_calculates_in_the_short_numbers_that_it_knows(capability, precision):
    with (
        patch("torch.cuda.is_available", return_value=True),
        patch("torch.cuda.get_device_capability", return_value=capability),
        patch("helpers.engine.Accelerator") as accelerator,
    ):
        engine.__wrapped__()
    accelerator.assert_called_once_with(mixed_precision=precision)


def test_a_cpu_calculates_in_float32():
    assert engine().mixed_precision == "no" or torch.cuda.is_available()


def test_a_model_is_compiled_only_when_asked_for(config):
    with patch("torch.compile", side_effect=lambda model: model) as compiler:
        fit(new_run(config), loader(8), loader(8), epochs=1)
        compiler.assert_not_called()
        fit(new_run(config, compile=True), loader(8), loader(8), epochs=1)
        compiler.assert_called_once()
