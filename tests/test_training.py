import math
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers import training
from helpers.files import DataError
from helpers.inference import as_patches, predict_probabilities
from helpers.metrics import summarise
from helpers.models import build_model
from helpers.training import evaluate, fit, load_model, read_scalars, start_run, train_one_epoch


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


def new_run(config, seed: int = 0, learning_rate: float = 3e-3):
    torch.manual_seed(seed)
    model = build_model("unet")
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    return start_run("unet", model, optimizer, nn.BCEWithLogitsLoss(), config)


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
    losses = [train_one_epoch(model, loader(), nn.BCEWithLogitsLoss(), optimizer) for _ in range(4)]
    assert losses[-1] < 0.8 * losses[0]


def test_the_mean_loss_is_over_patches_although_the_last_batch_is_smaller():
    model = AlwaysSure(0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    losses = [
        train_one_epoch(model, loader(10, size), nn.BCEWithLogitsLoss(), optimizer) for size in (1, 7, 10)
    ]
    expected = nn.BCEWithLogitsLoss()(model(stripes(10)[0]), stripes(10)[1]).item()
    assert losses == pytest.approx([expected] * 3, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_epoch_with_advice():
    model = AlwaysSure(math.nan)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match="nan.*learning rate"):
        train_one_epoch(model, loader(), nn.BCEWithLogitsLoss(), optimizer)


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
    """R3.7: more epochs can be added to a run."""
    once, twice = new_run(config), new_run(config)
    torch.manual_seed(1)
    fit(once, loader(shuffle=True), loader(), epochs=3)
    torch.manual_seed(1)
    train = loader(shuffle=True)
    fit(twice, train, loader(), epochs=1)
    history = fit(twice, train, loader(), epochs=2)
    assert list(history.index) == [1, 2, 3]
    assert history["train_loss"].tolist() == once.history_frame()["train_loss"].tolist()


def test_the_run_folder_is_named_after_the_time(config):
    with patch.object(training, "datetime") as clock:
        clock.now.return_value.strftime.side_effect = lambda form: {"%Y%m%d_%H%M%S": "20261122_201436"}[form]
        run = new_run(config)
    assert run.folder == config.runs_dir / "corrosion_segmentation_trainer_20261122_201436"
    assert run.folder.is_dir()


def test_two_runs_of_one_second_get_two_folders(config):
    with patch.object(training, "datetime") as clock, patch.object(training.time, "sleep") as sleep:
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
    with patch.object(training, "evaluate", side_effect=lambda *_: (next(losses), counts)):
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
    assert checkpoint["torch"] == torch.__version__


def test_a_full_disk_leaves_the_former_best_model(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=1)
    before = run.best_path
    run.best_val_loss = math.inf
    full = OSError(28, "No space left on device")
    with (
        patch.object(training.torch, "save", side_effect=full),
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


def test_tensorboard_gets_what_the_history_has(config):
    run = new_run(config)
    fit(run, loader(), loader(), epochs=2)
    history = fit(run, loader(), loader(), epochs=1)
    logged = read_scalars(run.folder)
    assert list(logged.index) == [1, 2, 3]
    for column in ("train_loss", "val_loss", "val_dice", "val_mean_iou"):
        assert logged[column].tolist() == pytest.approx(history[column].tolist(), rel=1e-6)


def test_events_are_written_after_each_epoch(config):
    run = new_run(config)
    train = loader()
    logged = []

    def look(*arguments):
        if run.history:
            logged.append(len(read_scalars(run.folder)))
        return evaluate(*arguments)

    with patch.object(training, "evaluate", side_effect=look):
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
