"""The split by wells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.config import Config
from helpers.data import COLUMNS, read_labels
from helpers.data.split import split_by_wells, split_y_to_train_val_test
from helpers.data.wells import patch_name
from helpers.files import DataError

CONFIG = Config(train_wells=(1, 6), val_wells=(3,), test_wells=(2,))


def make_y(patches_per_well: dict[int, int], seed: int = 0) -> pd.DataFrame:
    names = [patch_name(well, patch) for well, n in patches_per_well.items() for patch in range(n)]
    pixels = np.random.default_rng(seed).integers(0, 2, (len(names), 1296), np.uint8)
    return pd.DataFrame(pixels, pd.Index(names, name="patch"), COLUMNS)


Y = make_y({1: 4, 2: 2, 3: 3, 6: 2})


@pytest.mark.filterwarnings("error")  # pandas' SettingWithCopyWarning
def test_each_part_has_its_wells_and_their_masks_as_copies():
    y = Y[::-1].copy()  # whose order stays
    y_train, y_val, y_test = split_by_wells(y, CONFIG)
    pd.testing.assert_frame_equal(y_train, Y.iloc[[10, 9, 3, 2, 1, 0]])
    pd.testing.assert_frame_equal(y_val, Y.iloc[[8, 7, 6]])
    pd.testing.assert_frame_equal(y_test, Y.iloc[[5, 4]])
    for part in (y_train, y_val, y_test):
        part.iloc[:] = 7
    pd.testing.assert_frame_equal(y, Y[::-1])


def test_wells_are_told_apart_by_number_not_by_how_a_name_begins():
    config = Config(
        train_wells=(1, 6), val_wells=(11,), test_wells=(15,)
    )  # well 6 is absent, which it may be
    assert [len(part) for part in split_by_wells(make_y({1: 2, 11: 3, 15: 1}), config)] == [2, 3, 1]


NO_WELL_3 = Y[[not name.startswith("well_3_") for name in Y.index]]


@pytest.mark.parametrize(
    ("y", "change", "told"),
    [
        (
            make_y({1: 1, 2: 1, 3: 1, 12: 1, 4: 1}),
            {},
            r"Wells \[4, 12\] are in no part.*training, validation",
        ),
        (Y, {"val_wells": (6,)}, "Well 6 is both a training and a validation well"),
        (Y, {"test_wells": (6,)}, "Well 6 is both a training and a test well"),
        (Y, {"val_wells": (3, 8), "test_wells": (2, 8)}, "Well 8 is both a validation and a test well"),
        (NO_WELL_3, {}, r"The validation part is empty: its wells are \[3\]"),
        (Y, {"test_wells": (5,)}, r"The test part is empty: its wells are \[5\]"),
        (Y.rename(index={"well_3_patch_1": "mean"}), {}, "'mean' is not a patch name"),
    ],
)
def test_a_split_that_would_leak_or_lose_patches_is_refused_and_nothing_is_written(tmp_path, y, change, told):
    config = replace(CONFIG, interim_dir=tmp_path / "interim", **change)
    with pytest.raises(ValueError, match=told) as error:
        split_y_to_train_val_test(y, config)
    assert isinstance(error.value, DataError) or "patch name" in told
    assert not config.interim_dir.exists()


def test_split_y_writes_three_tables_of_masks_and_nothing_else(tmp_path):
    config = replace(CONFIG, interim_dir=tmp_path / "data" / "interim")
    parts = split_y_to_train_val_test(Y, config)
    paths = [config.interim_dir / f"y_{name}.csv" for name in ("train", "val", "test")]
    assert sorted(config.interim_dir.iterdir()) == sorted(paths)
    for part, expected, path in zip(parts, split_by_wells(Y, config), paths, strict=True):
        pd.testing.assert_frame_equal(part, expected)
        written = read_labels(path)
        assert written.index.tolist() == part.index.tolist()
        np.testing.assert_array_equal(written, part)
