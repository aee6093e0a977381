import numpy as np
import pytest

from helpers.data.wells import assemble_well
from helpers.whole_wells.geometry import patches_of_wells


def test_patches_of_wells_gives_the_patches_asked_for_in_their_order():
    patches = {well: np.random.default_rng(well).normal(size=(4, 36, 36)) for well in (1, 3)}
    wells = {well: assemble_well(images, 72 if well == 1 else 36) for well, images in patches.items()}
    found = patches_of_wells(wells, ["well_3_patch_2", "well_1_patch_3", "well_1_patch_0"])
    np.testing.assert_array_equal(found, [patches[3][2], patches[1][3], patches[1][0]])


@pytest.mark.parametrize("name", ["well_1_patch_4", "well_2_patch_0"])
def test_a_patch_that_is_not_in_the_wells_is_named(name):
    with pytest.raises(ValueError, match=f"{name} is not among the wells given"):
        patches_of_wells({1: np.zeros((72, 72))}, [name])
