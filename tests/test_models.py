import warnings
from unittest.mock import patch

import numpy as np
import pytest
import timm
import torch
import torchvision

from helpers.data.dataset import SegmentationDataset, make_loader
from helpers.data.transforms import normalize
from helpers.losses import bce, over_outputs
from helpers.metrics import count_pixels, dice_from_counts
from helpers.models import (
    ARCHITECTURES,
    JUNIOR_ARCHITECTURES,
    WHOLE_WELL_ARCHITECTURES,
    build_model,
    mean_of_weights,
)
from helpers.models.blocks import pad_to_multiple
from helpers.models.pretrained import DownloadError
from helpers.training import train_one_epoch

OURS = ["unet", "attention_unet", "resunet", "unet++"]  # with a choice of padding
EVERY = [*ARCHITECTURES, *JUNIOR_ARCHITECTURES, *WHOLE_WELL_ARCHITECTURES]
every_model = pytest.mark.parametrize("name", EVERY)
every_unet = pytest.mark.parametrize("name", OURS)


def new(name: str, seed: int = 0, **options) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_model(name, **options)


def outputs_of(model: torch.nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """All logits that the loss is taken of."""
    outputs = model(images)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return tuple(logits for logits in outputs if logits is not None)  # of a DeiT without a teacher


def loss_of(model: torch.nn.Module):
    return getattr(model, "training_loss", over_outputs(bce))


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [("unet", {}, 419_777), ("unet", {"width": 8}, 26_417), ("junior_unet", {}, 419_777)]
    + [("junior_attention_unet", {}, 96_519), ("junior_resunet", {}, 1_987_905)],
)
def test_the_baseline_and_the_junior_s_networks_have_their_numbers_of_parameters(name, options, count):
    assert sum(p.numel() for p in build_model(name, **options).parameters()) == count


@every_model
def test_logits_have_the_size_of_the_images_and_are_finite_under_autocast(name):
    model = new(name).eval()
    for size in [(3, 36, 36), (1, 40, 40), (1, 36, 72), (1, 37, 41), (1, 360, 36)]:
        with torch.no_grad():
            assert model(torch.zeros(size)[:, None]).shape == (size[0], 1, *size[1:])
    if name != "mask_rcnn":  # which needs no padding; else what is added below and on the right is cut off
        multiple = {"well_resunet": (36, 4), "ag_curesnest": 8}.get(name, 4)
        images = torch.randn(1, 1, 37, 41)
        whole = pad_to_multiple(images, multiple, "circular" if name == "well_resunet" else "zeros")
        with torch.no_grad():
            torch.testing.assert_close(model(images), model(whole)[..., :37, :41])
    for dtype in (torch.bfloat16, torch.float16):
        with torch.no_grad(), torch.autocast("cpu", dtype):
            assert torch.isfinite(model(torch.randn(2, 1, 36, 36))).all()
    shapes = {logits.shape for logits in outputs_of(model.train(), torch.zeros(1, 1, 36, 36))}
    assert shapes == {(1, 3, 72, 72) if name == "mask_rcnn" else (1, 1, 36, 36)}


@pytest.mark.parametrize(
    ("name", "options", "idle"),
    [(name, {}, []) for name in EVERY if name not in ("mask_rcnn", "junior_attention_unet")]
    + [
        ("junior_attention_unet", {}, ["bottleneck2.0.weight", "bottleneck2.0.bias"]),
        ("junior_attention_unet", {"mended": True}, []),
    ],
)
def test_every_parameter_gets_a_gradient_but_the_idle_layer_of_the_junior_s(name, options, idle):
    model = new(name, **options)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(2):  # residual branches that begin as zero pass gradients on from the second step
        optimizer.zero_grad()
        torch.stack(outputs_of(model, torch.randn(8, 1, 36, 36))).square().mean().backward()
        optimizer.step()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()] == idle


@every_model
def test_each_architecture_can_learn_patches_by_heart(name, simulated):
    """From scratch, without dropout's help or hindrance: Dice over 0.9 on what it was shown."""
    _, y, images = simulated
    chosen = y.index[np.flatnonzero(y.sum(axis=1) > 80)[::24][:2]]
    dataset = SegmentationDataset.from_frames(y.loc[chosen], images.loc[chosen], normalize())
    batch = [next(iter(make_loader(dataset, 2)))]
    model = new(name, **({"dropout": 0.0} if name in OURS else {}))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(600):
        train_one_epoch(model, batch, loss_of(model), optimizer)
        if step % 10 == 9:
            with torch.no_grad():
                score = dice_from_counts(count_pixels(model.eval()(batch[0][0]) >= 0, batch[0][1]).sum(0))
            if score > 0.9:
                break
    assert score > 0.9


