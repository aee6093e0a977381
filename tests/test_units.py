"""Images in other units than the challenge's: told, not guessed."""

import warnings

import numpy as np
import pytest

from helpers.data import load_data, write_csv
from helpers.data.load import warn_of_other_units
from helpers.data.preprocess import PreprocessData
from helpers.data.synthetic import simulate_patches
from helpers.data.wells import wells_of

WRONG = {
    "ten times too large": (lambda pixels: pixels * 10, "wells 1, 2, 3.*expected 0.005 to 0.06"),
    "ten times too small": (lambda pixels: pixels / 10, "wells 1, 2, 3.*expected 0.005 to 0.06"),
    "all zero": (lambda pixels: pixels * 0, "wells 1, 2, 3.*expected 0.005 to 0.06"),
    "sign turned over": (lambda pixels: -pixels, "wells 1, 2, 3.*sign"),
    "thickness, not its deviation": (lambda pixels: pixels + 0.45, "wells 1, 2, 3.*median.*mean of each row"),
}


@pytest.fixture
def frames(simulated):
    images, labels, _ = simulated
    return labels, images


@pytest.mark.parametrize("change", WRONG)
def test_wrong_units_are_told_of_all_wells_and_of_a_single_one(frames, change):
    labels, images = frames
    convert, said = WRONG[change]
    with pytest.warns(UserWarning, match=said):
        warn_of_other_units(convert(images), labels)
    images = images.copy()
    of_well = wells_of(images) == 13
    images[of_well] = convert(images[of_well])
    with pytest.warns(UserWarning, match=r"^The images of well 13:") as caught:
        warn_of_other_units(images, labels)
    assert len(caught) == 1


def test_without_labels_the_scale_is_checked(frames):
    with pytest.warns(UserWarning, match="expected 0.005 to 0.06"):
        warn_of_other_units(frames[1] * 10)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_simulated_wells_are_in_the_right_units(seed):
    images, labels, _ = simulate_patches(seed)
    warn_of_other_units(images, labels)


@pytest.mark.filterwarnings("error")
def test_wells_without_a_measurement_are_left_to_the_cleaning(frames):
    labels, images = frames
    images = images.copy()
    images[wells_of(images) == 4] = -999.25
    images[wells_of(images) == 5] = np.nan
    warn_of_other_units(images, labels)


def test_load_data_warns(frames, tmp_path):
    labels, images = (frame[wells_of(frame) == 1] for frame in frames)
    (tmp_path / "images").mkdir()
    for name, pixels in (images * 10).iterrows():
        np.save(tmp_path / "images" / f"{name}.npy", pixels.to_numpy().reshape(36, 36))
    write_csv(labels, tmp_path / "y_train.csv")
    with pytest.warns(UserWarning, match="^The images of well 1: "):
        load_data(tmp_path)


@pytest.fixture(scope="module")
def real_frames(real_data_folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_data(real_data_folder)


@pytest.mark.real_data
@pytest.mark.filterwarnings("error")
def test_real_wells_are_in_the_right_units(real_frames):
    y, images = real_frames
    warn_of_other_units(images)
    warn_of_other_units(PreprocessData().transform(y, images)[1])


@pytest.mark.real_data
@pytest.mark.parametrize("change", WRONG)
def test_each_real_well_in_other_units_is_told(real_frames, change):
    """Without labelled grooves, in wells 9 and 10, nobody can tell the sign."""
    y, images = real_frames
    with pytest.warns(UserWarning) as caught:
        warn_of_other_units(WRONG[change][0](images), y)
    wells = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15]
    wells = wells if change == "sign turned over" else list(range(1, 16))
    assert f"wells {', '.join(map(str, wells))}:" in str(caught[0].message)
