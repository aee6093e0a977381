"""Files: one kind of error, outputs written whole or not at all, and zips that stay in their folder."""

import errno
import os
import shutil
import stat
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from tqdm import tqdm

from helpers.wells import parse_name

UNFINISHED = ".part-"  # how the names of unfinished files begin: hidden, so that nothing takes them for data
LARGEST_ENTRY = 2**20  # bytes in a zip; a patch has 5,312, so anything near this is not one
LARGEST_TOTAL = 2**30  # bytes; the challenge's 9,674 patches have 51 million


class DataError(ValueError):
    """A file or folder is not what it should be; the message says which, what was found and expected."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message, without the path through our code that led to it."""
        return [f"DataError: {self}"]


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a path to write to, beside `path`, and put it in the place of `path` at the end.

    When the block fails or is interrupted, `path` stays as it was and the half-written file is removed. If
    `path` is a symbolic link, the file that it names is replaced and the link stays.

    Raises
    ------
    DataError : there is something at `path` that is no regular file, or it could not be written.

    >>> with replace_atomically(Path("model.pt")) as temporary:  # doctest: +SKIP
    ...     torch.save(state, temporary)
    """
    target = _target(path)
    # The name's end stays, since numpy and pandas look at it
    temporary = target.with_name(f"{UNFINISHED}{uuid.uuid4().hex[:8]}-{target.name}")
    with disk_errors(path, "written", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
    try:
        with disk_errors(path, "written", target.parent):  # says how full the disk is before we clean up
            yield temporary
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def check_output(path: Path) -> None:
    """Make sure that a file can be put at `path`, before long work whose result goes there.

    Raises
    ------
    DataError : it cannot; an old file at `path` stays as it is.
    """
    target = _target(path)
    with disk_errors(path, "written", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=UNFINISHED, dir=target.parent):
            pass


def _target(path: Path) -> Path:
    """The file that is to be written for `path`: itself, or what it links to."""
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not target.is_file():
        found = "a folder" if target.is_dir() else "something that is neither a file nor a folder"
        raise DataError(f"{path}: expected the name of a file to write, found {found}. Give another name.")
    return target


def remove_leftovers(folder: Path, pattern: str = f"{UNFINISHED}*") -> None:
    """Remove the unfinished files and folders that killed processes left in a folder.

    Those are a day old or more: a younger one may belong to a process, here or on another machine that
    shares the disk, which is still writing it.
    """
    for path in Path(folder).glob(pattern):
        with suppress(OSError):  # another process may be removing it as well
            if time.time() - path.stat().st_mtime > 24 * 60 * 60:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def disk_errors(path: Path, what: str, disk: Path) -> Iterator[None]:
    """Turn an OSError into a DataError that names `path` and, when `disk` is full, the space left on it."""
    try:
        yield
    except OSError as error:
        reason = reason_of(error)
        if error.errno == errno.ENOSPC:
            there = next(folder for folder in (disk, *disk.absolute().parents) if folder.exists())
            reason = f"the disk is full, with {shutil.disk_usage(there).free / 1e6:.1f} MB free; make room"
        raise DataError(f"{path}: could not be {what}: {reason}.") from error


def unpack_images(archive_path: Path, unpacked_dir: Path) -> Path:
    """Return the folder under `unpacked_dir` with the patches of a zip, under their bare file names.

    A zip is unpacked once, and again when it has moved or changed. The folder gets its name only when it is
    complete: what a killed process leaves has a hidden name that nothing reads.

    Raises
    ------
    DataError : the zip is damaged, has anything in it that is not harmless, or there is no room for it.
    """
    archive_path, unpacked_dir = Path(archive_path), Path(unpacked_dir)
    with disk_errors(archive_path, f"unpacked into {unpacked_dir}", unpacked_dir):
        status = archive_path.stat()
        key = f"{archive_path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        target = unpacked_dir / f"{archive_path.stem}-{sha256(os.fsencode(key)).hexdigest()[:12]}"
        remove_leftovers(unpacked_dir)
        if target.is_dir():
            return target
        unpacked_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=unpacked_dir) as scratch:
            part = Path(scratch) / "images"  # unlike the scratch folder, it is not closed to other users
            part.mkdir()
            _extract(archive_path, part)
            try:
                part.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was first, with the same files
                    raise
    return target


def _extract(archive_path: Path, part: Path) -> None:
    try:
        with zipfile.ZipFile(archive_path) as archive:
            entries = _patch_entries(archive, archive_path)
            for name in progress(entries, "Unpacking images"):
                with archive.open(entries[name]) as source:
                    (part / f"{name}.npy").write_bytes(source.read(LARGEST_ENTRY))
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
        elif wanted and info.file_size > LARGEST_ENTRY:
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
    if total > LARGEST_TOTAL:
        raise DataError(
            f"{archive_path}: nothing was unpacked, because its {len(entries):,} images have {total:,} bytes "
            f"together, where the challenge's 9,674 have 51 million. At most {LARGEST_TOTAL:,} are unpacked."
        )
    sorted_names(entries, archive_path)
    return entries


def is_image(file_name: str) -> bool:
    return file_name.lower().endswith(".npy") and not file_name.startswith(".")


def sorted_names(names: Iterable[str], where: Path) -> list[str]:
    """Return patch names in the order of (well, patch number); raise DataError if any is not one."""
    keys, wrong = {}, []
    for name in names:
        try:
            keys[name] = parse_name(name)
        except ValueError:
            wrong.append(repr(name))
    if wrong:
        raise DataError(f"{where}: expected patch names, well_<w>_patch_<p>, found {listed(wrong)}.")
    return sorted(keys, key=keys.__getitem__)


def progress(items: Iterable, title: str) -> tqdm:
    return tqdm(items, desc=title, delay=2, leave=False, file=sys.stderr)


def reason_of(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    if "pickle" in reason:  # numpy's advice is to trust the file
        return "it holds Python objects, or a header as large as if it did, and those are never loaded"
    return reason


def listed(items: Iterable, most: int = 5) -> str:
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(map(str, items[:most])) + more or "none"


def run_from_command_line(main: Callable[[], None]) -> None:
    """Run a command's main function: what can be expected to go wrong ends in one sentence, no traceback."""
    said, status = "", 1
    try:
        main()
        sys.stdout.flush()
        return
    except KeyboardInterrupt:
        said, status = "Stopped. No file is left half-written; start again.", 130
    except MemoryError:
        said = "There is not enough memory for this."
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # that is `| head`, which has what it wanted
            said = ": ".join(str(part) for part in (error.filename, reason_of(error)) if part) + "."
        with suppress(OSError, ValueError):  # nothing more goes to an output that may be closed or full
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, FloatingPointError) as error:  # a DataError is a ValueError
        said = str(error)
    if said:
        print(said, file=sys.stderr)
    sys.exit(status)
