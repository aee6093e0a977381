import pytest
import torch

from helpers.models import build_model


def test_the_unet_has_the_reviewed_number_of_parameters():
    assert sum(p.numel() for p in build_model("unet").parameters()) == 419_777


@pytest.mark.parametrize("size", [(36, 36), (40, 40), (36, 72), (360, 36), (37, 41), (5, 7)])
@pytest.mark.parametrize("batch", [1, 3])
def test_logits_have_the_size_of_the_images(size, batch):
    assert build_model("unet")(torch.zeros(batch, 1, *size)).shape == (batch, 1, *size)


def test_poolings_halve_36_to_18_to_9():
    model = build_model("unet")
    sizes = {}
    for name in ("encoder1", "encoder2", "bottleneck"):
        getattr(model, name).register_forward_hook(
            lambda _, __, out, name=name: sizes.update({name: out.shape[-1]})
        )
    model(torch.zeros(1, 1, 36, 36))
    assert sizes == {"encoder1": 36, "encoder2": 18, "bottleneck": 9}


def test_dropout_is_the_one_asked_for():
    model = build_model("unet", dropout=0.3)
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.3}


def test_outputs_are_logits_not_probabilities():
    torch.manual_seed(0)
    logits = build_model("unet")(100 * torch.randn(2, 1, 36, 36))
    assert logits.min() < 0 or logits.max() > 1


def test_every_parameter_gets_a_gradient():
    model = build_model("unet")
    model(torch.randn(2, 1, 36, 36)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_an_unknown_architecture_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"'unet3'.*\['unet'\]"):
        build_model("unet3")
