"""Take the images out of the challenge's zip, and nothing else: no name may leave the folder."""

import stat
import zipfile
from pathlib import Path

from helpers.files import DataError, is_image, progress, reason_of, sorted_names

_LARGEST_ENTRY = 2**20  # bytes; a patch has 5,312, so anything near this is not one
_LARGEST_TOTAL = 2**30  # bytes; the challenge's 9,674 patches have 51 million


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
