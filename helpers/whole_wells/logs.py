"""Logs as tools write them: an azimuthal thickness channel of a DLIS file becomes a well on disk.

DLIS is the industry's format (API RP 66, version 1, 1991); dlisio, Equinor's library, reads it. A log is read
in pieces and written as `.npy`, so that a file of gigabytes needs little more memory than a small one: dlisio
keeps the place of each row, about 40 bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from helpers.config import PATCH_SIZE
from helpers.files import DataError, listed, reason_of, replace_atomically

CHANNEL = "THBK"
METRES = {
    "m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "in": 0.0254, "0.1 in": 0.00254, "0.01 in": 0.000254,
    "0.001 in": 0.0000254, "um": 1e-6,
}  # fmt: skip
INCH = METRES["in"]
ABSENT = -999.25, -999, -9999, -32768  # tools write such values where they have none
WALLS = 0.02, 2.0  # inches: a wall outside this is no measurement; deviations lie around 0
PIECE = 16 * 2**20  # bytes that are read at once


@dataclass(frozen=True)
class Log:
    """A log in the shape that networks of this project take.

    Attributes
    ----------
    path : `.npy` of (H, 36 or 72) float32, deviation of the wall thickness from its row's mean, in inches;
        the first row is the shallowest. NaN where nothing was measured.
    depth : (H,) metres, or None where the log has no depths.
    notes : what was changed or is unusual, a sentence each.
    """

    path: Path
    depth: np.ndarray | None
    notes: tuple[str, ...]


def read_log(
    source: Path,
    target: Path,
    channel: str = CHANNEL,
    frame: str | None = None,
    logical_file: int | None = None,
    unit: str | None = None,
    progress: Callable[[int, int], None] = lambda done, rows: None,
) -> Log:
    """Read a thickness channel of a DLIS file, and write it as a well of 36 or 72 columns.

    What the challenge's values are measured in is not published. They are taken for inches: metal loss of
    half a millimetre, 0.02 inch, is what ultrasonic tools resolve.

    Parameters
    ----------
    target : `.npy` to write; half of it is never left.
    channel : by its mnemonic; each sample is one turn of the tool.
    frame, logical_file : name of the frame, and number of the logical file, from 0; needed where several have
        the channel.
    unit : of the channel, one of `METRES`, where the file names none or a wrong one.
    progress : called after each piece with the rows read and all rows.

    Raises
    ------
    DataError : dlisio is not installed; the file is missing, damaged or no DLIS; the channel is missing, in
        several frames, of an unknown unit, or cannot be a well; the target cannot be written.
    """
    source = Path(source)
    notes = []
    with _opened(source) as files:
        logical, chosen, curve = _choose(source, files, channel, frame, logical_file)
        columns = int(np.prod(curve.dimension))
        if columns < 8 or max(curve.dimension) != columns:
            raise DataError(
                f"{source}: expected channel {channel} with at least 8 azimuths a row, found "
                f"dimensions {curve.dimension}."
            )
        scale = _metres_of(source, unit or curve.units, f"channel {channel}", "name it with unit=") / INCH
        places = logical.fdata_index.get(chosen.fingerprint, [])
        rows = len(places)
        if not rows:
            raise DataError(f"{source}: frame {chosen.name} has channel {channel}, but no rows.")
        depth = np.full(rows, np.nan)
        depth_name, depth_scale = _depth_channel(source, chosen, notes)
        width = 2 * PATCH_SIZE if columns >= 1.5 * PATCH_SIZE else PATCH_SIZE
        if columns != width:
            notes.append(f"{columns} azimuths were resampled to {width} around the pipe.")
        around = around_the_pipe(columns, width)
        is_wall = None
        with replace_atomically(target) as temporary, open(temporary, "wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
            np.lib.format.write_array_header_1_0(file, header)
            start = 0
            for piece in _pieces(source, logical, chosen, places):
                stop = start + len(piece)
                values = piece[curve.name].reshape(len(piece), columns).astype(float)
                values = np.where(_measured(values), values * scale, np.nan)
                if is_wall is None and np.isfinite(values).any():
                    is_wall = bool(np.nanmedian(values) > 0.1)
                if is_wall:
                    values[(values < WALLS[0]) | (values > WALLS[1])] = np.nan
                values -= _row_means(values) if is_wall else 0.0
                file.write(resample(values, around).astype("<f4").tobytes())
                if depth_name:
                    raw = piece[depth_name].reshape(len(piece)).astype(float)
                    depth[start:stop] = np.where(_measured(raw), raw * depth_scale, np.nan)
                start = stop
                progress(start, rows)
        if is_wall is None:
            raise DataError(f"{source}: channel {channel} holds no measured value in its {rows} rows.")
    if is_wall:
        notes.append("The channel is the wall's thickness; each row's mean was taken off.")
    depth = _tidy_depth(depth, notes) if depth_name else None
    if depth is not None and depth[-1] < depth[0]:
        notes.append("It was logged upwards; rows were turned round, the shallowest first.")
        depth = depth[::-1].copy()
        _turn_round(target)
    return Log(Path(target), depth, tuple(notes))


def _measured(values: np.ndarray) -> np.ndarray:
    return np.isfinite(values) & ~np.isin(values, ABSENT)


def around_the_pipe(columns: int, width: int) -> np.ndarray:
    """Weights (columns, width) that resample a turn: the share of each new sector that an old one covers."""
    old, new = (np.arange(n + 1) / n for n in (columns, width))
    low = np.maximum(old[:-1, None], new[None, :-1])
    high = np.minimum(old[1:, None], new[None, 1:])
    return np.clip(high - low, 0, None) * width


def resample(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(H, columns) -> (H, width) by `around_the_pipe`; NaN where over half of a new sector is unmeasured."""
    known = np.isfinite(values)
    share = known @ weights
    total = np.where(known, values, 0.0) @ weights
    return np.where(share >= 0.5 - 1e-9, total / np.maximum(share, 1e-9), np.nan)


