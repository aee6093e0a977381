"""Sections of whole wells."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from helpers.config import Config
from helpers.data.wells import frame_from_well
from helpers.whole_wells.sections import (
    HEIGHT,
    SectionDataset,
    assemble_wells,
    section_loader,
    well_transform,
)

UNSCALED = Config(value_mean=0, value_std=1)


def frames_of(wells: dict[int, np.ndarray]) -> pd.DataFrame:
    return pd.concat([frame_from_well(image, well) for well, image in wells.items()])


@pytest.fixture
def images() -> dict[int, np.ndarray]:
    """Well 3: 5 patches of 36 columns; well 1: 2 pairs of 72."""
    rng = np.random.default_rng(0)
    fields = {
        well: gaussian_filter(rng.normal(size=shape), 3) for well, shape in ((3, (180, 36)), (1, (72, 72)))
    }
    return {well: (0.02 * field / field.std()).astype(np.float32) for well, field in fields.items()}


@pytest.fixture
def wells(images) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    masks = {well: (image < -0.02).astype(np.uint8) for well, image in images.items()}
    return assemble_wells(frames_of(masks), frames_of(images), [3, 1])


def test_wells_are_assembled_at_their_own_width_and_nothing_is_known_where_nothing_was_measured(
    wells, images
):
    assert {well: tuple(image.shape) for well, (image, _) in wells.items()} == {3: (180, 36), 1: (72, 72)}
    np.testing.assert_array_equal(wells[1][0], images[1])
    np.testing.assert_array_equal(wells[3][1], images[3] < -0.02)
    images[3][10, 5], images[3][11, 6] = np.nan, -999.25
    masks = {well: np.ones_like(image, np.uint8) for well, image in images.items()}
    gap = [frames_of(parts).drop("well_3_patch_2") for parts in (masks, images)]
    thickness, mask = assemble_wells(*gap, [3], columns=36)[3]
    unknown = torch.zeros(180, 36, dtype=torch.bool)
    unknown[10, 5] = unknown[11, 6] = unknown[72:108] = True
    assert torch.equal(mask.isnan(), unknown)
    assert (thickness[unknown] == 0).all() and thickness.isfinite().all()


def test_sections_at_rest_cover_each_well_once(wells):
    dataset = SectionDataset(wells, 72, config=Config(value_mean=0.5, value_std=2))
    assert dataset.places == [(3, 0), (3, 72), (3, 144), (1, 0)]
    image, mask = dataset[2]
    assert torch.equal(image[0, :36], (wells[3][0][144:] - 0.5) / 2)  # in the network's scale
    assert mask[0, 36:].isnan().all() and not mask[0, :36].isnan().any()
    assert torch.equal(dataset.images[2][0, :36], wells[3][0][144:])  # not scaled


def test_moving_sections_stay_inside_the_well_and_move(wells):
    dataset = SectionDataset({3: wells[3]}, 72, moving=True, config=UNSCALED)
    starts = set()
    for _ in range(40):
        for section, mask in dataset:
            assert not mask.isnan().any()
            rows = [r for r in range(109) if torch.equal(wells[3][0][r : r + 72], section[0])]
            assert len(rows) == 1
            starts.add(rows[0])
    assert len(starts) > 40 and min(starts) == 0 and max(starts) == 108
    image, mask = SectionDataset({1: wells[1]}, 360, moving=True, config=UNSCALED)[0]  # a shorter well
    assert mask[0, 72:].isnan().all() and torch.equal(image[0, :72], wells[1][0])


def test_a_batch_has_one_width_and_about_as_many_pixels(wells):
    loader = section_loader(SectionDataset(wells, 36), patches=4, shuffle=True)
    shapes = sorted(tuple(images.shape) for images, _ in loader)
    assert shapes == [(1, 1, 36, 36), (2, 1, 36, 72), (4, 1, 36, 36)]
    assert len(loader) == 3
    epochs = [list(loader.batch_sampler) for _ in range(8)]
    assert {epoch[0][0] < 5 for epoch in epochs} == {True, False}  # now one width comes first, now the other
    assert all(sorted(sum(epoch, [])) == list(range(7)) for epoch in epochs)
    still = section_loader(SectionDataset(wells, 36), patches=4)
    assert list(still.batch_sampler) == list(still.batch_sampler) == [[0, 1, 2, 3], [4], [5, 6]]


def test_each_epoch_sees_other_views_of_each_section_which_follow_from_torchs_seed(wells):
    """A batch of the default size may hold one section of 72 columns, whatever is shuffled."""

    def views(seed, patches):
        torch.manual_seed(seed)
        dataset = SectionDataset(wells, HEIGHT, well_transform(), moving=True)
        loader = section_loader(dataset, patches, shuffle=True)
        return [sorted(image.sum().item() for images, _ in loader for image in images) for _ in range(8)]

    for patches in (1, 4, Config().batch_size):
        found = views(0, patches)
        assert found == views(0, patches) != views(1, patches)
        assert len(set(sum(found, []))) == 8 * len(found[0])


@pytest.mark.parametrize("shape", [(0, 36), (36, 1), (36,), (2, 36, 36)])
def test_what_cannot_be_a_well_or_a_section_is_refused(shape, wells):
    with pytest.raises(ValueError, match="at least 1 row and 2 columns"):
        SectionDataset({3: (torch.zeros(shape), torch.zeros(shape))}, 36)
    for given, height, told in ((wells, 0, "height of 0"), ({}, 36, "at least one well")):
        with pytest.raises(ValueError, match=told):
            SectionDataset(given, height)
