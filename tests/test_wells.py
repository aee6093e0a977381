"""Names and geometry of patches."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from helpers.wells import (
    ALL_WELLS,
    MOST_PATCHES,
    WIDE_WELLS,
    assemble_well,
    column_azimuths,
    cut_well,
    parse_name,
    patch_name,
    well_from_frame,
)

NARROW_WELLS = sorted(set(ALL_WELLS) - WIDE_WELLS)


def random_bits(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of any bit pattern: NaN with payloads, infinities, -0.0 and denormal numbers too."""
    return np.random.default_rng(seed).integers(0, 2**32, shape, np.uint32).view(np.float32)


@given(well=st.sampled_from(ALL_WELLS), blocks=st.integers(0, 4), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_cut_well_undoes_assemble_well_byte_for_byte(well, blocks, seed):
    patches = random_bits(seed, (blocks * (2 if well in WIDE_WELLS else 1), 36, 36))
    image = assemble_well(patches, well)
    assert image.shape == (36 * blocks, 72 if well in WIDE_WELLS else 36)
    again = cut_well(image, well)
    assert again.shape == patches.shape
    assert again.dtype == patches.dtype
    assert again.tobytes() == patches.tobytes()


@given(well=st.sampled_from(ALL_WELLS), blocks=st.integers(0, 4), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_assemble_well_undoes_cut_well_byte_for_byte(well, blocks, seed):
    image = random_bits(seed, (36 * blocks, 72 if well in WIDE_WELLS else 36))
    assert assemble_well(cut_well(image, well), well).tobytes() == image.tobytes()


@pytest.mark.parametrize("well", sorted(WIDE_WELLS))
def test_twins_are_interleaved_column_by_column(well):
    patches = np.arange(4 * 36 * 36).reshape(4, 36, 36)
    image = assemble_well(patches, well)
    for column in range(36):  # a0 b0 a1 b1 ..., then the second pair below
        np.testing.assert_array_equal(image[:36, 2 * column], patches[0, :, column])
        np.testing.assert_array_equal(image[:36, 2 * column + 1], patches[1, :, column])
        np.testing.assert_array_equal(image[36:, 2 * column], patches[2, :, column])
        np.testing.assert_array_equal(image[36:, 2 * column + 1], patches[3, :, column])


@pytest.mark.parametrize("well", NARROW_WELLS)
def test_narrow_wells_go_on_downwards(well):
    patches = np.arange(3 * 36 * 36).reshape(3, 36, 36)
    np.testing.assert_array_equal(assemble_well(patches, well), np.concatenate(patches))


def test_odd_number_of_patches_in_a_wide_well_is_refused():
    with pytest.raises(ValueError, match=r"Well 1 has 72 columns.*found 3 patches"):
        assemble_well(np.zeros((3, 36, 36)), 1)


@pytest.mark.parametrize("shape", [(36, 36), (2, 36, 35), (2, 1296), (2, 1, 36, 36)])
def test_patches_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="Well 3: expected patches of shape"):
        assemble_well(np.zeros(shape), 3)


@pytest.mark.parametrize(
    ("well", "shape"), [(1, (36, 36)), (3, (36, 72)), (3, (35, 36)), (1, (37, 72)), (3, (1, 36, 36))]
)
def test_images_of_another_shape_are_refused(well, shape):
    with pytest.raises(ValueError, match=f"Well {well}: expected an image of shape"):
        cut_well(np.zeros(shape), well)


@given(well=st.integers(0, 10**6), patch=st.integers(0, 10**6))
def test_parse_name_undoes_patch_name(well, patch):
    assert parse_name(patch_name(well, patch)) == (well, patch)


@pytest.mark.parametrize(
    "name",
    ["", "well_1", "well_-1_patch_1", "well_01_patch_1", "well_1_patch_01", "well_1_patch_-1", 17]
    + ["well_1_patch_1.npy", "well_1_patch_1\n", " well_1_patch_1", "Well_1_patch_1", "well_1١_patch_1"],
)
def test_other_names_are_refused_and_told(name):
    with pytest.raises(ValueError, match="is not a patch name") as error:
        parse_name(name)
    assert repr(name) in str(error.value)


def frame_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(np.zeros((len(names), 1296), np.float32), names)


def test_the_middle_of_a_column_is_its_azimuth():
    np.testing.assert_allclose(column_azimuths(36), np.arange(36) * 10 + 5)
    np.testing.assert_allclose(column_azimuths(72), np.arange(72) * 5 + 2.5)


def test_a_patch_number_that_would_ask_for_gigabytes_is_named():
    with pytest.raises(ValueError, match=f"below 100,000, found well_3_patch_{MOST_PATCHES}"):
        well_from_frame(frame_of(["well_3_patch_0", f"well_3_patch_{MOST_PATCHES}"]), 3)


def test_a_patch_that_is_there_twice_is_named():
    with pytest.raises(ValueError, match="found well_3_patch_1 twice"):
        well_from_frame(frame_of(["well_3_patch_1", "well_4_patch_0", "well_3_patch_1"]), 3)


def test_patches_of_another_size_are_refused():
    with pytest.raises(ValueError, match="1296 columns, one a pixel, found 1295"):
        well_from_frame(frame_of(["well_3_patch_1"]).iloc[:, :-1], 3)


@pytest.mark.filterwarnings("error")
def test_a_value_beyond_float32_becomes_infinite_without_a_warning():
    frame = frame_of(["well_3_patch_0"]).astype(np.float64)
    frame.iloc[0, :2] = 1e300, -1e300
    assert well_from_frame(frame, 3)[0, :3].tolist() == [np.inf, -np.inf, 0]