def _row_means(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    count = known.sum(axis=1, keepdims=True)
    return np.where(known, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)


def _opened(source: Path):
    """The file's logical files; a context manager."""
    try:
        from dlisio import dlis
    except ImportError as error:
        raise DataError(
            f"{source}: a DLIS file is read with dlisio, which is not installed: pip install dlisio."
        ) from error
    if not source.is_file():
        raise DataError(f"{source}: expected a DLIS file, found none. Is the path right?")
    try:
        files = dlis.load(str(source))
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise DataError(
            f"{source}: expected a DLIS file, could not read it ({_reason(error)}). Copy it again, or have "
            "it exported again."
        ) from error
    if not len(files):
        raise DataError(f"{source}: expected a DLIS file, found one without any logical file.")
    return files


def _reason(error: Exception) -> str:
    """The first line of what dlisio says, which goes on about bytes."""
    return reason_of(error).splitlines()[0].removeprefix("Problem:").strip()


def _choose(source: Path, files, channel: str, frame: str | None, number: int | None):
    """The one logical file, frame and channel that are meant."""
    everything, fitting = [], []
    for place, logical in enumerate(files):
        for candidate in logical.frames:
            names = [curve.name for curve in candidate.channels if curve is not None]
            everything += names
            if channel in names and frame in (None, candidate.name) and number in (None, place):
                fitting.append((place, logical, candidate, names.count(channel)))
    found = [f"frame {candidate.name} of logical file {place}" for place, _, candidate, _ in fitting]
    if not fitting:
        where = "".join(
            [f" in frame {frame}" if frame else "", "" if number is None else f" of logical file {number}"]
        )
        raise DataError(
            f"{source}: expected a channel {channel}{where}, found {listed(sorted(set(everything)))}."
        )
    if len(fitting) > 1 or fitting[0][3] > 1:
        raise DataError(
            f"{source}: channel {channel} is in {listed(found)}"
            + (", twice in one frame. " if fitting[0][3] > 1 else ". ")
            + "Say which is meant, by frame and logical file."
        )
    _, logical, candidate, _ = fitting[0]
    return logical, candidate, next(curve for curve in candidate.channels if curve.name == channel)


def _metres_of(source: Path, unit: str | None, what: str, remedy: str) -> float:
    name = (unit or "").strip().lower()
    name = {"inch": "in", "inches": "in", "feet": "ft", "metre": "m", "meter": "m"}.get(name, name)
    if name not in METRES:
        raise DataError(f"{source}: {what} has the unit {unit!r}, expected one of {list(METRES)}; {remedy}.")
    return METRES[name]


def _depth_channel(source: Path, frame, notes: list[str]) -> tuple[str | None, float]:
    """Name and metres of a unit of the frame's index, where that is a depth."""
    index = frame.channels[0]
    if not frame.index_type or "DEPTH" not in str(frame.index_type).upper():
        notes.append(f"Frame {frame.name} is not indexed by depth, so places are given in rows.")
        return None, 1.0
    try:
        return index.name, _metres_of(source, index.units, f"depth {index.name}", "correct the file")
    except DataError:
        notes.append(f"Depth {index.name} has the unit {index.units!r}, so places are given in rows.")
        return None, 1.0


def _pieces(source: Path, logical, frame, places: list[int]) -> Iterator[np.ndarray]:
    """The frame's rows, some at a time: dlisio is shown a part of its own list of the rows' places."""
    from dlisio.dlis.utils.fdata import curves

    dtype = frame.dtype()
    names = [name for name in dtype.names if name != "FRAMENO"]
    if len(names) != len(set(names)):
        raise DataError(f"{source}: frame {frame.name} has two channels of one name.")
    step = max(1, PIECE // dtype.itemsize)
    for start in range(0, len(places), step):
        part = SimpleNamespace(
            fdata_index={frame.fingerprint: places[start : start + step]},
            file=logical.file,
            error_handler=logical.error_handler,
        )
        try:
            yield curves(part, frame, dtype, "", frame.fmtstr(), "")
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            raise DataError(
                f"{source}: rows {start} and following could not be read ({_reason(error)})."
            ) from error


def _tidy_depth(depth: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Fill depths that are NaN, turn elevations into depths; say where steps are uneven."""
    known = np.isfinite(depth)
    if known.sum() < 2:
        notes.append("The depths are absent, so places are given in rows.")
        return None
    if not known.all():
        rows = np.arange(len(depth))
        depth = np.interp(rows, rows[known], depth[known])
        notes.append(f"{(~known).sum():,} absent depths were filled from their neighbours.")
    if np.median(depth) < 0:
        depth = -depth
        notes.append("The depths are negative, as elevations are; their sign was turned.")
    steps = np.diff(depth)
    usual = np.median(steps)
    if usual == 0:
        notes.append("The depth stands still, so places are given in rows.")
        return None
    if (back := int((steps * usual < 0).sum())) > 0:
        notes.append(f"The tool went back at {back:,} rows; depths are given as logged.")
    if (uneven := int((np.abs(steps - usual) > 0.1 * abs(usual)).sum())) > 0:
        notes.append(
            f"{uneven:,} of {len(steps):,} depth steps differ by over a tenth from the usual "
            f"{abs(usual) * 1000:.1f} mm, the longest is {np.abs(steps).max():.3f} m; rows stay as they are."
        )
    return depth


def _turn_round(path: Path, step: int = 100_000) -> None:
    """Reverse the rows of a saved well, from both ends, without holding it."""
    well = np.load(path, mmap_mode="r", allow_pickle=False)
    with replace_atomically(path) as temporary, open(temporary, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": well.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for stop in range(len(well), 0, -step):
            file.write(np.ascontiguousarray(well[max(0, stop - step) : stop][::-1]).tobytes())
