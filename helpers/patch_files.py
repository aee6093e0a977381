"""The challenge's file formats: patches as .npy, alone or in a zip, and tables of labels.

A data folder holds the images, as `images/well_<w>_patch_<p>.npy` or in the challenge's zip as it was
downloaded, and one table of labels. It is only read: a zip is unpacked elsewhere, once, and no name in it may
leave that folder.
"""

import gzip
import os
import re
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE, Config
from helpers.files import (
    DataError,
    disk_errors,
    is_image,
    listed,
    part_prefix,
    progress,
    reason_of,
    remove_leftovers,
    replace_atomically,
    sorted_names,
)

COLUMNS = [str(pixel) for pixel in range(PATCH_SIZE**2)]  # pixels of a patch, row by row
NO_MARK = 255  # while labels are checked: neither 0 nor 1
EXPECTED_FILES = "A data folder holds images/ (or one X_train*.zip) and one y_train*.csv (or .csv.gz)."
_LARGEST_ENTRY = 2**20  # bytes; a patch has 5,312, so anything near this is not one
_LARGEST_TOTAL = 2**30  # bytes; the challenge's 9,674 patches have 51 million


def find_labels(folder: Path) -> Path:
    """Return the one `y_train*.csv` or `y_train*.csv.gz` of a data folder, in any case of letters."""
    return _the_only_file(folder, r"y_train.*\.csv(\.gz)?", "one y_train*.csv or y_train*.csv.gz")


def find_images(folder: Path, unpacked_dir: Path = Config().unpacked_dir) -> Path:
    """Return the folder with the .npy files: `images/`, or what the challenge's zip was unpacked to.

    A zip is unpacked once under `unpacked_dir`, and again when it has moved or changed. The folder gets
    its name only when it is complete: what a killed process leaves has a hidden name that nothing reads, and
    the next call removes it.
    """
    images = Path(folder) / "images"
    if images.is_dir():
        return images
    archive_path = _the_only_file(folder, r"x_train.*\.zip", "images/ or one X_train*.zip")
    unpacked_dir = Path(unpacked_dir)
    with disk_errors(archive_path, f"unpacked into {unpacked_dir}", unpacked_dir):
        status = archive_path.stat()
        key = f"{archive_path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        target = unpacked_dir / f"{archive_path.stem}-{sha256(os.fsencode(key)).hexdigest()[:12]}"
        remove_leftovers(unpacked_dir)
        if target.is_dir():
            return target
        unpacked_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=part_prefix(), dir=unpacked_dir) as scratch:
            part = Path(scratch) / "images"  # unlike the scratch folder, it is not closed to other users
            part.mkdir()
            unpack_images(archive_path, part)
            try:
                part.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was first, with the same files
                    raise
    return target


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
        raise DataError(f"{folder}: expected well_<w>_patch_<p>.npy files, found none.")
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
        raise DataError(f"{path}: {expected}, found shape {patch.shape} of {patch.dtype}{more}.")
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
            f"{wrong.any(axis=1).sum()} patches, first in {listed(cells)}."
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


def unpack_images(archive_path: Path, part: Path) -> None:
    """Write the patches of a zip into the folder `part`, under their bare file names."""
    try:
        with zipfile.ZipFile(archive_path) as archive:
            entries = _patch_entries(archive, archive_path)
            for name in progress(entries, "Unpacking images"):
                with archive.open(entries[name]) as source:
                    (part / f"{name}.npy").write_bytes(source.read(_LARGEST_ENTRY))
    except (DataError, OSError):
        raise
    except Exception as error:  # a damaged archive makes zipfile raise a dozen kinds
        raise DataError(f"{archive_path}: damaged zip ({reason_of(error)}). Download it again.") from error


def _patch_entries(archive: zipfile.ZipFile, archive_path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the entries to unpack by patch name; raise DataError if any entry of the zip is not harmless."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        path, problem = info.orig_filename, None  # zipfile rewrites `filename`, differently on each system
        *folders, file_name = path.split("/")
        wanted = is_image(file_name) and "__MACOSX" not in folders
        if "\\" in path or path.startswith("/") or ".." in path.split("/") or path[1:2] == ":":
            problem = "has a path that may leave the folder"
        elif stat.S_ISLNK(info.external_attr >> 16):
            problem = "is a symbolic link"
        elif info.flag_bits & 1:
            problem = "is encrypted"
        elif wanted and info.file_size > _LARGEST_ENTRY:
            problem = f"has {info.file_size:,} bytes, where a patch has 5,312"
        elif wanted and file_name.removesuffix(".npy") in entries:
            problem = "has the file name of another entry"
        if problem:
            raise DataError(f"{archive_path}: nothing was unpacked, because entry {path!r} {problem}.")
        if wanted:
            entries[file_name.removesuffix(".npy")] = info
    if not entries:
        raise DataError(f"{archive_path}: expected well_<w>_patch_<p>.npy files in it, found none.")
    total = sum(info.file_size for info in entries.values())  # more than this zipfile does not unpack
    if total > _LARGEST_TOTAL:
        raise DataError(
            f"{archive_path}: nothing was unpacked, because its {len(entries):,} images have {total:,} bytes "
            f"together, where the challenge's 9,674 have 51 million. At most {_LARGEST_TOTAL:,} are unpacked."
        )
    sorted_names(entries, archive_path)
    return entries
