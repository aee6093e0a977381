"""Split masks by wells into training, validation and test parts (review points R1.17, R2.2, R2.3).

Only a split by wells keeps near-copies apart: in eight wells two patches are the even and the odd
columns of the same rows, and most other patches touch a neighbour that shows the same groove.
"""

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.data.load import write_csv
from helpers.data.wells import wells_of
from helpers.files import DataError

NAMES = {"train": "training", "val": "validation", "test": "test"}
PARTS = tuple(NAMES)
Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def split_y_to_train_val_test(y: pd.DataFrame, config: Config = Config()) -> Parts:
    """Split masks by wells, write y_train.csv, y_val.csv and y_test.csv to `config.interim_dir`, return them.

    Masks only: the images stay where they are and are found by name (R2.2). See `split_by_wells`; besides,
    DataError : a file cannot be written.
    """
    parts = split_by_wells(y, config)
    for name, part in zip(PARTS, parts, strict=True):
        write_csv(part, config.interim_dir / f"y_{name}.csv")
    return parts


def split_by_wells(y: pd.DataFrame, config: Config = Config()) -> Parts:
    """Return the rows of `y` of the config's training, validation and test wells.

    y : (n, 1296) masks, index = patch names. It need not have all wells of the config.
    Returns y_train, y_val, y_test : copies, rows in the order of `y`; each row is in exactly one of them.
    DataError : a well in two parts of the config or in none, or a part without patches.
    ValueError : a name in the index is no patch name.
    """
    wells, part_of = wells_of(y).tolist(), {}
    there = sorted(set(wells))
    for part, name in NAMES.items():
        own = getattr(config, f"{part}_wells")
        if twice := sorted(set(own) & set(part_of)):
            both = f"both a {NAMES[part_of[twice[0]]]} and a {name} well"
            raise DataError(f"Well {twice[0]} is {both}, so near-copies would leak. Take it out of one part.")
        if not set(own) & set(there):
            found = f"its wells are {list(own)}, but there are patches of wells {there} only"
            raise DataError(f"The {name} part is empty: {found}.")
        part_of |= dict.fromkeys(own, part)
    if homeless := sorted(set(there) - set(part_of)):
        remedy = "Add them to the training, validation or test wells, or leave their patches out."
        raise DataError(f"Wells {homeless} are in no part. {remedy}")
    part = np.array([part_of[well] for well in wells])
    return tuple(y[part == name].copy() for name in PARTS)
