import math
import re
from unittest.mock import patch

import pytest
import torch
from stripes import loader, new_run, stripes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.losses import bce
from helpers.metrics import summarise
from helpers.models import build_model
from helpers.runs import start_run
from helpers.training import evaluate, fit, train_one_epoch


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


def test_patience_counts_within_a_call(config):
    """R3.7: whoever adds epochs wants them tried, however long ago the best one was."""
    losses = iter([0.3, 0.4, 0.4, 0.5, 0.2, 0.4, 0.4])
    counts = torch.tensor([[1, 0, 0]])
    run = new_run(config, patience=2)
    with patch("helpers.training.evaluate", side_effect=lambda *_: (next(losses), counts)):
        assert len(fit(run, loader(8), loader(8), epochs=5)) == 3
        history = fit(run, loader(8), loader(8), epochs=5)
    assert list(history["val_loss"]) == [0.3, 0.4, 0.4, 0.5, 0.2, 0.4, 0.4]


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epochs_are_refused(config, epochs):
    run = new_run(config)
    with pytest.raises(ValueError, match=f"1 epoch or more, found {epochs}"):
        fit(run, loader(8), loader(8), epochs=epochs)
    assert not run.unfinished and not run.last_path.exists()


def test_a_used_loader_gives_a_new_run_the_batches_of_a_fresh_one(config):
    used = loader(shuffle=True)
    fit(new_run(config), used, loader(), epochs=2)
    again, fresh = new_run(config), new_run(config)
    fit(again, used, loader(), epochs=2)
    fit(fresh, loader(shuffle=True), loader(), epochs=2)
    assert again.history_frame()["train_loss"].tolist() == fresh.history_frame()["train_loss"].tolist()


def test_an_image_without_any_known_label_has_no_score():
    images, masks = stripes(6)
    masks[2] = math.nan
    masks[3, :, :18] = math.nan
    unknown = DataLoader(TensorDataset(images, masks), 4)
    model = AlwaysSure(-100.0)  # finds nothing: it would agree with an empty mask
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for counts in (
        train_one_epoch(model, unknown, bce, optimizer)[1],
        evaluate(model, unknown, bce)[1],
    ):
        assert len(counts) == 5
        assert summarise(counts) == {"dice": 0.0, "mean_iou": 0.0}


def test_a_model_with_its_own_loss_is_trained_too(config):
    run = start_run("mask_rcnn", config)
    history = fit(run, loader(4, 2), loader(4, 2), epochs=1)
    assert history["train_loss"].notna().all() and history["train_dice"].isna().all()


def test_scores_of_a_perfect_model_are_1():
    _, masks = stripes(6)
    perfect = DataLoader(TensorDataset(200 * masks - 100, masks), 4)
    identity = AlwaysSure()
    identity.forward = lambda images: images
    _, counts = evaluate(identity, perfect, nn.BCEWithLogitsLoss())
    assert summarise(counts) == {"dice": 1.0, "mean_iou": 1.0}
