import numpy as np
import pandas as pd
import pytest

from helpers.wells import assemble_well, well_from_frame
from helpers.whole_wells.geometry import missing_patches, patches_of_wells


def frame_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(np.zeros((len(names), 1296), np.float32), names)


@pytest.mark.parametrize(
    ("there", "missing"),
    [([0, 1, 2], []), ([0, 3], ["well_3_patch_1", "well_3_patch_2"]), ([1], ["well_3_patch_0"])],
)
def test_missing_patches_are_those_before_the_last(there, missing):
    frame = frame_of([f"well_3_patch_{patch}" for patch in there] + ["well_4_patch_9"])
    assert missing_patches(frame, 3) == missing


def test_a_twin_at_the_end_may_be_missing_too():
    frame = frame_of([f"well_1_patch_{patch}" for patch in range(3)])
    assert missing_patches(frame, 1) == ["well_1_patch_3"]
    assert np.isnan(well_from_frame(frame, 1)[36:, 1::2]).all()


def test_patches_of_wells_gives_the_patches_asked_for_in_their_order():
    patches = {well: np.random.default_rng(well).normal(size=(4, 36, 36)) for well in (1, 3)}
    wells = {well: assemble_well(images, 72 if well == 1 else 36) for well, images in patches.items()}
    found = patches_of_wells(wells, ["well_3_patch_2", "well_1_patch_3", "well_1_patch_0"])
    np.testing.assert_array_equal(found, [patches[3][2], patches[1][3], patches[1][0]])


@pytest.mark.parametrize("name", ["well_1_patch_4", "well_2_patch_0"])
def test_a_patch_that_is_not_in_the_wells_is_named(name):
    with pytest.raises(ValueError, match=f"{name} is not among the wells given"):
        patches_of_wells({1: np.zeros((72, 72))}, [name])
