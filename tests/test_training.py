import math
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from stripes import loader, new_run, stripes
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from helpers.files import DataError
from helpers.losses import bce
from helpers.metrics import summarise
from helpers.models import build_model
from helpers.training import evaluate, fit, train, train_one_epoch
from helpers.training.checkpoint import load_model
from helpers.training.runs import resume_run, start_run, unsaved_run


class AlwaysSure(nn.Module):
    """Answers the logit of its one weight at every pixel."""

    def __init__(self, logit: float = 100.0):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, images):
        return self.logit.expand_as(images)


def test_the_mean_loss_is_over_patches_although_the_last_batch_is_smaller():
    model, (images, masks) = AlwaysSure(0.5), stripes(10)
    masks[8:] = 0
    batches = [DataLoader(TensorDataset(images, masks), size) for size in (1, 7, 10)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    losses = [train_one_epoch(model, batch, bce, optimizer) for batch in batches]
    losses += [evaluate(model, batch, bce)[0] for batch in batches]
    assert losses == pytest.approx([bce(model(images), masks).item()] * 6, rel=1e-5)


@pytest.mark.parametrize("precision", [torch.float32, torch.float16])
def test_a_loss_that_is_not_finite_stops_before_the_step(precision):
    images, masks = stripes(12)
    images[9, 0, 3, 3] = math.nan
    model = build_model("unet", dropout=0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    seen = []

    def loss(logits, masks):
        seen.append([parameter.detach().clone() for parameter in model.parameters()])
        return bce(logits, masks)

    batches = DataLoader(TensorDataset(images, masks), 4)
    with pytest.raises(FloatingPointError, match="batch 3 is nan.*learning rate"):
        train_one_epoch(model, batches, loss, optimizer, precision=precision)
    assert all(map(torch.equal, seen[-1], model.parameters()))
    assert not all(map(torch.equal, seen[0], model.parameters()))


def test_a_run_goes_on_from_its_last_epoch_after_a_loss_that_was_not_finite(config):
    run = new_run(config)
    fit(run, loader(8), loader(8), epochs=1)
    saved = load_model(run.last_path)[0].state_dict()

    def explode(logits, masks):
        return bce(logits, masks) * math.inf

    run.loss_fn = explode
    with pytest.raises(FloatingPointError, match=r"Epoch 2: .*batch 1 is inf.*Epoch 1 is saved.*resume_run"):
        fit(run, loader(8), loader(8), epochs=2)
    resumed = resume_run(run.folder)
    assert all(torch.equal(saved[name], value) for name, value in resumed.model.state_dict().items())
    resumed.config = replace(resumed.config, learning_rate=1e-4)
    assert list(fit(resumed, loader(8), loader(8))["learning_rate"])[1:] == pytest.approx([1e-4, 5e-5])


def test_evaluate_counts_every_patch_in_order_and_cuts_at_the_threshold():
    _, counts = evaluate(AlwaysSure(), loader(10, 4), bce)
    grooves = stripes(10)[1].sum(dim=(1, 2, 3)).long()
    assert counts.tolist() == [[count, 1296 - count, 0] for count in grooves.tolist()]
    _, counts = evaluate(AlwaysSure(0.0), loader(), bce, threshold=0.51)  # probability 0.5
    assert counts[:, :2].sum() == 0
    assert evaluate(AlwaysSure(0.0), loader(), bce, threshold=0.5)[1][:, :2].sum() == 24 * 1296
    with pytest.raises(FloatingPointError, match="validation loss is nan"):
        evaluate(AlwaysSure(math.nan), loader(), bce)
    identity, (_, masks) = AlwaysSure(), stripes(6)
    identity.forward = lambda images: images
    _, counts = evaluate(identity, DataLoader(TensorDataset(200 * masks - 100, masks), 4), bce)
    assert summarise(counts) == {"dice": 1.0, "mean_iou": 1.0}


def test_an_epoch_has_a_bar_where_somebody_looks_its_speed_and_the_configs_weight_decay(
    config, monkeypatch, capsys
):
    """A loss without a gradient, so that weight decay alone changes the weights."""
    torch.backends.cudnn.benchmark = True
    for looks, decay in ((True, 0.0), (False, 0.5)):
        monkeypatch.delenv("TQDM_DISABLE", False) if looks else monkeypatch.setenv("TQDM_DISABLE", "1")
        settings = replace(config, weight_decay=decay, learning_rate=0.1, schedule="constant")
        run = unsaved_run(one_layer(), settings, lambda logits, masks: 0 * logits.sum())
        before = run.model.weight.detach().clone()
        rows = list(train(run, loader(8, 4), 2))  # of two steps each
        torch.testing.assert_close(run.model.weight.detach(), before * (1 - 0.1 * decay) ** 4)
        assert [row["patches_per_second"] * row["seconds"] for row in rows] == pytest.approx([8, 8])
        assert ("epoch 1 of 2:   0%" in capsys.readouterr().err) == looks
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


def test_evaluate_switches_dropout_off_and_does_not_train():
    torch.manual_seed(0)
    model = build_model("unet", dropout=0.5)
    before = [p.clone() for p in model.parameters()]
    first, second = (evaluate(model, loader(8), bce)[0] for _ in range(2))
    assert first == second
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_fit_learns_to_find_grooves(config):
    assert fit(new_run(config), loader(shuffle=True), loader(), epochs=12)["val_dice"].iloc[-1] > 0.9


def test_the_same_seed_gives_the_same_history_in_one_call_or_two_by_a_new_loader_or_a_used_one(config):
    """R3.7: more epochs can be added to a run, whatever is drawn between."""
    used, histories = loader(shuffle=True), []
    for data, calls in ((used, [3]), (used, [3]), (loader(shuffle=True), [1, 2])):
        run = new_run(config, schedule="constant")
        for epochs in calls:
            torch.rand(5)
            fit(run, data, loader(8), epochs=epochs)
        histories.append(run.history_frame().drop(columns=["seconds", "patches_per_second"]))
    assert histories[0].equals(histories[1]) and histories[0].equals(histories[2])
    assert list(histories[2].index) == [1, 2, 3]


@pytest.mark.parametrize(
    ("schedule", "shape"),
    [("constant", [1] * 6), ("cosine", [1, 0.5, *((1 + math.cos(math.pi * i / 4)) / 2 for i in range(4))])],
)
def test_the_optimizer_steps_by_the_learning_rate_of_the_history(config, schedule, shape):
    """By default half a cosine in each call."""
    run, used = new_run(config, learning_rate=0.004, schedule=schedule), []

    def epoch(*_):
        used.extend(group["lr"] for group in run.optimizer.param_groups)
        return 0.5

    with patch("helpers.training.loop.train_one_epoch", side_effect=epoch):
        fit(run, loader(8), loader(8), epochs=2)
        history = fit(run, loader(8), loader(8), epochs=4)
    assert used == history["learning_rate"].tolist() == pytest.approx([0.004 * share for share in shape])
    assert new_run(config).config.schedule == "cosine"


def test_patience_ends_a_call_whose_validation_loss_no_longer_falls(config):
    """R3.7: it counts within a call; who adds epochs wants them tried, however long ago the best was."""
    losses = [0.3, 0.4, 0.4, 0.5, 0.2, 0.4, 0.4]
    following, counts = iter(losses), torch.tensor([[1, 0, 0]])
    run = new_run(config, patience=2)
    with patch("helpers.training.loop.evaluate", side_effect=lambda *_: (next(following), counts)):
        assert len(fit(run, loader(8), loader(8), epochs=5)) == 3
        assert not run.unfinished
        history = fit(run, loader(8), loader(8), epochs=5)
    assert list(history["val_loss"]) == losses


def test_a_call_that_cannot_be_is_refused_before_anything_is_saved(config):
    run = new_run(config)
    for epochs in (0, -1):
        with pytest.raises(ValueError, match=f"1 epoch or more, found {epochs}"):
            fit(run, loader(8), loader(8), epochs=epochs)
    assert not run.unfinished and not run.last_path.exists()
    with pytest.raises(ValueError, match="no folder.*start_run.*train"):
        fit(unsaved_run("unet", config), loader(8), loader(8), epochs=1)
    with pytest.raises(ValueError, match="'linear'"):
        fit(new_run(config, schedule="linear"), loader(8), loader(8), epochs=1)


def test_unknown_pixels_and_an_image_without_any_known_label_have_no_score():
    images, masks = stripes(6)
    masks[2] = math.nan
    masks[3, :, :18] = math.nan
    unknown = DataLoader(TensorDataset(images, masks), 4)
    nothing, everything = AlwaysSure(-100.0), AlwaysSure(100.0)
    train_one_epoch(nothing, unknown, bce, torch.optim.SGD(nothing.parameters(), lr=0.0))
    _, counts = evaluate(nothing, unknown, bce)  # which would agree with an empty mask
    assert len(counts) == 5
    assert summarise(counts) == {"dice": 0.0, "mean_iou": 0.0}
    _, counts = evaluate(everything, unknown, bce)
    assert counts.sum(dim=1).tolist() == [1296, 1296, 648, 1296, 1296]


def test_scores_choose_by_a_tensor_of_bools_once_an_epoch_since_each_choice_waits_for_the_gpu():
    get, choices = torch.Tensor.__getitem__, []
    remember = lambda tensor, choice: choices.append(choice) or get(tensor, choice)  # noqa: E731
    with patch.object(torch.Tensor, "__getitem__", remember):
        evaluate(AlwaysSure(), loader(20, 2), bce)
    assert [getattr(choice, "dtype", None) for choice in choices].count(torch.bool) == 1


def one_layer():
    """A network of one's own."""
    return nn.Conv2d(1, 1, 3, padding=1)


def half_bce(logits, masks):
    return bce(logits, masks) / 2


@pytest.mark.parametrize("loss", [half_bce, nn.BCEWithLogitsLoss()])
def test_a_module_and_a_loss_of_ones_own_reach_fit(config, loss):
    torch.manual_seed(0)
    run = start_run(one_layer(), config, loss)
    fit(run, loader(8), loader(8), epochs=2)
    images, _ = stripes(4)
    run.model = torch.compile(nn.DataParallel(run.model), backend="eager")  # saved under its own names
    fit(run, loader(8), loader(8), epochs=1)
    again, _ = load_model(run.last_path, model=one_layer())
    torch.testing.assert_close(again(images), run.model(images))
    with pytest.raises(DataError, match="loss '(half_bce|BCEWithLogitsLoss)'.*resume_run"):
        resume_run(run.folder, one_layer())
    with pytest.raises(DataError, match="No architecture is called 'Conv2d'"):
        resume_run(run.folder, loss=loss)
    resumed = resume_run(run.folder, one_layer(), loss)
    assert len(fit(resumed, loader(8), loader(8), epochs=1)) == 4


@pytest.mark.parametrize(
    "data", [Subset(TensorDataset(*stripes(12)), range(8)), list(zip(*stripes(8), strict=True))]
)
@pytest.mark.parametrize("name", ["mask_rcnn", "unet++"])  # which return more than logits
def test_any_dataset_can_be_learned_from_by_any_model(config, data, name):
    history = fit(start_run(name, config), DataLoader(data, 4), DataLoader(data, 4), epochs=1)
    assert history.notna().all(axis=None)
