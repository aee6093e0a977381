"""Names and geometry of patches."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from helpers.data import find_images, read_images
from helpers.data.synthetic import RECIPES, simulate
from helpers.data.wells import (
    ALL_WELLS,
    MOST_PATCHES,
    WIDE_WELLS,
    assemble_well,
    columns_of,
    cut_well,
    label_grooves,
    parse_name,
    patch_name,
    well_from_frame,
)


@given(columns=st.sampled_from([36, 72]), blocks=st.integers(0, 4), seed=st.integers(0, 2**32 - 1))
def test_cutting_and_assembling_undo_each_other_byte_for_byte(columns, blocks, seed):
    # float32 of any bit pattern: NaN with payloads, infinities, -0.0 and denormal numbers too
    bits = np.random.default_rng(seed).integers(0, 2**32, (blocks * columns // 36, 36, 36), np.uint32)
    patches = bits.view(np.float32)
    image = assemble_well(patches, columns)
    assert image.shape == (36 * blocks, columns)
    again = cut_well(image)
    assert again.shape == patches.shape and again.tobytes() == patches.tobytes()


def test_narrow_wells_go_on_downwards_and_twins_are_interleaved_column_by_column():
    patches = np.arange(4 * 36 * 36).reshape(4, 36, 36)
    np.testing.assert_array_equal(assemble_well(patches, 36), np.concatenate(patches))
    image = assemble_well(patches, 72)  # a0 b0 a1 b1 ..., then the second pair below
    np.testing.assert_array_equal(image[:, 0::2], np.concatenate(patches[0::2]))
    np.testing.assert_array_equal(image[:, 1::2], np.concatenate(patches[1::2]))


@pytest.mark.parametrize(
    ("shape", "columns", "told"),
    [
        ((3, 36, 36), 72, "72 columns come in pairs; found 3 patches"),
        ((3, 36, 36), 3, "36 or 72 columns, found 3"),
    ]
    + [(s, 36, "Expected patches of shape") for s in ((36, 36), (2, 36, 35), (2, 1296), (2, 1, 36, 36))]
    + [(s, None, "Expected a well of shape") for s in ((36, 35), (35, 36), (37, 72), (1, 36, 36))],
)
def test_what_cannot_be_assembled_or_cut_is_refused(shape, columns, told):
    with pytest.raises(ValueError, match=told):
        assemble_well(np.zeros(shape), columns) if columns else cut_well(np.zeros(shape))


def simulated_frame(columns: int, pairs: int, well: int = 5, seed: int = 0) -> pd.DataFrame:
    """Patches of a simulated pipe under any number: made as wells 3 and 6 are, with sentinels."""
    recipe = replace(RECIPES[6 if columns == 72 else 3], frozen=None, blind_rows=0)
    image = simulate(recipe, pairs * (36 if columns == 72 else 72), np.random.default_rng(seed)).thickness
    patches = cut_well(image).reshape(2 * pairs, -1)
    return pd.DataFrame(patches, [patch_name(well, number) for number in range(2 * pairs)])


@pytest.mark.real_data
def test_the_widths_of_the_fifteen_real_wells_are_told_whatever_their_numbers(real_data_folder):
    images = read_images(find_images(real_data_folder))
    renamed = images.set_axis([name.replace("well_", "well_7") for name in images.index])
    for well in ALL_WELLS:
        assert columns_of(renamed, int(f"7{well}")) == (72 if well in WIDE_WELLS else 36)


def test_the_widths_of_the_fifteen_simulated_wells_are_told(simulated):
    told = {well for well in ALL_WELLS if columns_of(simulated[0], well) == 72}
    assert told == WIDE_WELLS


@pytest.mark.parametrize("columns", [36, 72])
@pytest.mark.parametrize("number", [1, 3, 105])
def test_a_width_is_told_whatever_the_wells_number_beside_gaps_and_lost_pixels(columns, number):
    for seed in range(5):
        frame = simulated_frame(columns, 6, number, seed)
        assert columns_of(frame, number) == columns_of(frame[::-1], number) == columns
        gaps = frame.drop(patch_name(number, 3)).iloc[:-1]  # the last one has no twin, another has lost its
        assert columns_of(gaps, number, otherwise=108 - columns) == columns
    frame = simulated_frame(columns, 10, number)
    frame.iloc[:2], frame.iloc[2:4], frame.iloc[4] = -999.25, np.nan, 0.0
    frame.iloc[6, ::3], frame.iloc[7, ::5] = -999.0, np.inf
    assert columns_of(frame, number) == columns


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "frame",
    [simulated_frame(36, 1).iloc[:1], simulated_frame(72, 1), simulated_frame(72, 6).iloc[::2]]
    + [simulated_frame(36, 6) * 0, simulated_frame(36, 6) * np.nan],
    ids=["one patch", "one pair", "no pairs", "constant", "missing"],
)
def test_a_width_that_cannot_be_told_is_asked_for(frame):
    with pytest.raises(ValueError, match=r"Well 5: its \d+ patches do not tell.*--columns"):
        columns_of(frame, 5)
    assert columns_of(frame, 5, otherwise=72) == 72


def test_a_well_takes_the_width_that_it_is_given_or_that_its_number_has():
    frame = simulated_frame(36, 6, well=5)
    np.testing.assert_array_equal(well_from_frame(frame, 5, 36), frame.to_numpy().reshape(-1, 36))
    assert well_from_frame(frame > 0, 5).shape == (216, 72)  # a mask, as the training set's well 5
    with pytest.raises(ValueError, match="Well 5 has 72 columns in the .* training set, .* give columns=36"):
        well_from_frame(frame, 5)


@pytest.mark.parametrize(
    "name",
    ["", "well_1", "well_1" + "0" * 9 + "_patch_1", "well_-1_patch_1", "well_01_patch_1", "well_1_patch_01"]
    + ["well_1_patch_-1", 17, "well_1_patch_1.npy", "well_1_patch_1\n", " well_1_patch_1", "Well_1_patch_1"]
    + ["well_1١_patch_1"],
)
def test_other_names_are_refused_and_told(name):
    with pytest.raises(ValueError, match="is not a patch name") as error:
        parse_name(name)
    assert repr(name) in str(error.value)


def frame_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(np.zeros((len(names), 1296), np.float32), names)


def test_a_well_is_assembled_from_any_order_of_patches_and_gaps_are_nan():
    frame = frame_of(["well_3_patch_2", "well_1_patch_0", "well_3_patch_0"])
    frame.loc["well_3_patch_2"] = 2
    image = well_from_frame(frame, 3)
    assert image.shape == (108, 36)
    assert (image[:36] == frame.loc["well_3_patch_0"].iloc[0]).all() and (image[72:] == 2).all()
    assert np.isnan(image[36:72]).all()
    lone_twin = well_from_frame(frame, 1)
    assert lone_twin.shape == (36, 72)
    assert np.isfinite(lone_twin[:, 0::2]).all() and np.isnan(lone_twin[:, 1::2]).all()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["well_3_patch_0", f"well_3_patch_{MOST_PATCHES}"], "below 100,000, found well_3_patch_100000"),
        (["well_3_patch_1", "well_4_patch_0", "well_3_patch_1"], "found well_3_patch_1 twice"),
        (["well_4_patch_0"], "no patch of well 3 among the 1 patches"),
    ],
)
def test_patches_that_are_no_well_are_named(names, told):
    with pytest.raises(ValueError, match=told):
        well_from_frame(frame_of(names), 3)
    with pytest.raises(ValueError, match="1296 columns, one a pixel, found 1295"):
        well_from_frame(frame_of(["well_3_patch_1"]).iloc[:, :-1], 3)


def test_grooves_are_numbered_without_gaps_and_go_on_around_the_pipe():
    mask = np.zeros((8, 6), int)
    mask[1, 5] = mask[2, 0] = 1  # diagonal neighbours across the wrap
    mask[0, 2] = mask[1, 3] = 1
    mask[4:8, 5] = mask[4, 0] = mask[7, 0] = 1  # two pieces that are joined twice
    numbers = label_grooves(mask)
    assert np.unique(numbers).tolist() == [0, 1, 2, 3] and ((numbers > 0) == mask).all()
    assert numbers[1, 5] == numbers[2, 0] != numbers[0, 2] == numbers[1, 3]
    assert numbers[4, 0] == numbers[7, 0] == numbers[5, 5] == 3
    with pytest.raises(ValueError, match=r"\(1, 3, 3\)"):
        label_grooves(np.zeros((1, 3, 3)))


@given(arrays(bool, (7, 8)), st.integers(0, 7))
def test_rolling_around_the_pipe_changes_no_groove(mask, columns):
    rolled = np.roll(label_grooves(mask), columns, axis=1)
    again = label_grooves(np.roll(mask, columns, axis=1))
    assert (again > 0).tolist() == (rolled > 0).tolist()
    pairs = set(zip(rolled.ravel().tolist(), again.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