@every_unet
def test_dropout_is_the_one_asked_for_and_circular_padding_turns_logits_with_the_pipe(name):
    """By a multiple of 4 columns, which the two poolings leave in place."""
    turned = (image := torch.randn(1, 1, 36, 36)).roll(8, dims=-1)
    with torch.no_grad():
        circular = new(name, azimuth="circular").eval()
        torch.testing.assert_close(circular(turned), circular(image).roll(8, -1), atol=1e-5, rtol=1e-4)
        zeros = new(name).eval()
        assert not torch.allclose(zeros(turned), zeros(image).roll(8, -1), atol=1e-3)
        odd = torch.randn(1, 1, 36, 38)  # it goes on around the pipe, too
        whole = circular(pad_to_multiple(odd, 4, "circular"))[..., :38]
        torch.testing.assert_close(circular(odd), whole)
    for dropout, alike in ((0.0, True), (0.3, False)):
        model = new(name, dropout=dropout).train()
        first, second = (outputs_of(model, image)[0] for _ in range(2))
        assert torch.equal(first, second) == alike
    # padding has no weights, so a model of one padding can be read as one of another
    new(name, azimuth="circular").load_state_dict(zeros.state_dict())


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("unet3", {}, "'unet3'.*'unet'"),
        ("unet", {"pretrained": True}, "unet has no option pretrained; its options are dropout"),
        ("unet", {"azimuth": "round"}, "found 'round'"),
        ("unet", {"width": 0}, "width of at least 1 channel, found 0"),
        ("well_resunet", {"norm": "layer"}, "norm"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(name, options, told):
    with pytest.raises(ValueError, match=told):
        build_model(name, **options)


def test_a_distilled_network_learns_labels_with_one_head_and_the_teacher_s_mask_with_the_other():
    images, masks = torch.randn(4, 1, 36, 36), torch.zeros(4, 1, 36, 36)
    model = build_model("deit").train()
    teacher = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.Dropout(0.9))  # which does not drop
    outputs = model(images)
    assert outputs[2] is None
    expected = (bce(outputs[0], masks) + bce(outputs[1], masks)) / 2
    torch.testing.assert_close(model.training_loss(outputs, masks), expected)
    model.teach(teacher)
    of_label, of_teacher, taught = model(images)
    assert torch.equal(taught, teacher(images) >= 0)
    expected = (bce(of_label, masks) + bce(of_teacher, taught)) / 2
    torch.testing.assert_close(model.training_loss((of_label, of_teacher, taught), masks), expected)
    torch.testing.assert_close(model.eval().training_loss(of_label, masks), bce(of_label, masks))
    assert not any(key.startswith("teachers") for key in model.state_dict())


@pytest.mark.parametrize("name", ["unet++", "deit"])
def test_several_heads_answer_by_their_mean(name):
    model, images = new(name, **({"dropout": 0.0} if name == "unet++" else {})), torch.randn(2, 1, 36, 36)
    for part in model.children():
        part.eval()  # nothing is random, but the network as a whole is in training
    first, second = outputs_of(model, images)
    torch.testing.assert_close(model.eval()(images), (first + second) / 2)


def test_the_mean_of_weights_is_a_network_of_its_own():
    networks = [new("unet", seed, width=1) for seed in range(3)]
    weights = [network.head.weight.clone() for network in networks]
    torch.testing.assert_close(mean_of_weights(*networks).head.weight, sum(weights) / 3)
    assert all(torch.equal(one.head.weight, weight) for one, weight in zip(networks, weights, strict=True))


def test_mask_rcnn_takes_connected_grooves_for_instances_around_the_wrap_and_none_for_none():
    mask = np.zeros((36, 36), bool)
    mask[3:9, 10:13] = True
    mask[20:30, 34:] = mask[20:30, :2] = True  # one groove, cut by the patch's border
    targets = build_model("mask_rcnn")._instances(mask)
    assert targets["boxes"].tolist() == [[20, 6, 26, 18], [0, 40, 72, 60]]
    assert targets["masks"].sum(dim=(1, 2)).tolist() == [4 * 18, 4 * 40]
    model = new("mask_rcnn").train()
    loss = model.training_loss(model(torch.randn(2, 1, 36, 36)), torch.zeros(2, 1, 36, 36))
    loss.backward()
    assert torch.isfinite(loss)


@pytest.mark.parametrize("name", ["vgg16_unet", "ag_curesnest", "vit", "deit", "mask_rcnn"])
def test_pretrained_weights_without_a_network_give_one_clear_error(name):
    offline = OSError("[Errno -3] Temporary failure in name resolution")
    with (
        warnings.catch_warnings(),
        patch("torch.hub.load_state_dict_from_url", side_effect=offline),
        patch("torchvision.models._api.load_state_dict_from_url", side_effect=offline),
        patch("timm.create_model", side_effect=offline),
        pytest.raises(DownloadError, match="could not be downloaded.*name resolution.*pretrained=False"),
    ):
        build_model(name, pretrained=True)


TRANSFORMER, RESNET = "blocks.0.attn.qkv.weight", "layer1.0.conv1.weight"
STAND_INS = {  # name -> how its published encoder is built, and where a layer of it lies there and in ours
    "vit": ("vit_tiny_patch16_224", TRANSFORMER, f"encoder.{TRANSFORMER}"),
    "deit": ("deit_tiny_distilled_patch16_224", TRANSFORMER, f"encoder.{TRANSFORMER}"),
    "ag_curesnest": ("resnest14d", "layer2.0.conv1.weight", "second.stages.2.0.conv1.weight"),
    "vgg16_unet": (torchvision.models.vgg16_bn, "features.7.weight", "encoder2.7.weight"),
    "mask_rcnn": (torchvision.models.resnet18, RESNET, f"detector.backbone.body.{RESNET}"),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_pretrained_weights_arrive_in_the_encoder(name):
    """With a stand-in for the download: an encoder of the published shape, with weights of its own."""
    published, theirs, ours = STAND_INS[name]
    torch.manual_seed(1)
    weights = (timm.create_model(published) if isinstance(published, str) else published()).state_dict()

    def download(*_, **__):
        return dict(weights)  # a new one each time, as timm fits it to the encoder in place

    with (
        patch("torchvision.models._api.load_state_dict_from_url", download),
        patch("timm.models._builder.load_state_dict_from_hf", download),
        patch("timm.models._builder.load_state_dict_from_url", download),
    ):
        model = build_model(name, pretrained=True)
    assert torch.equal(model.state_dict()[ours], weights[theirs])
    assert torch.isfinite(model.eval()(torch.randn(1, 1, 36, 36))).all()
