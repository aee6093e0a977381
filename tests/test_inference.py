import pytest
import torch
from stripes import loader, stripes

from helpers.inference import as_patches, predict_probabilities
from helpers.models import build_model


def test_probabilities_are_in_the_loader_s_order():
    torch.manual_seed(0)
    model = build_model("unet").eval()
    probabilities = predict_probabilities(model, loader(10, 4))
    torch.testing.assert_close(probabilities, model(stripes(10)[0]).sigmoid())
    assert as_patches(probabilities).shape == (10, 36, 36)


def test_a_shuffling_loader_is_refused_for_prediction():
    with pytest.raises(ValueError, match="shuffle=False"):
        predict_probabilities(build_model("unet"), loader(shuffle=True))
