"""What every reader and writer of files needs: one kind of error, safe writing, names in order."""

import errno
import os
import platform
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from tqdm import tqdm

from helpers.wells import parse_name


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
    temporary = target.with_name(f"{part_prefix()}{uuid.uuid4().hex[:8]}-{target.name}")
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
        with tempfile.NamedTemporaryFile(prefix=part_prefix(), dir=target.parent):
            pass


def _target(path: Path) -> Path:
    """The file that is to be written for `path`: itself, or what it links to."""
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not target.is_file():
        found = "a folder" if target.is_dir() else "something that is neither a file nor a folder"
        raise DataError(f"{path}: expected the name of a file to write, found {found}. Give another name.")
    return target


def part_prefix() -> str:
    """How the name of an unfinished file or folder of this process begins.

    It is hidden, so that nothing takes it for data, and says whose it is, for `remove_leftovers`.
    """
    return f".part-{os.getpid()}-{platform.node()}-"


def remove_leftovers(folder: Path, pattern: str = ".part-*") -> None:
    """Remove the unfinished files and folders that killed processes of this machine left in a folder.

    What belongs to a running process, or to one on another machine that shares the disk, stays.
    """
    for path in Path(folder).glob(pattern):
        owner = re.match(rf"\.part-(\d+)-{re.escape(platform.node())}-", path.name)
        if owner and not psutil.pid_exists(int(owner[1])):
            with suppress(OSError):  # another process may be removing it as well
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
