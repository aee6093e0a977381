"""Names and geometry of the challenge's patches: which well, which rows, which columns.

Eight of the fifteen training wells were logged at 72 azimuths. In them the patches 2k and 2k+1 are the even
and the odd columns of the same 36 rows; in the other seven patch p+1 continues patch p downwards. The
challenge's test wells are numbered anew, from 1, so there a number says nothing: `columns_of` looks.
"""

import re

import numpy as np
import pandas as pd
from skimage.measure import label

from helpers.config import PATCH_SIZE

COLUMNS = [str(pixel) for pixel in range(PATCH_SIZE**2)]  # of a table of patches: pixels row by row
ALL_WELLS = tuple(range(1, 16))
WIDE_WELLS = frozenset({1, 2, 5, 6, 7, 8, 9, 10})  # of the training set: logged at 72 azimuths
MOST_PATCHES = 100_000  # of a well: half a gigabyte; the challenge's longest well has 1,905
_NAME = re.compile(r"well_(0|[1-9]\d{0,8})_patch_(0|[1-9]\d{0,8})", re.ASCII)


def parse_name(name: str) -> tuple[int, int]:
    """Return (well, patch number) of a patch name; raise ValueError if it is none.

    >>> parse_name("well_15_patch_201")
    (15, 201)
    """
    match = _NAME.fullmatch(str(name))
    if match is None:
        raise ValueError(f"{name!r} is not a patch name: expected well_<w>_patch_<p>, like well_3_patch_17.")
    return int(match[1]), int(match[2])


def patch_name(well: int, patch: int) -> str:
    """Return the challenge's name of a patch: `patch_name(3, 17)` is 'well_3_patch_17'."""
    return f"well_{well}_patch_{patch}"


def wells_of(frame: pd.DataFrame) -> np.ndarray:
    """Well number of each row of a frame indexed by patch name."""
    return np.array([parse_name(name)[0] for name in frame.index], dtype=int)


def column_azimuths(width: int) -> np.ndarray:
    """Direction of the middle of each column of a well, (width,) degrees: the first column begins at 0°.

    >>> column_azimuths(4)
    array([ 45., 135., 225., 315.])
    """
    return (np.arange(width) + 0.5) * 360 / width


def columns_of(images: pd.DataFrame, well: int, otherwise: int | None = None) -> int:
    """Tell from its patches whether a well was logged at 36 or at 72 azimuths.

    Twins are neighbours around the pipe, and differ little from pixel to pixel. Else the last row of patch 2k
    and the first of patch 2k+1 are neighbours along it. The ratio of the two typical differences is 0.13 to
    0.29 in the eight real wells of 72 columns, and 2.8 to 6.1 in the seven of 36 (tests/test_wells.py). Equal
    values say nothing: the tool stood still, or nothing was measured.

    images : (n, 1296) thickness of any wells, indexed by patch name; patches may be missing.
    otherwise : taken where the patches do not tell: one or two of them, or hardly anything measured; without
        it that is a ValueError.
    """
    rows = {patch: row for row, (of, patch) in enumerate(map(parse_name, images.index)) if of == well}
    pairs = [(rows[patch], rows[patch + 1]) for patch in sorted(rows) if not patch % 2 and patch + 1 in rows]
    pairs = np.array(pairs, int).reshape(-1, 2)
    pixels = images.to_numpy()[pairs].astype(float).reshape(-1, 2, PATCH_SIZE, PATCH_SIZE)
    pixels[~(np.abs(pixels) < 100)] = np.nan  # sentinels, whatever the unit
    first, second = pixels[:, 0], pixels[:, 1]
    around, along = np.abs(first - second), np.abs(first[:, -1] - second[:, 0])
    around, along = around[around > 0], along[along > 0]
    if len(along) > PATCH_SIZE:  # more than one pair
        ratio = np.median(around) / np.median(along)
        if not 1 / 1.2 < ratio < 1.2:
            return 2 * PATCH_SIZE if ratio < 1 else PATCH_SIZE
    if otherwise is None:
        raise ValueError(
            f"Well {well}: its {len(rows)} patches do not tell whether it has {PATCH_SIZE} columns around the"
            f" pipe, or {2 * PATCH_SIZE} in interleaved pairs. Say which, by columns=, or by --columns."
        )
    return otherwise


def assemble_well(patches: np.ndarray, columns: int) -> np.ndarray:
    """Put all patches of one well back together as one image, depth downwards: (36 n, 36) or (18 n, 72).

    patches : (n, 36, 36), patches 0 ... n-1 of the well in the order of their numbers.
    columns : around the pipe: 36, or 72, where twins are interleaved.
    ValueError : patches of another shape, other columns, or an odd number of patches for 72.
    """
    if patches.ndim != 3 or patches.shape[1:] != (PATCH_SIZE, PATCH_SIZE):
        raise ValueError(f"Expected patches of shape (n, {PATCH_SIZE}, {PATCH_SIZE}), found {patches.shape}.")
    if columns not in (PATCH_SIZE, 2 * PATCH_SIZE):
        raise ValueError(f"Expected a well of {PATCH_SIZE} or {2 * PATCH_SIZE} columns, found {columns}.")
    twins = columns // PATCH_SIZE
    if len(patches) % twins:
        raise ValueError(
            f"The patches of a well of {columns} columns come in pairs; found {len(patches)} patches."
        )
    blocks = patches.reshape(-1, twins, PATCH_SIZE, PATCH_SIZE)
    return np.moveaxis(blocks, 1, -1).reshape(-1, columns)


