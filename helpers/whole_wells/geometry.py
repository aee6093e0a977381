"""What a well of any length is, and its patches by name."""

from collections.abc import Mapping, Sequence

import numpy as np

from helpers.data.wells import cut_well, parse_name

HEIGHT = 144  # rows of a section, chosen by folds in notebook 07


def check_well(shape: Sequence[int]) -> None:
    """Raise ValueError unless (H, W) can be a well: at least one row, and two columns around the pipe."""
    if len(shape) != 2 or shape[0] < 1 or shape[1] < 2:
        raise ValueError(
            "Expected a well of rows and columns, at least 1 row and 2 columns around the pipe, "
            f"found shape {tuple(shape)}."
        )


def patches_of_wells(wells: Mapping[int, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Cut assembled wells, well -> (H, W); return the patches of these names, (n, 36, 36), in their order.

    ValueError : a well is missing, or too short for one of its patches.
    """
    cut = {well: cut_well(image) for well, image in wells.items()}
    patches = []
    for name in names:
        well, patch = parse_name(name)
        if well not in cut or patch >= len(cut[well]):
            found = f"{len(cut[well])} patches of it" if well in cut else f"wells {sorted(cut)}"
            raise ValueError(f"{name} is not among the wells given: found {found}.")
        patches.append(cut[well][patch])
    return np.stack(patches)
