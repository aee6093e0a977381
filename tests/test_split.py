"""The split by wells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.config import Config
from helpers.data import COLUMNS, read_labels
from helpers.data.split import NAMES, split_by_wells, split_y_to_train_val_test
from helpers.data.wells import patch_name
from helpers.files import DataError

CONFIG = Config(train_wells=(1, 6), val_wells=(3,), test_wells=(2,))


def make_y(patches_per_well: dict[int, int], seed: int = 0) -> pd.DataFrame:
    names = [patch_name(well, patch) for well, n in patches_per_well.items() for patch in range(n)]
    pixels = np.random.default_rng(seed).integers(0, 2, (len(names), 1296), np.uint8)
    return pd.DataFrame(pixels, pd.Index(names, name="patch"), COLUMNS)


Y = make_y({1: 4, 2: 2, 3: 3, 6: 2})


def wells_of(y: pd.DataFrame) -> set[str]:
    return {name.split("_")[1] for name in y.index}


def test_each_part_has_its_wells_and_their_masks():
    y_train, y_val, y_test = split_by_wells(Y, CONFIG)
    pd.testing.assert_frame_equal(y_train, Y.iloc[[0, 1, 2, 3, 9, 10]])
    pd.testing.assert_frame_equal(y_val, Y.iloc[6:9])
    pd.testing.assert_frame_equal(y_test, Y.iloc[4:6])


def test_wells_are_told_apart_by_number_not_by_how_a_name_begins():
    config = Config(train_wells=(1,), val_wells=(11,), test_wells=(15,))
    parts = split_by_wells(make_y({1: 2, 11: 3, 15: 1}), config)
    assert [len(part) for part in parts] == [2, 3, 1]


def test_no_well_is_in_two_parts_as_it_is_in_a_random_split():
    shuffled = Y.sample(frac=1, random_state=0)  # the reviewed notebook's split: patches drawn at random
    assert wells_of(shuffled[:8]) & wells_of(shuffled[8:])
    train, val, test = map(wells_of, split_by_wells(Y, CONFIG))
    assert not (train & val or train & test or val & test)


def test_the_reviewers_split_takes_all_fifteen_wells():
    parts = split_by_wells(make_y({well: 1 for well in range(1, 16)}))
    assert [len(part) for part in parts] == [9, 2, 4]


@pytest.mark.filterwarnings("error")  # pandas' SettingWithCopyWarning
def test_parts_are_copies():
    y = Y.copy()
    for part in split_by_wells(y, CONFIG):
        part.iloc[:] = 7
    pd.testing.assert_frame_equal(y, Y)


def test_wells_of_the_config_may_be_absent_from_y():
    parts = split_by_wells(make_y({6: 1, 3: 1, 2: 1}), CONFIG)
    assert [len(part) for part in parts] == [1, 1, 1]


def test_well_in_no_part_is_named():
    with pytest.raises(
        DataError, match=r"Wells \[4, 12\] are in no part.*training, validation or test wells"
    ):
        split_by_wells(make_y({1: 1, 2: 1, 3: 1, 12: 1, 4: 1}), CONFIG)


@pytest.mark.parametrize("part", ["val", "test"])
def test_well_in_two_parts_is_named_with_its_parts(part):
    config = replace(CONFIG, **{f"{part}_wells": (6,)})
    with pytest.raises(DataError, match=rf"Well 6 is both a training and a {NAMES[part]} well"):
        split_by_wells(Y, config)


def test_well_in_two_parts_is_refused_even_if_y_lacks_it():
    with pytest.raises(DataError, match="Well 8 is both a validation and a test well"):
        split_by_wells(Y, replace(CONFIG, val_wells=(3, 8), test_wells=(2, 8)))


@pytest.mark.parametrize(("part", "well"), [("val", 3), ("test", 2)])
def test_empty_part_is_named(part, well):
    y = Y[[not name.startswith(f"well_{well}_") for name in Y.index]]
    with pytest.raises(DataError, match=rf"The {NAMES[part]} part is empty: its wells are \[{well}\]"):
        split_by_wells(y, CONFIG)


def test_row_that_is_no_patch_is_named():
    y = Y.rename(index={"well_3_patch_1": "mean"})
    with pytest.raises(ValueError, match="'mean' is not a patch name"):
        split_by_wells(y, CONFIG)


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


def test_nothing_is_written_when_the_split_is_refused(tmp_path):
    config = replace(CONFIG, interim_dir=tmp_path / "interim", val_wells=(6,))
    with pytest.raises(DataError, match="Well 6 is both"):
        split_y_to_train_val_test(Y, config)
    assert not config.interim_dir.exists()
