"""Find and load the data, and refuse, with a reason, whatever does not fit together.

A data folder holds the images, as `images/well_<w>_patch_<p>.npy` or in the challenge's zip as it was
downloaded, and one table of labels. It is only read, and nothing is unpacked.
"""

import csv
import gzip
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE, PROJECT_ROOT, Config
from helpers.data.wells import COLUMNS, parse_name, wells_of
from helpers.files import (
    DataError,
    check_input,
    disk_errors,
    listed,
    progress,
    reason_of,
    replace_atomically,
)

EXPECTED_FILES = "A data folder holds images/ (or one X_train*.zip) and one y_train*.csv (or .csv.gz)."
DIGITS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}  # of labels, written as whole or as floating-point numbers
USUAL_SPREAD = 0.005, 0.06  # interquartile range of a well's thickness: 0.014 to 0.020 in the real wells
USUAL_MEDIAN = 0.02  # a well's thickness is around its mean: 0.000 to 0.003 in the real wells
# Patches of wells 1 to 15 in the corrected download; then the images and rows of labels of the first one
_COUNTS = (166, 616, 1774, 59, 98, 964, 1654, 78, 166, 80, 1512, 44, 1905, 355, 203)
PATCHES = dict(enumerate(_COUNTS, start=1))
FIRST_DOWNLOAD = (PATCHES | {11: 1508}, PATCHES | {0: 166, 1: 616})


@dataclass(frozen=True)
class DataSource:
    """The data folder a notebook runs on, and what can be said of it."""

    folder: Path  # for `load_data`
    simulated: bool
    labels: str  # "simulated labels", "silver labels" or "the challenge's labels"
    seed: int | None = None  # of the simulation, where it is known

    @property
    def name(self) -> str:
        return "simulated wells" if self.simulated else "real wells"

    @property
    def description(self) -> str:
        """One line that is the same on every machine, so that notebooks may print it."""
        if not self.simulated:
            return f"real challenge images with {self.labels}"
        source = "helpers.data.synthetic" + ("" if self.seed is None else f", seed {self.seed}")
        return f"15 simulated wells ({source}) with {self.labels}; the clean truth is known"


def find_data(config: Config = Config()) -> DataSource:
    """Return the data to run on: $CORROSEG_DATA, else `config.raw_dir`, else the simulated wells.

    $CORROSEG_DATA is a folder, see `resolve`, or "simulated". Simulated wells are made on first use.
    DataError : there is no such folder, or not one table of labels in it.
    """
    wanted, folder = os.environ.get("CORROSEG_DATA", ""), config.raw_dir  # a name may end in a blank
    with disk_errors(folder, "read", folder):
        raw = folder.is_dir() and any(name[0] != "." for name in os.listdir(folder))  # besides .gitkeep
    if wanted.strip() == "simulated" or not (wanted.strip() or raw):
        from helpers.data.synthetic import ensure_simulated  # here, so that real data do not need it

        folder = ensure_simulated(config.simulated_dir, config.seed)
        return DataSource(folder, simulated=True, labels="simulated labels", seed=config.seed)
    if wanted.strip():
        folder = resolve(wanted)
    silver = "silver" in find_labels(folder).name.lower()
    if (folder / "y_clean.csv").exists():  # only the simulation knows the clean truth
        return DataSource(folder, simulated=True, labels="simulated labels")
    return DataSource(folder, simulated=False, labels="silver labels" if silver else "the challenge's labels")


def resolve(wanted: str) -> Path:
    """Return the folder that $CORROSEG_DATA names, counted from where the user typed the command.

    That need not be the shell's $PWD nor the working folder: `make -C` changes both, and says $CORROSEG_FROM.
    """
    starts = (os.environ.get("CORROSEG_FROM"), os.environ.get("PWD"), os.getcwd(), PROJECT_ROOT)
    tried = list(dict.fromkeys(Path(start, os.path.expanduser(wanted)) for start in starts if start))
    for folder in tried:
        with disk_errors(folder, "read", folder):
            if folder.exists():
                return folder
    raise DataError(
        f"CORROSEG_DATA is {wanted!r}, but there is no such folder. Tried: {', '.join(map(str, tried))}. "
        f"{EXPECTED_FILES} CORROSEG_DATA=simulated asks for the simulated wells."
    )


