"""Split masks by wells into training, validation and test parts (review points R1.17, R2.2, R2.3).

Only a split by wells keeps near-copies apart: in eight wells two patches are the even and the odd
columns of the same rows, and most other patches touch a neighbour that shows the same groove.
"""

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.data import write_csv
from helpers.files import DataError
from helpers.wells import wells_of

PARTS = ("train", "val", "test")


def split_y_to_train_val_test(
    y: pd.DataFrame, config: Config = Config()
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Split masks by wells, write y_train.csv, y_val.csv and y_test.csv to `config.interim_dir`, return them.

    Masks only: the images stay where they are and are found by name (R2.2). Parameters, returned frames and
    errors as in `split_by_wells`; besides, DataError : a file cannot be written.

    >>> y_train, y_val, y_test = split_y_to_train_val_test(y)  # doctest: +SKIP
    """
    parts = split_by_wells(y, config)
    for name, part in zip(PARTS, parts, strict=True):
        write_csv(part, config.interim_dir / f"y_{name}.csv")
    return parts


def split_by_wells(
    y: pd.DataFrame, config: Config = Config()
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the rows of `y` of the config's training, validation and test wells.

    Parameters
    ----------
    y : (n, 1296) masks, index = patch names. It need not have all wells of the config.

    Returns
    -------
    y_train, y_val, y_test : copies, rows in the order of `y`; each row is in exactly one of them.

    Raises
    ------
    DataError : a well in two parts of the config or in none, or a part without patches.
    ValueError : a name in the index is no patch name.
    """
    part_of = {}
    for part in PARTS:
        for well in getattr(config, f"{part}_wells"):
            if part_of.setdefault(well, part) != part:
                raise DataError(
                    f"Well {well} is in two parts, so near-copies would leak from one to the other. "
                    f"Take it out of config.{part_of[well]}_wells or config.{part}_wells."
                )
    wells = wells_of(y).tolist()
    homeless = sorted(set(wells) - set(part_of))
    if homeless:
        raise DataError(
            f"Wells {homeless} are in no part. Add them to config.train_wells, val_wells or test_wells, "
            "or leave their patches out of y."
        )
    part = np.array([part_of[well] for well in wells])
    for name in PARTS:
        if name not in part:
            raise DataError(
                f"The {name} part is empty: config.{name}_wells is {getattr(config, f'{name}_wells')}, "
                f"but y has patches of wells {sorted(set(wells))} only."
            )
    return tuple(y[part == name].copy() for name in PARTS)
