"""Files: one kind of error, and outputs that are written whole or not at all."""

import errno
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm.auto import tqdm

UNFINISHED = ".part-"  # how the names of unfinished files begin: hidden, so that nothing takes them for data
DRIVE = Path("/content/drive")  # where Colab mounts it


class DataError(ValueError):
    """A file or folder is not what it should be; the message says which, what was found and expected."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message, without the path through our code that led to it."""
        return [f"DataError: {self}"]


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a path to write to, a file or a new folder, and put it in the place of `path` at the end.

    When the block fails, `path` stays as it was and what is half-written is removed. A symbolic link stays,
    and the file that it names is replaced. DataError : what is at `path` is no regular file, or it could not
    be written.
    """
    target, temporary = _where_to_write(path)
    try:
        with disk_errors(path, "written", target.parent):  # says how full the disk is before we clean up
            yield temporary
            os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink(missing_ok=True)


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder; where it is not there, `make` fills a hidden one, which gets its name at the end.

    Processes may make it at once: the first one gives the name. DataError : it could not be made.
    """
    try:
        if not folder.is_dir():
            with replace_atomically(folder) as part:
                part.mkdir()
                make(part)
    except DataError:
        if not folder.is_dir():  # else another process was first
            raise
    return folder


def check_output(path: Path) -> None:
    """Raise DataError, before long work, if its result cannot be put at `path`; an old file there stays."""
    _, temporary = _where_to_write(path)
    with disk_errors(path, "written", temporary.parent):
        temporary.touch()
        temporary.unlink()


def _where_to_write(path: Path) -> tuple[Path, Path]:
    """The file that is to be written for `path`, itself or what it links to, and a hidden name beside it."""
    target = Path(os.path.realpath(path))
    with disk_errors(path, "written", target.parent):
        if os.path.lexists(target) and not target.is_file():
            raise DataError(f"{path}: expected the name of a file to write, found {_kind(target)}.")
        target.parent.mkdir(parents=True, exist_ok=True)
    # The name's end stays, since numpy and pandas look at it
    return target, target.with_name(f"{UNFINISHED}{uuid.uuid4().hex[:8]}-{target.name}")


def check_input(path: Path) -> None:
    """Raise DataError unless `path` is a regular file: a pipe would be waited for, a device may never end."""
    with disk_errors(path, "read", Path(path)):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError(f"{path}: expected a file, found {_kind(path)}.")


def _kind(path: Path) -> str:
    return "a folder" if os.path.isdir(path) else "a pipe or a device, neither a file nor a folder"


@contextmanager
def disk_errors(path: Path, what: str, disk: Path) -> Iterator[None]:
    """Turn an OSError into a DataError that names `path` and, when `disk` is full, the space left on it.

    A Google Drive that is not mounted is an error too: its folder would lie on Colab's own disk.
    """
    if "google.colab" in sys.modules and DRIVE in Path(disk, "_").absolute().parents:
        if not os.path.ismount(DRIVE):
            remedy = f"Run `from google.colab import drive; drive.mount({str(DRIVE)!r})` first"
            raise DataError(f"{path}: could not be {what}: Google Drive is not mounted. {remedy}.")
    try:
        yield
    except OSError as error:
        reason = reason_of(error)
        if error.errno == errno.ENOSPC:
            there = next(folder for folder in (disk, *disk.absolute().parents) if folder.exists())
            reason = f"the disk is full, with {shutil.disk_usage(there).free / 1e6:.1f} MB free; make room"
        raise DataError(f"{path}: could not be {what}: {reason}.") from error


def progress(items: Collection, title: str, **options) -> Iterator:
    """The items, under a bar in a terminal or a notebook, unless $TQDM_DISABLE says that nobody looks."""
    silent = bool(os.environ.get("TQDM_DISABLE"))  # tqdm's bar for notebooks does not heed it by itself
    # tqdm is not given the items: it would begin a DataLoader a second time
    with tqdm(total=len(items), desc=title, leave=False, disable=silent, **options) as bar:
        for item in items:
            yield item
            bar.update()


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
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # that is `| head`, which has what it wanted
            said = ": ".join(str(part) for part in (error.filename, reason_of(error)) if part) + "."
        with suppress(OSError, ValueError):  # nothing more goes to an output that may be closed or full
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, FloatingPointError, MemoryError) as error:  # a DataError is a ValueError
        said = "There is not enough memory for this." if isinstance(error, MemoryError) else str(error)
    if said:
        print(said, file=sys.stderr)
    sys.exit(status)
