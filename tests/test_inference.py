import pytest
import torch
from stripes import loader, stripes
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset, WeightedRandomSampler

from helpers.inference import as_patches, predict_probabilities
from helpers.models import build_model


def test_probabilities_are_in_the_loader_s_order():
    torch.manual_seed(0)
    model = build_model("unet", dropout=0.5)
    probabilities = predict_probabilities(model, loader(10, 4))
    assert not probabilities.requires_grad
    torch.testing.assert_close(probabilities, model.eval()(stripes(10)[0]).sigmoid().detach())
    assert as_patches(probabilities).shape == (10, 36, 36)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 4, "shuffle": True},
        {"sampler": SubsetRandomSampler(range(6))},
        {"sampler": WeightedRandomSampler([1.0] * 6, 6)},
        {"batch_sampler": [[5, 4], [3, 2], [1, 0]]},
        {"batch_size": 4, "drop_last": True},
    ],
)
def test_every_loader_whose_order_is_not_the_datasets_is_refused(options):
    shuffling = DataLoader(TensorDataset(*stripes(6)), **options)
    with pytest.raises(ValueError, match="shuffles or drops patches.*shuffle=False"):
        predict_probabilities(build_model("unet"), shuffling)


def test_nan_probabilities_are_an_error_and_not_an_empty_mask():
    model = build_model("unet")
    with torch.no_grad():
        model.head.bias[0] = torch.nan
    with pytest.raises(ValueError, match="NaN for 7,776 of 7,776 pixels"):
        predict_probabilities(model, loader(6))