def cut_well(image: np.ndarray) -> np.ndarray:
    """Cut a well, (36 b, 36) or (36 b, 72), into its patches, (n, 36, 36): the inverse of `assemble_well`.

    ValueError : the width is neither 36 nor 72, or the height is not a multiple of 36.
    """
    if image.ndim != 2 or image.shape[1] not in (PATCH_SIZE, 2 * PATCH_SIZE) or image.shape[0] % PATCH_SIZE:
        expected = f"({PATCH_SIZE} b, {PATCH_SIZE}) or ({PATCH_SIZE} b, {2 * PATCH_SIZE})"
        raise ValueError(f"Expected a well of shape {expected}, found {image.shape}.")
    blocks = image.reshape(-1, PATCH_SIZE, PATCH_SIZE, image.shape[1] // PATCH_SIZE)
    return np.moveaxis(blocks, -1, 1).reshape(-1, PATCH_SIZE, PATCH_SIZE)


def frame_from_well(image: np.ndarray, well: int) -> pd.DataFrame:
    """The patches of a well, (36 b, 36) or (36 b, 72): (n, 1296), indexed by patch name."""
    patches = cut_well(image)
    names = pd.Index([patch_name(well, patch) for patch in range(len(patches))], name="patch")
    return pd.DataFrame(patches.reshape(len(patches), -1), names, COLUMNS)


def well_from_frame(frame: pd.DataFrame, well: int, columns: int | None = None) -> np.ndarray:
    """Assemble one well from a frame of patches, up to its last one; rows of patches that it lacks are NaN.

    frame : (n, 1296) pixels indexed by patch name, of any wells, in any order.
    columns : around the pipe, 36 or 72, see `columns_of`; by default what the well of this number has in the
        challenge's training set, or 36.
    Returns float32, (36 b, 36) or (36 b, 72), as `assemble_well` gives it.
    ValueError : no patch of this well, one twice or beyond `MOST_PATCHES`, not 1,296 columns, or thickness
        that is not as wide as the training set's well.
    """
    if columns is None:
        columns = 2 * PATCH_SIZE if well in WIDE_WELLS else PATCH_SIZE
        if frame.dtypes.eq(np.float32).all() and (told := columns_of(frame, well, columns)) != columns:
            raise ValueError(
                f"Well {well} has {columns} columns in the challenge's training set, but this one, by its "
                f"patches, has {told}: give columns={told}, or its patches another well's number."
            )
    own = frame[wells_of(frame) == well]
    if own.empty:
        raise ValueError(f"There is no patch of well {well} among the {len(frame)} patches.")
    if own.index.has_duplicates:
        raise ValueError(f"Expected each patch once, found {own.index[own.index.duplicated()][0]} twice.")
    if own.shape[1] != PATCH_SIZE**2:
        raise ValueError(f"Expected {PATCH_SIZE**2} columns, one a pixel, found {own.shape[1]}.")
    numbers = np.array([parse_name(name)[1] for name in own.index])
    count = numbers.max() + 1
    if count > MOST_PATCHES:
        last = patch_name(well, numbers.max())
        raise ValueError(f"Expected patch numbers below {MOST_PATCHES:,}, found {last}: is its name right?")
    count += count % (columns // PATCH_SIZE)  # a last patch without its twin
    patches = np.full((count, PATCH_SIZE, PATCH_SIZE), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite: no measurement either
        patches[numbers] = own.to_numpy(np.float32).reshape(-1, PATCH_SIZE, PATCH_SIZE)
    return assemble_well(patches, columns)


def label_grooves(mask: np.ndarray) -> np.ndarray:
    """Number the connected grooves of a mask, diagonal neighbours included, around the azimuth's wrap.

    mask : (H, W) of 0 and 1, a patch or a well that goes once around the pipe, else a ValueError.
    Returns (H, W) int: 0 where there is no groove, else the groove's number, 1 ... n without gaps.

    >>> label_grooves(np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]))
    array([[1, 0, 0, 1],
           [0, 0, 0, 0],
           [0, 2, 0, 0]])
    """
    if mask.ndim != 2:
        raise ValueError(f"Expected a mask of rows and columns, found shape {mask.shape}.")
    # One more column on the right, the first one again, joins what touches across the wrap.
    labels = label(np.pad(mask, ((0, 0), (0, 1)), mode="wrap"), connectivity=2)
    first, again = labels[:, 0], labels[:, -1]
    parents = np.arange(labels.max() + 1)
    for low, high in {tuple(sorted(pair)) for pair in zip(first, again, strict=True) if all(pair)}:
        parents[parents == parents[high]] = parents[low]
    _, numbers = np.unique(parents, return_inverse=True)  # background 0 stays the smallest
    return numbers[labels[:, :-1]]
