import pytest
import torch
from stripes import loader, stripes

from helpers.inference import as_patches, predict_probabilities, threshold_curve
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


def test_a_threshold_is_judged_by_the_masks_that_it_cuts():
    probabilities = torch.tensor([0.1, 0.3, 0.6, 0.8]).view(1, 1, 2, 2)
    masks = torch.tensor([0, 0, 1, 1]).view(1, 1, 2, 2)
    curve = threshold_curve(probabilities, masks)
    assert list(curve.index[curve["dice"] == 1]) == [0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    assert curve.loc[0.05, "dice"] == pytest.approx(2 / 3)
    assert curve.loc[0.95, "mean_iou"] == 0