def load_data(folder: Path | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read all labels and images of a data folder, checked, in the order of wells and patch numbers.

    folder : by default what `find_data` finds.
    Returns (y_train, images_train), both (patches, 1296), indexed by patch name, with columns "0" ... "1295",
    the pixels row by row: uint8, 1 is a groove; float32, thickness variation, not cleaned yet.
    DataError : files are missing or damaged, or images and labels do not belong together.
    Warns, see `warn_of_other_units`.
    """
    folder = find_data().folder if folder is None else folder
    y_train, images_train = read_labels(find_labels(folder)), read_images(find_images(folder))
    check_same_patches(y_train, images_train)
    warn_of_other_units(images_train)
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
    print(f"Wells in total: {len(counts)}\nPatches in total: {counts.total()}")
    return counts


def check_same_patches(y: pd.DataFrame, images: pd.DataFrame) -> None:
    """Raise DataError, with a table by well, unless labels and images have the same patches.

    Images and labels of the challenge's first download do not fit together. To keep only the names that both
    have would mean to train on false masks of well 1; so it is refused even then.
    """
    names = {"images": images.index, "labels": y.index}
    names["images without label"] = images.index.difference(y.index)
    names["labels without image"] = y.index.difference(images.index)
    wells = {what: Counter(parse_name(name)[0] for name in some) for what, some in names.items()}
    if wells["images"] == FIRST_DOWNLOAD[0] or wells["labels"] in FIRST_DOWNLOAD:
        remedy = (
            "This is the challenge's first download, or half of it: it lacks 4 images of well 11, and its "
            "rows of well 0 and rows 0-449 of well 1 are false. Never keep only the common names: download "
            "the corrected images and labels from the page of challenge 144 on challengedata.ens.fr."
        )
    elif images.index.sort_values().equals(y.index.sort_values()):
        return
    else:
        remedy = "Take images and labels of one download; never keep only the names they have in common."
    table = pd.DataFrame(wells).fillna(0).astype(int).sort_index().rename_axis("well").reset_index()
    raise DataError(
        f"Images and labels do not fit together: {len(images)} images, {len(y)} rows of labels.\n"
        f"{table.to_string(index=False)}\n"
        f"Images without label: {listed(names['images without label'])}\n"
        f"Labels without image: {listed(names['labels without image'])}\n{remedy}"
    )


def warn_of_other_units(images: pd.DataFrame) -> None:
    """Warn of wells in which (n, 1296) images cannot be the variation of wall thickness in usual units."""
    of_patch, odd = wells_of(images), []
    for well in np.unique(of_patch):
        values = images.to_numpy()[of_patch == well]
        values = values[np.abs(values) < 100]  # no telemetry code, in whatever units, and not NaN
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else (0, 0, USUAL_MEDIAN)
        if not USUAL_SPREAD[0] <= high - low <= USUAL_SPREAD[1] or abs(median) > USUAL_MEDIAN:
            odd.append(f"well {well} {high - low:.2g} around {median:.2g}")
    if odd:
        expected = "half of the values within 0.005 to 0.06, around a median within 0.02 of 0"
        remedy = "Are they in other units, or wall thickness without the mean of each row subtracted?"
        found = listed(odd, most=15)
        warnings.warn(f"Images of other units: expected {expected}; found {found}. {remedy}", stacklevel=3)


def find_labels(folder: Path) -> Path:
    """Return the one `y_train*.csv` or `y_train*.csv.gz` of a data folder, in any case of letters."""
    return _the_only_file(Path(folder), r"y_train.*\.csv(\.gz)?", "one y_train*.csv or y_train*.csv.gz")


def find_images(folder: Path) -> Path:
    """Return where the images of a data folder are: in `images/`, or else in the challenge's zip."""
    images = Path(folder) / "images"
    with disk_errors(images, "read", images):
        if images.is_dir():
            return images
    return _the_only_file(images.parent, r"x_train.*\.zip", "images/ or one X_train*.zip")


def read_images(place: Path, names: Iterable[str] | None = None) -> pd.DataFrame:
    """Read patches of a folder or zip of .npy files: (patches, 1296) float32, indexed by patch name.

    place : holds `well_<w>_patch_<p>.npy`, a zip in any of its folders; no other file is looked at.
    names : which to read, in this order; by default all, in the order of wells and patch numbers.
    DataError : one is not there, or no patch.
    """
    place = Path(place)
    with _images_in(place) as (there, open_image):
        names = sorted_names(there, place) if names is None else list(names)
        sorted_names(names, place)
        if missing := sorted(set(names) - set(there)):
            raise DataError(f"{place / missing[0]}.npy: there is no such file; {len(missing)} are missing.")
        if not names:
            remedy = "docs/running.md says how to make them"
            raise DataError(f"{place}: expected well_<w>_patch_<p>.npy files, found none; {remedy}.")
        pixels = np.empty((len(names), PATCH_SIZE**2), dtype=np.float32)
        for row, name in enumerate(progress(names, "Reading images", delay=2)):
            pixels[row] = read_patch(place / f"{name}.npy", open_image).ravel()
    return pd.DataFrame(pixels, index=pd.Index(names, name="patch"), columns=COLUMNS)


@contextmanager
def _images_in(place: Path) -> Iterator[tuple[list[str], Callable[[Path, str], BinaryIO]]]:
    """The names of all images of a folder or zip, and a function that opens one."""
    if place.suffix.lower() != ".zip":
        files = [path.name for path in _files_in(place, "images") if _is_image(path.name)]
        yield [name.removesuffix(".npy") for name in files], open
        return
    check_input(place)
    with _one_error(f"{place}: damaged zip, download it again"), zipfile.ZipFile(place) as archive:
        entries = {}
        for entry in archive.infolist():
            name = re.split(r"[/\\]", entry.filename)[-1]
            if _is_image(name) and "__MACOSX" not in entry.filename:
                if name in entries:
                    raise DataError(f"{place}: expected each image once, found {name} twice.")
                entries[name] = entry
        open_entry = lambda path, mode: archive.open(entries[path.name])  # noqa: E731
        yield [name.removesuffix(".npy") for name in entries], open_entry


def read_patch(path: Path, open_image: Callable[[Path, str], BinaryIO] = open) -> np.ndarray:
    """Read one .npy file: (36, 36) float32, NaN and sentinels included."""
    shape = (PATCH_SIZE, PATCH_SIZE)
    expected = f"{path}: expected one {PATCH_SIZE} x {PATCH_SIZE} array of float32, found"
    with _one_error(f"{expected} a file numpy cannot read"), open_image(path, "rb") as file:
        patch = np.lib.format.read_array(file, allow_pickle=False)
        rest = ", and bytes after it" if file.read(1) else ""
    if patch.shape != shape or patch.dtype != np.float32 or rest:
        remedy = "Save thickness before it is rounded to whole numbers, with `.astype(np.float32)`."
        raise DataError(f"{expected} shape {patch.shape} of {patch.dtype}{rest}. {remedy}")
    return patch


def read_labels(path: Path) -> pd.DataFrame:
    """Read a table of labels: (patches, 1296) uint8 of 0 and 1, sorted by well and patch number.

    The file is the challenge's: patch names in a first column, whatever its header, then pixels 0 ... 1295.
    DataError : it is not; the first row that is wrong is told at once.
    """
    check_input(path)
    open_text = gzip.open if str(path).lower().endswith(".gz") else open
    masks = {}
    with _one_error(f"{path}: not a readable CSV file of labels"):
        with open_text(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            if (columns := next(rows, [])[1:]) != COLUMNS:
                pairs = zip_longest(columns, COLUMNS, fillvalue="nothing")
                found = "first {} in place of {}".format(*next(pair for pair in pairs if pair[0] != pair[1]))
                expected = f"the columns 0 ... {COLUMNS[-1]} after the names, with commas between them"
                raise DataError(f"{path}: expected {expected}; found {len(columns)}, {found}.")
            for name, *values in filter(None, rows):
                if name in masks:
                    raise DataError(f"{path}: expected one row a patch, found several for {name}.")
                masks[name] = _mask(values, f"{path}, row of {name}: expected")
    names = sorted_names(masks, path)
    if not names:
        raise DataError(f"{path}: expected a row for each patch, found none.")
    return pd.DataFrame(np.stack([masks[name] for name in names]), pd.Index(names, name="patch"), COLUMNS)


def _mask(values: list[str], expected: str) -> np.ndarray:
    """The values of a row of labels -> (1296,) uint8 of 0 and 1."""
    if len(values) != len(COLUMNS):
        raise DataError(f"{expected} {len(COLUMNS)} values, one a pixel, found {len(values)}.")
    if wrong := [column for column, value in enumerate(values) if value not in DIGITS]:
        found = f"{values[wrong[0]][:20]!r} in column {wrong[0]} and {len(wrong) - 1} more"
        raise DataError(f"{expected} 0 or 1, found {found}. (Masks of 0 and 255: divide by 255.)")
    return np.array([DIGITS[value] for value in values], np.uint8)


def write_csv(masks: pd.DataFrame, path: Path) -> None:
    """Write masks, (patches, 1296) of 0 and 1 indexed by patch name, in the challenge's format.

    All of it or nothing; compressed if the name ends in .gz. ValueError : a value is neither 0 nor 1.
    """
    values = masks.to_numpy()
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        found = f"{values[wrong][0]} in {masks.index[wrong.any(axis=1).argmax()]}"
        raise ValueError(f"{path}: expected masks of 0 and 1, found {found}. Apply a threshold first.")
    with replace_atomically(path) as temporary:
        masks.astype(np.uint8).to_csv(temporary, index_label="", lineterminator="\n")


def sorted_names(names: Iterable[str], where: Path) -> list[str]:
    """Return patch names in the order of (well, patch number); raise DataError if any is not one."""
    try:
        return sorted(names, key=parse_name)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None


def _is_image(file_name: str) -> bool:
    return file_name.lower().endswith(".npy") and not file_name.startswith(".")


def _files_in(folder: Path, what: str) -> list[Path]:
    """Return the files of a folder, sorted; raise DataError if it is no folder, or a closed one."""
    with disk_errors(folder, "read", folder):
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing of this name"
            raise DataError(f"{folder}: expected a folder with {what}, found {found}. {EXPECTED_FILES}")
        return sorted(path for path in folder.iterdir() if path.is_file())


def _the_only_file(folder: Path, pattern: str, what: str) -> Path:
    files = [path for path in _files_in(folder, what) if re.fullmatch(pattern, path.name, re.I)]
    if len(files) != 1:
        found = listed(path.name for path in files)
        raise DataError(f"{folder}: expected {what}, found {found}. {EXPECTED_FILES}")
    return files[0]


@contextmanager
def _one_error(text: str) -> Iterator[None]:
    """Turn whatever a library raises for a damaged file, which is a dozen kinds, into one DataError."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{text} ({reason_of(error)}).") from error
