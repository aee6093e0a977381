"""Find and load the data, and refuse, with a reason, whatever does not fit together.

A data folder holds the images, as `images/well_<w>_patch_<p>.npy` or in the challenge's zip as it was
downloaded, and one table of labels. It is only read: a zip is unpacked elsewhere, once.
"""

import gzip
import os
import re
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE, PROJECT_ROOT, Config
from helpers.files import (
    DataError,
    disk_errors,
    is_image,
    listed,
    progress,
    reason_of,
    replace_atomically,
    sorted_names,
    unpack_images,
)
from helpers.wells import parse_name, wells_of

COLUMNS = [str(pixel) for pixel in range(PATCH_SIZE**2)]  # pixels of a patch, row by row
NO_MARK = 255  # while labels are checked: neither 0 nor 1
EXPECTED_FILES = "A data folder holds images/ (or one X_train*.zip) and one y_train*.csv (or .csv.gz)."
USUAL_SPREAD = 0.005, 0.06  # interquartile range of a well's thickness: 0.014 to 0.020 in the real wells
USUAL_MEDIAN = 0.02  # a well's thickness is around its mean: 0.000 to 0.003 in the real wells


@dataclass(frozen=True)
class DataSource:
    """The data folder a notebook runs on, and what can be said of it."""

    folder: Path  # for `load_data`
    simulated: bool
    labels: str  # "simulated labels", "silver labels" or "the challenge's labels"
    seed: int | None = None  # of the simulation, where it is known

    @property
    def name(self) -> str:
        """For tables: which wells, in two words."""
        return "simulated wells" if self.simulated else "real wells"

    @property
    def description(self) -> str:
        """One line that is the same on every machine, so that notebooks may print it."""
        if not self.simulated:
            return f"real challenge images with {self.labels}"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"15 simulated wells (helpers.synthetic{seed}) with {self.labels}; the clean truth is known"


def find_data(config: Config = Config()) -> DataSource:
    """Return the data to run on: $CORROSEG_DATA, else `config.raw_dir`, else the simulated wells.

    $CORROSEG_DATA is a folder, or the word "simulated". A relative folder counts from where the command
    was typed. The simulated wells are made on first use.

    Raises
    ------
    DataError : there is no such folder, or not one table of labels in it.
    """
    wanted = os.environ.get("CORROSEG_DATA", "")
    if wanted.strip() not in ("", "simulated"):
        return _describe(resolve(wanted))
    if not wanted.strip() and any(config.raw_dir.glob("[!.]*")):  # anything besides .gitkeep
        return _describe(config.raw_dir)
    from helpers.synthetic import ensure_simulated  # here, so that real data do not need it

    folder = ensure_simulated(config.simulated_dir, config.seed)
    return DataSource(folder, simulated=True, labels="simulated labels", seed=config.seed)


def resolve(wanted: str) -> Path:
    """Return the folder that $CORROSEG_DATA names, counted from where the user typed the command.

    Neither the shell's $PWD, which Jupyter hands on to its kernels, nor the working folder need be that:
    `make -C` changes both, so the Makefile says it in $CORROSEG_FROM.

    Raises
    ------
    DataError : there is no such folder.
    """
    path = os.path.expanduser(wanted)
    starts = (os.environ.get("CORROSEG_FROM"), os.environ.get("PWD"), os.getcwd(), PROJECT_ROOT)
    tried = list(dict.fromkeys(Path(start, path) for start in starts if start))  # an absolute path stays one
    for folder in tried:
        if folder.exists():
            return folder
    raise DataError(
        f"CORROSEG_DATA is {wanted!r}, but there is no such folder. Tried: {', '.join(map(str, tried))}. "
        f"{EXPECTED_FILES} CORROSEG_DATA=simulated asks for the simulated wells."
    )


def _describe(folder: Path) -> DataSource:
    labels = find_labels(folder)
    if (folder / "y_clean.csv").exists():  # only the simulation knows the clean truth
        return DataSource(folder, simulated=True, labels="simulated labels")
    silver = "silver" in labels.name.lower()
    return DataSource(folder, simulated=False, labels="silver labels" if silver else "the challenge's labels")


