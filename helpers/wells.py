"""Names and geometry of the challenge's patches: which well, which rows, which columns.

Eight wells were logged at 72 azimuths. In them the patches 2k and 2k+1 are the even and the odd
columns of the same 36 rows; in the other seven wells patch p+1 continues patch p downwards.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE

ALL_WELLS = tuple(range(1, 16))
WIDE_WELLS = frozenset({1, 2, 5, 6, 7, 8, 9, 10})  # logged at 72 azimuths, cut into interleaved twins
_NAME = re.compile(r"well_(0|[1-9]\d*)_patch_(0|[1-9]\d*)", re.ASCII)


def parse_name(name: str) -> tuple[int, int]:
    """Return (well, patch number) of a patch name.

    Raises
    ------
    ValueError : the name is not `well_<w>_patch_<p>`.

    >>> parse_name("well_15_patch_201")
    (15, 201)
    """
    match = _NAME.fullmatch(str(name))
    if match is None:
        raise ValueError(
            f"{name!r} is not a patch name: expected 'well_<w>_patch_<p>', for example 'well_3_patch_17'."
        )
    return int(match[1]), int(match[2])


def patch_name(well: int, patch: int) -> str:
    """Return the challenge's name of a patch: `patch_name(3, 17)` is 'well_3_patch_17'."""
    return f"well_{well}_patch_{patch}"


def block_of(name: str) -> tuple[int, int]:
    """(well, block) of a patch: blocks of 36 rows, counted from the top of the well; twins share theirs.

    >>> block_of("well_3_patch_17"), block_of("well_1_patch_17")
    ((3, 17), (1, 8))
    """
    well, patch = parse_name(name)
    return well, patch // 2 if well in WIDE_WELLS else patch


def wells_of(frame: pd.DataFrame) -> np.ndarray:
    """Well number of each row of a frame indexed by patch name."""
    return np.array([parse_name(name)[0] for name in frame.index], dtype=int)


def assemble_well(patches: np.ndarray, well: int) -> np.ndarray:
    """Put all patches of one well back together as one image, depth downwards.

    Parameters
    ----------
    patches : (n, 36, 36), patches 0 ... n-1 of the well in the order of their numbers.
    well : its number, which decides whether twins are interleaved.

    Returns
    -------
    (36 n, 36) for a well logged at 36 azimuths, (18 n, 72) for one logged at 72.

    Raises
    ------
    ValueError : patches of another shape, or an odd number of them in a 72-column well.
    """
    if patches.ndim != 3 or patches.shape[1:] != (PATCH_SIZE, PATCH_SIZE):
        raise ValueError(f"Well {well}: expected patches of shape (n, 36, 36), found {patches.shape}.")
    if well not in WIDE_WELLS:
        return patches.reshape(-1, PATCH_SIZE)
    if len(patches) % 2:
        raise ValueError(
            f"Well {well} has 72 columns, so its patches come in pairs; found {len(patches)} patches."
        )
    return np.stack([patches[0::2], patches[1::2]], axis=-1).reshape(-1, 2 * PATCH_SIZE)


def cut_well(image: np.ndarray, well: int) -> np.ndarray:
    """Cut an assembled well into the challenge's patches: the inverse of `assemble_well`.

    Parameters
    ----------
    image : (36 b, 36), or (36 b, 72) for a well logged at 72 azimuths.

    Returns
    -------
    (n, 36, 36), patch p at index p.

    Raises
    ------
    ValueError : the width is not the well's, or the height is not a multiple of 36.
    """
    width = 2 * PATCH_SIZE if well in WIDE_WELLS else PATCH_SIZE
    if image.ndim != 2 or image.shape[1] != width or image.shape[0] % PATCH_SIZE:
        raise ValueError(f"Well {well}: expected an image of shape (36 b, {width}), found {image.shape}.")
    if well not in WIDE_WELLS:
        return image.reshape(-1, PATCH_SIZE, PATCH_SIZE)
    blocks = image.reshape(-1, PATCH_SIZE, PATCH_SIZE, 2)
    return np.moveaxis(blocks, -1, 1).reshape(-1, PATCH_SIZE, PATCH_SIZE)


def well_from_frame(frame: pd.DataFrame, well: int) -> np.ndarray:
    """Assemble one well from a frame of patches; rows of patches that are not in it are NaN.

    Parameters
    ----------
    frame : (n, 1296) pixels indexed by patch name, of any wells, in any order.

    Returns
    -------
    float32, (36 b, 36) or (36 b, 72), as `assemble_well` gives it. It ends with the last patch in `frame`.

    Raises
    ------
    ValueError : `frame` has no patch of this well.
    """
    numbers = {name: parse_name(name) for name in frame.index}
    rows = {patch: name for name, (of_well, patch) in numbers.items() if of_well == well}
    if not rows:
        raise ValueError(f"There is no patch of well {well} among the {len(frame)} patches.")
    count = max(rows) + 1
    if well in WIDE_WELLS:
        count += count % 2
    patches = np.full((count, PATCH_SIZE, PATCH_SIZE), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite: no measurement either
        pixels = frame.loc[list(rows.values())].to_numpy(np.float32)
    patches[list(rows)] = pixels.reshape(-1, PATCH_SIZE, PATCH_SIZE)
    return assemble_well(patches, well)


def missing_patches(frame: pd.DataFrame, well: int) -> list[str]:
    """Names of the patches that a well lacks, up to its last one: the gaps of `well_from_frame`.

    A 72-column well whose last patch has no twin lacks that twin.

    Parameters
    ----------
    frame : (n, 1296) pixels indexed by patch name, of any wells, in any order.
    """
    there = {patch for of_well, patch in map(parse_name, frame.index) if of_well == well}
    count = max(there, default=-1) + 1
    if well in WIDE_WELLS:
        count += count % 2
    return [patch_name(well, patch) for patch in range(count) if patch not in there]


def patches_of_wells(wells: Mapping[int, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Cut assembled wells, well -> (H, W); return the patches of these names, (n, 36, 36), in their order.

    Raises
    ------
    ValueError : a well is missing, or too short for one of its patches.
    """
    cut = {well: cut_well(image, well) for well, image in wells.items()}
    patches = []
    for name in names:
        well, patch = parse_name(name)
        if well not in cut or patch >= len(cut[well]):
            found = f"{len(cut[well])} patches of it" if well in cut else f"wells {sorted(cut)}"
            raise ValueError(f"{name} is not among the wells given: found {found}.")
        patches.append(cut[well][patch])
    return np.stack(patches)
