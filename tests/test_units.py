"""Images in other units than the challenge's: told, not guessed."""

import numpy as np
import pytest

from helpers.data import load_data
from helpers.data.load import warn_of_other_units
from helpers.data.preprocess import PreprocessData
from helpers.data.synthetic import simulate_patches
from helpers.data.wells import ALL_WELLS, wells_of

WRONG = {
    "ten times too large": lambda pixels: pixels * 10,
    "ten times too small": lambda pixels: pixels / 10,
    "all zero": lambda pixels: pixels * 0,
    "thickness, not its deviation": lambda pixels: pixels + 0.45,
    "deviation from a mean that is too large": lambda pixels: pixels - 0.05,
}


@pytest.mark.parametrize("change", WRONG)
def test_wrong_units_are_told_of_all_wells_and_of_a_single_one(simulated, change):
    images, convert = simulated[0].copy(), WRONG[change]
    with pytest.warns(UserWarning, match="well 1 .*well 2 .*well 15 .*other units.*mean of each row"):
        warn_of_other_units(convert(images))
    of_well = wells_of(images) == 13
    images[of_well] = convert(images[of_well])
    with pytest.warns(UserWarning, match="0.005 to 0.06.*0.02 of 0; found well 13 [^,]*, or wall") as caught:
        warn_of_other_units(images)
    assert len(caught) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wells_in_the_right_units_or_without_a_measurement_are_left_to_the_cleaning(seed):
    images, _, _ = simulate_patches(seed)
    images[wells_of(images) == 4] = -999.25
    images[wells_of(images) == 5] = np.nan
    warn_of_other_units(images)


@pytest.mark.real_data
@pytest.mark.filterwarnings("error")
def test_real_wells_are_in_the_right_units_and_each_is_told_in_others(real_data_folder):
    y, images = load_data(real_data_folder)
    warn_of_other_units(PreprocessData().transform(y, images)[1])
    for change in WRONG.values():
        with pytest.warns(UserWarning, match=".*".join(f"well {well} " for well in ALL_WELLS)):
            warn_of_other_units(change(images))