def load_data(
    folder: Path | None = None, unpacked_dir: Path = Config().unpacked_dir
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read all labels and images of a data folder, checked, in the order of wells and patch numbers.

    Parameters
    ----------
    folder : holds `images/` or the challenge's `X_train*.zip`, and `y_train*.csv` or `.csv.gz`. By default
        what `find_data` finds.
    unpacked_dir : where the images of a zip go, once.

    Returns
    -------
    (y_train, images_train), both (patches, 1296), indexed by patch name, with columns "0" ... "1295",
    the pixels row by row: uint8, 1 is a groove; float32, thickness variation, not cleaned yet.

    Raises
    ------
    DataError : files are missing, damaged, or images and labels do not belong together.

    Warns
    -----
    UserWarning : the images seem to be in other units, see `warn_of_other_units`.
    """
    if folder is None:
        folder = find_data().folder
    y_train = read_labels(find_labels(folder))  # first: a zip takes longer
    images_train = read_images(find_images(folder, unpacked_dir))
    check_same_patches(y_train, images_train)
    warn_of_other_units(images_train, y_train)
    return y_train, images_train


def get_patches_per_well(patches_list: Iterable[str]) -> Counter:
    """Print and return how many patches each well has, from patch names or their `.npy` file names.

    >>> get_patches_per_well(["well_1_patch_0.npy", "well_1_patch_1.npy", "well_4_patch_0.npy"])
    Well 1: 2 patches
    Well 4: 1 patch
    Wells in total: 2
    Patches in total: 3
    Counter({1: 2, 4: 1})
    """
    counts = Counter(parse_name(str(name).removesuffix(".npy"))[0] for name in patches_list)
    for well, count in sorted(counts.items()):
        print(f"Well {well}: {count} patch{'es' if count != 1 else ''}")
    print(f"Wells in total: {len(counts)}")
    print(f"Patches in total: {counts.total()}")
    return counts


def warn_of_other_units(images: pd.DataFrame, y: pd.DataFrame | None = None) -> None:
    """Warn of wells whose values cannot be the variation of the wall thickness in the challenge's units.

    The scale is judged by the interquartile range, which neither telemetry codes nor grooves move: ten times
    too large, ten times too small and all zero are far outside `USUAL_SPREAD`. Wall thickness, not its
    deviation from the mean, has a median far from 0. The sign is judged by the labelled grooves, where metal
    is lost: their median must not be above the rest of the well's. Without labels the sign cannot be told:
    false echoes above the mean are as strong as grooves below it.

    Parameters
    ----------
    images : (n, 1296) thickness, indexed by patch name, as loaded.
    y : masks of the same patches in the same order.
    """
    pixels, of_patch = images.to_numpy(), wells_of(images)
    other_scale, other_level, other_sign = {}, {}, {}
    for well in np.unique(of_patch):
        rows = np.flatnonzero(of_patch == well)
        rows = rows[:: 1 + len(rows) // 200]  # 200 patches from top to bottom tell as much as all
        values = pixels[rows]
        measured = np.abs(values) < 100  # no telemetry code, in whatever units, and not NaN
        if not measured.any():
            continue
        low, median, high = np.quantile(values[measured], [0.25, 0.5, 0.75])
        if not USUAL_SPREAD[0] <= high - low <= USUAL_SPREAD[1]:
            other_scale[well] = high - low
        elif abs(median) > USUAL_MEDIAN:
            other_level[well] = median
        elif y is not None:
            groove = y.to_numpy()[rows] == 1
            inside, outside = values[measured & groove], values[measured & ~groove]
            # Real wells have -0.044 to -0.007 here; a few pixels may come out just above 0
            if len(inside) and len(outside) and (rise := np.median(inside) - np.median(outside)) > 0.003:
                other_sign[well] = rise
    found = {
        f"half of the values lie within {{}}, expected {USUAL_SPREAD[0]} to {USUAL_SPREAD[1]}. Are they in "
        "other units than the challenge's?": other_scale,
        f"their median is {{}}, expected within {USUAL_MEDIAN} of 0. Are they wall thickness, not its "
        "deviation? Subtract the mean of each row.": other_level,
        "labelled grooves are {} above the rest of the wall, expected below, since metal is lost there. Is "
        "the sign turned over, or do the labels belong to other images?": other_sign,
    }
    for text, of_well in found.items():
        if of_well:
            wells = f"well{'s' if len(of_well) > 1 else ''} {', '.join(map(str, of_well))}"
            values = " to ".join(dict.fromkeys(f"{edge(of_well.values()):.2g}" for edge in (min, max)))
            warnings.warn(f"The images of {wells}: {text.format(values)}", stacklevel=3)


def check_same_patches(y: pd.DataFrame, images: pd.DataFrame) -> None:
    """Raise DataError, with a table by well, unless labels and images have the same patches.

    Images and labels of the challenge's first download do not fit together. To keep only the names that both
    have would mean to train on false masks of well 1; so it is refused even then.
    """
    names = {"images": images.index, "labels": y.index}
    names["images without label"] = images.index.difference(y.index)
    names["labels without image"] = y.index.difference(images.index)
    remedy = "Put images and labels of one download together; never keep only the names they have in common."
    if len(images) == 9670 or len(y) == 10290:  # the corrected download has 9,674 of both
        remedy = (
            "This is the challenge's first download, or half of it: it lacks 4 images of well 11, and its "
            "rows of well 0 and rows 0-449 of well 1 are false. Never keep only the common names: download "
            "the corrected images and labels from the page of challenge 144 on challengedata.ens.fr."
        )
    elif images.index.sort_values().equals(y.index.sort_values()):
        return
    counts = {title: Counter(parse_name(name)[0] for name in some) for title, some in names.items()}
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index().rename_axis("well").reset_index()
    lists = [f"{title.capitalize()}: {listed(some)}" for title, some in names.items() if "without" in title]
    raise DataError(
        f"Images and labels do not fit together: {len(images)} images, {len(y)} rows of labels.\n"
        + "\n".join([table.to_string(index=False), *lists, remedy])
    )


# ---------------------------------------------------------------- the challenge's files


def find_labels(folder: Path) -> Path:
    """Return the one `y_train*.csv` or `y_train*.csv.gz` of a data folder, in any case of letters."""
    return _the_only_file(folder, r"y_train.*\.csv(\.gz)?", "one y_train*.csv or y_train*.csv.gz")


def find_images(folder: Path, unpacked_dir: Path = Config().unpacked_dir) -> Path:
    """Return the folder with the .npy files: `images/`, or what the challenge's zip is unpacked to."""
    images = Path(folder) / "images"
    if images.is_dir():
        return images
    return unpack_images(
        _the_only_file(folder, r"x_train.*\.zip", "images/ or one X_train*.zip"), unpacked_dir
    )


def read_images(folder: Path, names: Iterable[str] | None = None) -> pd.DataFrame:
    """Read patches of a folder of .npy files: (patches, 1296) float32, indexed by patch name.

    Parameters
    ----------
    folder : holds `well_<w>_patch_<p>.npy`; hidden files and other kinds of files are not looked at.
    names : which to read, in this order; by default all, in the order of wells and patch numbers.
    """
    folder = Path(folder)
    if names is None:
        files = [path.name for path in _list_files(folder, "images") if is_image(path.name)]
        names = sorted_names((name.removesuffix(".npy") for name in files), folder)
    else:
        names = list(names)
        sorted_names(names, folder)
    if not names:
        raise DataError(
            f"{folder}: expected well_<w>_patch_<p>.npy files, found none. "
            "docs/running.md says how to make them."
        )
    pixels = np.empty((len(names), PATCH_SIZE**2), dtype=np.float32)
    for row, name in enumerate(progress(names, "Reading images")):
        pixels[row] = read_patch(folder / f"{name}.npy").ravel()
    return pd.DataFrame(pixels, index=pd.Index(names, name="patch"), columns=COLUMNS)


def read_patch(path: Path) -> np.ndarray:
    """Read one .npy file: (36, 36) float32, NaN and sentinels included."""
    expected = f"expected one {PATCH_SIZE} x {PATCH_SIZE} array of float32"
    try:
        with open(path, "rb") as file:
            patch = np.lib.format.read_array(file, allow_pickle=False)
            rest = file.read(1)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; {expected}.") from error
    except Exception as error:  # a damaged header makes numpy raise a dozen kinds
        raise DataError(
            f"{path}: {expected}, found a file numpy cannot read ({reason_of(error)})."
        ) from error
    if patch.shape != (PATCH_SIZE, PATCH_SIZE) or patch.dtype != np.float32 or rest:
        more = ", and bytes after it" if rest else ""
        remedy = " Save it with `.astype(np.float32)`." if patch.shape == (PATCH_SIZE, PATCH_SIZE) else ""
        raise DataError(f"{path}: {expected}, found shape {patch.shape} of {patch.dtype}{more}.{remedy}")
    return patch


def read_labels(path: Path) -> pd.DataFrame:
    """Read a table of labels: (patches, 1296) uint8 of 0 and 1, sorted by well and patch number.

    The file is the challenge's: patch names in a first column, whatever its header, then pixels 0 ... 1295.
    """
    try:
        # Read as plain text first: pandas would rename doubled columns and take a surplus one as an index
        head = pd.read_csv(path, header=None, nrows=2, dtype=str, keep_default_na=False)
        header = head.iloc[0, 1:].tolist()
        frame = None
        if header == COLUMNS:  # in parts: parsed as int64 and all at once, it takes eight times the memory
            with pd.read_csv(path, index_col=0, low_memory=False, chunksize=500) as parts:
                frame = pd.concat([_to_marks(part) for part in parts])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: not a readable CSV file of labels ({reason_of(error)}).") from error
    if frame is None:
        missing = [column for column in COLUMNS if column not in header]
        odd = [column for column, n in Counter(header).items() if n > 1 or column not in COLUMNS]
        raise DataError(
            f"{path}: expected the columns 0 ... {COLUMNS[-1]} in this order after the patch names, found "
            f"{len(header)} columns. Missing: {listed(missing)}. Doubled or unknown: {listed(odd)}."
        )
    if frame.empty:
        raise DataError(f"{path}: expected a row for each patch, found none.")
    names = sorted_names(frame.index, path)
    doubled = frame.index[frame.index.duplicated()].unique()
    if len(doubled):
        raise DataError(f"{path}: expected one row a patch, found several for {listed(doubled)}.")
    wrong = frame.to_numpy() == NO_MARK
    if wrong.any():
        cells = [f"{frame.index[row]} column {column}" for row, column in np.argwhere(wrong)[:5]]
        raise DataError(
            f"{path}: expected 0 or 1 everywhere, found something else in {wrong.sum()} cells of "
            f"{wrong.any(axis=1).sum()} patches, first in {listed(cells)}. "
            "(Masks of 0 and 255: divide by 255.)"
        )
    return frame.loc[names]


def _to_marks(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels as read, of any type -> uint8: 0, 1, or NO_MARK for whatever is neither."""
    texts = [column for column, kind in frame.dtypes.items() if kind.kind not in "iuf"]
    if texts:
        frame[texts] = frame[texts].astype(str).apply(pd.to_numeric, errors="coerce")
    values = frame.to_numpy()
    right = (values == 0) | (values == 1)  # NaN, which a blank or a text has become, is neither
    marks = np.where(right, values == 1, NO_MARK).astype(np.uint8)
    return pd.DataFrame(marks, frame.index.astype(str).rename("patch"), frame.columns)


def write_csv(masks: pd.DataFrame, path: Path) -> None:
    """Write masks in the challenge's format: names first, under an empty header. All of it or nothing.

    Parameters
    ----------
    masks : (patches, 1296) of 0 and 1, indexed by patch name, as `read_labels` returns them.
    path : a name that ends in .gz is compressed.

    Raises
    ------
    ValueError : a value is neither 0 nor 1.
    """
    values = masks.to_numpy()
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        found = f"{values[wrong][0]} in {masks.index[wrong.any(axis=1).argmax()]}"
        raise ValueError(f"{path}: expected masks of 0 and 1, found {found}. Apply a threshold first.")
    digits = values.astype(np.uint8) + ord("0")
    with replace_atomically(path) as temporary:
        with (gzip.open if temporary.suffix == ".gz" else open)(temporary, "wt", newline="") as file:
            rows = zip(masks.index, digits, strict=True)  # written by hand, since `to_csv` takes far longer
            file.write(",".join(["", *masks.columns]) + "\n")
            file.writelines(",".join([name, *row.tobytes().decode()]) + "\n" for name, row in rows)


def _list_files(folder: Path, what: str) -> list[Path]:
    """Return the files of a folder, sorted; raise DataError if it is no folder, or a closed one."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing of this name"
        raise DataError(f"{folder}: expected a folder with {what}, found {found}. {EXPECTED_FILES}")
    with disk_errors(folder, "read", folder):
        return sorted(path for path in folder.iterdir() if path.is_file())


def _the_only_file(folder: Path, pattern: str, what: str) -> Path:
    files = [path for path in _list_files(Path(folder), what) if re.fullmatch(pattern, path.name, re.I)]
    if len(files) != 1:
        found = listed(path.name for path in files)
        raise DataError(f"{folder}: expected {what}, found {found}. {EXPECTED_FILES}")
    return files[0]


def check_data(config: Config = Config()) -> None:
    """Find and read the data and print which they are; run as `python -m helpers.data`."""
    try:
        source = find_data(config)
        y, _ = load_data(source.folder, config.unpacked_dir)
    except DataError as error:
        sys.exit(str(error))
    print(f"Data: {source.description}. {len(y)} patches in {source.folder}")


if __name__ == "__main__":
    check_data()
