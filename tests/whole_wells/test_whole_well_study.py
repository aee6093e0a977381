"""The ways of treating columns in experiments/whole_well.py give wells back as they were."""

import numpy as np
import pytest
import torch
from torch import nn
from whole_well import VARIANTS, at_columns, probability_of


class Pointwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return images * self.scale


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("well", [1, 3])
def test_each_pixel_gets_its_own_probability(variant, well):
    thickness = np.random.default_rng(0).normal(0, 0.02, (72, 72 if well == 1 else 36)).astype(np.float32)
    found = probability_of(variant, Pointwise(), thickness, well, views=1)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-thickness / 0.02)), rtol=1e-4)


@pytest.mark.parametrize(
    ("variant", "widths"),
    [("72 rows", [72, 36]), ("72 rows, 36 columns", [36, 36, 36])],
)
def test_wells_come_at_the_columns_of_the_variant(variant, widths):
    wells = {well: (torch.rand(72, width), torch.rand(72, width)) for well, width in ((1, 72), (3, 36))}
    found = at_columns(variant, wells)
    assert [image.shape[1] for image, _ in found.values()] == widths
    for image, mask in found.values():
        assert image.shape == mask.shape
    values = torch.cat([image.flatten() for image, _ in found.values()]).unique()
    assert torch.equal(values, torch.cat([image.flatten() for image, _ in wells.values()]).unique())
