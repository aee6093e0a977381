"""Logs as tools write them: an azimuthal thickness channel of a DLIS file becomes a well on disk.

DLIS is the industry's format (API RP 66, version 1, 1991); dlisio, Equinor's library, reads it. A log is read
and written in pieces, so gigabytes need little more memory than a small one: dlisio keeps 40 bytes a row.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.config import PATCH_SIZE, Config
from helpers.files import DataError, listed, reason_of, replace_atomically

CHANNEL = "THBK"
MEASURED = "measured.npy"
BEARINGS = "RB", "RBC", "RBOD", "RELB", "RELBEAR"  # clockwise from the high side to the tool's first column
NOMINAL = r"THNO|(?i:.*nominal.*thick.*|.*thick.*nominal.*)"  # parameter of the wall's thickness
CASING = "CSIZ", "CWEI", "CASG"  # parameters: its size, weight and grade
HEADER = "Well", "Field", "Company", "Run", "Tool", "Casing"
INCH = 0.0254
METRES = {
    "m metre metres meter meters": 1.0, "cm": 0.01, "mm millimetre millimetres millimeter millimeters": 0.001,
    "um µm μm micron microns": 1e-6, "ft foot feet f": 0.3048, 'in inch inches "': INCH,
    "mil mils thou": INCH / 1000,
}  # fmt: skip
ABSENT = -999.25, -999, -9999, -9999.25, -32767, -32768  # tools write such values where they have none
WALL, DEVIATION = (0.02, 2.0), (-0.9, 0.9)  # inches: what lies outside is no measurement
AZIMUTHS = 8, 3600  # that a turn of the tool may have
BREAK = 10  # rows: where as many are missing, or the tool went back so far, a groove does not go on
PIECE = 16 * 2**20  # bytes that are read at once


@dataclass(frozen=True)
class Log:
    """A log in the shape that networks of this project take, inches.

    Both files are .npy, (H, 36 or 72) float32, the top row first, NaN where nothing was measured.
    """

    path: Path  # thickness minus its row's mean, loss down to `Config.outlier_threshold`
    measured: Path  # the wall's thickness, or its deviation as the log has it; nothing is cut off
    is_wall: bool = False  # which of the two
    depth: np.ndarray | None = None  # (H,) metres, or None where the log has none
    notes: tuple[str, ...] = ()  # what was changed or is unusual, a sentence each
    breaks: tuple[int, ...] = ()  # rows before which others are missing, or the tool went back
    nominal: float | None = None  # thickness of the wall, inches
    header: dict[str, str] = field(default_factory=dict)  # what the file says, of `HEADER`


def read_log(
    source, target: Path, channel=CHANNEL, frame="", logical_file=None, unit="", nominal=None, bearing=""
) -> Log:
    """Read a thickness channel of a DLIS file, and write it as a well of 36 or 72 columns.

    What the challenge's values are measured in is not published. They are taken for inches: metal loss of
    half a millimetre, 0.02 inch, is what ultrasonic tools resolve. Each of their rows has the mean 0, so here
    too a row's mean is taken off, be it of the wall's thickness or of the deviation from the nominal one.

    A sample of the channel is one turn of the tool. Where several have its name or its frame's, they are
    named with origin and copy number, "THBK.1.0", or by logical file, from 0. `unit` is that of the channel,
    where the file names none or a wrong one. `nominal`, inches, goes before what the file says. `bearing` is
    the channel that tells how the tool is turned, by default one of `BEARINGS`; with "none", or where there
    is none, azimuths stay the tool's. `target` is an `.npy`, and `MEASURED` is written beside it; of neither
    half is ever left.

    DataError : the file is missing, damaged or no DLIS; the channel is missing, in several places, of an
    unknown unit, or cannot be a well; the target cannot be written; dlisio is not installed.
    """
    source, notes, kept = Path(source), [], []
    with _opened(source) as files:
        logical, chosen, curve = _choose(source, files, channel, frame, logical_file)
        read, places, columns, turned = _reader(source, logical, chosen, curve, bearing, unit)
        (low, high), upwards = _first_look(source, read, places, notes)
        header, nominal = _told(logical, curve, nominal, notes)
        added = nominal if low < 0 and "nominal" in str(curve.long_name).lower() else 0
        if added:
            notes.append("The channel is thickness minus the nominal one, which was added for the wall.")
        if upwards:
            notes.append("It was logged upwards; rows were turned round, the shallowest first.")
            places = places[::-1]
        width = 2 * PATCH_SIZE if columns >= 1.5 * PATCH_SIZE else PATCH_SIZE
        if columns != width:
            notes.append(f"{columns} azimuths were resampled to {width} around the pipe.")
        around = around_the_pipe(columns, width)
        bar = tqdm(total=len(places), unit="row", desc="read", mininterval=1)

        def pieces() -> Iterator[np.ndarray]:
            for values, *place in read(places):
                values[~((low <= values) & (values <= high))] = np.nan
                kept.append(place)
                yield resample(values, around) + added
                bar.update(len(values))

        with bar:
            measured = _write(target, (len(places), width), pieces(), notes)
        depth, numbers, bearings = map(np.concatenate, zip(*kept, strict=True))
        depth, index = _tidy_depth(depth, notes), chosen.channels[0]
        if depth is None:
            index = f"{index.name} ({chosen.index_type}, unit {index.units})"
            notes.append(f"The index {index} gives no depth, so places are given in rows.")
        _tell_bearing(turned, bearings, notes)
    breaks = _breaks(depth, numbers, notes)
    is_wall = low > 0 or added > 0
    return Log(Path(target), measured, is_wall, depth, tuple(notes), breaks, nominal, header)


def log_of_well(well: np.ndarray, target: Path, nominal: float | None = None) -> Log:
    """Write an assembled well, (H, W) inches of deviation from each row's mean, as `read_log` does."""
    (low, high), rows, notes = DEVIATION, max(1, PIECE // (8 * well.shape[1])), []
    pieces = (np.asarray(well[start : start + rows], float) for start in range(0, len(well), rows))
    kept = (np.where((low <= values) & (values <= high), values, np.nan) for values in pieces)
    return Log(target, _write(target, well.shape, kept, notes, False), notes=tuple(notes), nominal=nominal)


def _write(target: Path, shape: tuple[int, int], pieces: Iterable, notes: list[str], off_mean=True) -> Path:
    """Write pieces of what was measured, (h, W) inches, beside their deviation for the network; see `Log`."""
    measured, limit, deep = Path(target).with_name(MEASURED), Config().outlier_threshold, 0
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with replace_atomically(target) as first, replace_atomically(measured) as second:
        with open(first, "wb") as clipped, open(second, "wb") as whole:
            np.lib.format.write_array_header_1_0(clipped, header)
            np.lib.format.write_array_header_1_0(whole, header)
            for values in pieces:
                whole.write(values.astype("<f4").tobytes())
                known = np.maximum(np.isfinite(values).sum(axis=1, keepdims=True), 1)
                values = values - off_mean * np.nansum(values, axis=1, keepdims=True) / known
                deep += np.count_nonzero(values < limit)
                clipped.write(np.maximum(values, limit).astype("<f4").tobytes())
    if deep:
        said = f"{deep:,} pixels lie over {-limit:g} inch below their row's mean. The network was given that"
        notes.append(f"{said} limit; {MEASURED} holds what was measured.")
    return measured


def around_the_pipe(columns: int, width: int) -> np.ndarray:
    """Weights (columns, width) that resample a turn: the share of each new sector that an old one covers."""
    old, new = (np.arange(n + 1) / n for n in (columns, width))
    low = np.maximum(old[:-1, None], new[None, :-1])
    high = np.minimum(old[1:, None], new[None, 1:])
    return np.clip(high - low, 0, None) * width


def resample(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(H, columns) -> (H, width) by `around_the_pipe`; NaN where over half of a new sector is unmeasured."""
    share = np.isfinite(values) @ weights
    return np.where(share >= 0.5 - 1e-9, np.nan_to_num(values) @ weights / np.maximum(share, 1e-9), np.nan)


def turn_rows(values: np.ndarray, bearing: np.ndarray) -> np.ndarray:
    """(H, columns), each row moved around by (H,) degrees, NaN as its neighbours, to the nearest column.

    A mean of two columns would smooth the rough wall that the network knows.
    """
    known = np.flatnonzero(np.isfinite(bearing))
    if not len(known):
        return values
    degrees = np.interp(np.arange(len(bearing)), known, np.unwrap(bearing[known], period=360))
    steps = np.rint(degrees / 360 * values.shape[1]).astype(int)
    return np.take_along_axis(values, (np.arange(values.shape[1]) - steps[:, None]) % values.shape[1], 1)


@contextmanager
def _opened(source: Path) -> Iterator:
    """The file's logical files; whatever goes wrong with them is one DataError."""
    try:
        from dlisio import common, dlis

        common.set_encodings(["latin1"])  # for names that are not in UTF-8: every byte is a letter of it
        logging.getLogger("dlisio").setLevel(logging.CRITICAL)  # one sentence of ours says as much
        with dlis.load(str(source)) as files:
            if not len(files):
                raise ValueError("it has no logical file")
            yield files
    except DataError:
        raise
    except ImportError as error:
        raise DataError(f"{source}: dlisio, which reads DLIS, is missing: pip install dlisio.") from error
    except Exception as error:  # a damaged file makes dlisio raise a dozen kinds, wherever it is asked
        reason = reason_of(error).splitlines()[0].removeprefix("Problem:").strip()
        raise DataError(
            f"{source}: expected a DLIS file, could not read it ({reason}). Copy it again, or have it "
            "exported again."
        ) from error


def _choose(source: Path, files, channel: str, frame: str, number: int | None):
    """The one logical file, frame and channel that are meant."""

    def names(thing) -> tuple[str, str, str]:
        return "", thing.name, f"{thing.name}.{thing.origin}.{thing.copynumber}"

    images, found = set(), {}
    for place, logical in enumerate(files):
        for each in logical.frames:
            for curve in filter(None, each.channels):
                if max(curve.dimension, default=0) >= AZIMUTHS[0]:
                    images.add(curve.name)
                if channel in names(curve) and frame in names(each) and number in (None, place):
                    name = f"{names(curve)[2]} in frame {names(each)[2]} of logical file {place}"
                    found[name] = logical, each, curve
    if len(found) != 1:
        advice = (
            "Name one with --channel, --frame and --logical-file, as they are written here. Channels with "
            f"azimuths: {listed(sorted(images), 20)}."
            if images
            else "No channel has azimuths, as that of a tool which looks around the pipe: name another file."
        )
        raise DataError(f"{source}: expected one channel {channel}, found {listed(found)}. {advice}")
    ((logical, each, curve),) = found.values()
    if None in each.channels:
        raise DataError(
            f"{source}: frame {each.name} refers to a channel that the file does not describe, or "
            "describes twice, so its rows cannot be read. Have it exported again."
        )
    return logical, each, curve


def unit_in_metres(unit: str | None) -> float | None:
    """Metres of a unit as the field spells it, with or without a factor; None if it is no length.

    >>> unit_in_metres("0.1 in"), unit_in_metres("MM"), unit_in_metres("%")
    (0.00254, 0.001, None)
    """
    match = re.fullmatch(r"(1/\d+|\d*\.?\d+)?(\D+)", "".join((unit or "").lower().split()).rstrip("."))
    for spellings, metres in METRES.items():
        if match and match[2] in spellings.split():
            return float(Fraction(match[1] or 1)) * metres
    return None


def _tell_bearing(turned: str, bearings: np.ndarray, notes: list[str]) -> None:
    jumps = np.abs((np.diff(bearings[np.isfinite(bearings)]) + 180) % 360 - 180)
    if not turned or not len(jumps):
        said = "No relative bearing was used, so azimuths are the tool's own"
        notes.append(f"{said}: where it turned, grooves look as if they drift.")
        return
    said = f"Rows were turned by the relative bearing {turned}, to the nearest azimuth: 0° is the high side."
    jump = f" It jumps by {np.median(jumps):.0f}° a row, as in a vertical well: try --bearing none."
    notes.append(said + jump * bool(np.median(jumps) > 5))


def _told(logical, curve, nominal: float | None, notes: list[str]) -> tuple[dict[str, str], float | None]:
    """What the file says of its well, by `HEADER`, and the nominal thickness, inches, if it is not given."""

    def words(values) -> str:
        return ", ".join(text for value in values if (text := str(value or "").strip()))[:100]

    header, thick, casing = {}, {}, []
    try:
        for parameter in logical.parameters:
            name, values = parameter.name, parameter.values
            unit = parameter.attic["VALUES"].units if len(values) else ""
            if any(re.fullmatch(NOMINAL, str(text)) for text in (name, parameter.long_name)):
                sizes = pd.to_numeric(values, errors="coerce") * (unit_in_metres(unit) or np.nan) / INCH
                thick |= {round(size, 4): name for size in sizes if 0.1 <= size <= 2}
            if name in CASING and words(values):
                casing.append(f"{words(values)} {unit or ''}")
        origin, source = logical.origins[0], curve.source
        tools = [source] if getattr(source, "type", "") == "TOOL" else logical.tools
        tools = [tool.description or tool.name for tool in tools]
        told = [origin.well_name], [origin.field_name], [origin.company], origin.run_nr, tools, casing
        header = {name: text for name, values in zip(HEADER, told, strict=True) if (text := words(values))}
    except Exception as error:  # as of `_opened`; the log itself may well be whole
        reason = reason_of(error).splitlines()[0]
        notes.append(f"What the file says of its well could not be read ({reason}).")
    if nominal is None and len(thick) == 1:
        ((nominal, name),) = thick.items()
        notes.append(f"Nominal thickness: {nominal * 25.4:.2f} mm, from the file's parameter {name}.")
    elif nominal is None and thick:
        sizes = listed(f"{size * 25.4:.2f} mm" for size in thick)
        notes.append(f"The file has several nominal thicknesses, {sizes}. Name one with --nominal.")
    return header, nominal


def _reader(source: Path, logical, frame, curve, bearing: str, unit: str) -> tuple:
    """What reads rows of a frame, the places of its rows, the channel's azimuths, that of bearing or ""."""
    from dlisio.dlis.utils.fdata import curves

    columns, index = int(np.prod(curve.dimension, dtype=float)), frame.channels[0]
    dtype, places = frame.dtype(strict=False), logical.fdata_index.get(frame.fingerprint, [])
    single = {each.name: each for each in frame.channels if each.dimension == [1]}
    turned = next((single[name] for name in ([bearing] if bearing else BEARINGS) if name in single), index)
    # channels of one name have others here
    field, index_field, turn = (dtype.names[1 + frame.channels.index(of)] for of in (curve, index, turned))
    scale = unit_in_metres(unit or curve.units)
    around = max(curve.dimension) == columns and AZIMUTHS[0] <= columns <= AZIMUTHS[1]
    expected = f"expected {AZIMUTHS[0]} to {AZIMUTHS[1]:,} azimuths a row"
    problems = {
        f"rows of {dtype.itemsize:,} bytes in frame {frame.name}": dtype.itemsize > PIECE,
        f"dimensions {curve.dimension}, {expected}": not around,
        "no plain numbers, as a thickness is": dtype[field].base.kind not in "iuf",
        f"the unit {unit or curve.units!r}, expected a length, as in, 0.1 in, mm or m (--unit)": not scale,
        f"no rows in frame {frame.name}": not places,
        f"no {bearing} (--bearing) beside it in frame {frame.name}": bearing not in ("", "none", *single),
    }
    if wrong := [text for text, is_there in problems.items() if is_there]:
        raise DataError(f"{source}: channel {curve.name} has {wrong[0]}.")
    is_depth = "DEPTH" in str(frame.index_type).upper() and dtype[index_field].kind in "iuf"
    metres = unit_in_metres(index.units) if is_depth else None

    def measured(values: np.ndarray) -> np.ndarray:
        values = values.astype(float)
        return np.where(np.isfinite(values) & ~np.isin(values, ABSENT), values, np.nan)

    def read(places: list[int]) -> Iterator[tuple[np.ndarray, ...]]:
        """Pieces of (h, columns) inches, and (h,) metres of depth, numbers of rows, degrees of bearing."""
        step = max(1, PIECE // dtype.itemsize)
        for start in range(0, len(places), step):
            some = {frame.fingerprint: places[start : start + step]}  # dlisio is shown these places only
            part = SimpleNamespace(**(vars(logical) | {"fdata_index": some}))
            piece = curves(part, frame, dtype, "", frame.fmtstr(), "")
            values = measured(piece[field].reshape(len(piece), columns)) * scale / INCH
            depth = measured(piece[index_field]) * metres if metres else np.full(len(piece), np.nan)
            degrees = np.full(len(piece), np.nan)
            if turned is not index:
                degrees = measured(piece[turn]) * (180 / np.pi if "rad" in str(turned.units) else 1)
                degrees[np.abs(degrees) > 360] = np.nan
            yield turn_rows(values, degrees), depth, piece["FRAMENO"].astype(int), degrees

    return read, places, columns, turned.name if turned is not index else ""


def _first_look(
    source: Path, read: Callable, places: list[int], notes: list[str]
) -> tuple[tuple[float, float], bool]:
    """What 2,000 of its rows say: the limits of its values, in inches, and whether it was logged upwards."""
    values, depth, *_ = map(np.concatenate, zip(*read(places[:: 1 + len(places) // 2000]), strict=True))
    values = values[np.isfinite(values) & (values != 0)]  # a tool switched on too early writes zeros
    if not len(values):
        raise DataError(f"{source}: the channel holds no measured value in its {len(places):,} rows.")
    is_wall = np.median(values) > 0.1
    low, high = limits = WALL if is_wall else DEVIATION
    if abs(values[(low <= values) & (values <= high)].sum()) > 0.001 * len(values):
        kind = "the wall's thickness" if is_wall else "a deviation of its thickness"
        notes.append(f"The channel is {kind}; each row's mean was taken off.")
    depth = depth[np.isfinite(depth)]
    downwards = np.sign(np.diff(depth)).sum() * (-1 if len(depth) and np.median(depth) < 0 else 1)
    return limits, bool(downwards < 0)


def _tidy_depth(depth: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Fill absent and odd depths, turn elevations into depths; None where there is no depth that moves."""
    steps = np.diff(depth[np.isfinite(depth)])
    if not steps.any():
        return None
    usual = np.median(steps[steps != 0])  # rows may come in groups of one depth
    # A null of whatever value lies far from the depths of the fifty rows above and below
    nearby = pd.Series(depth).rolling(101, center=True, min_periods=1).median()
    good = np.flatnonzero(np.abs(depth - nearby) <= 200 * abs(usual))
    if absent := len(depth) - len(good):
        rows = np.arange(len(depth))
        beyond = rows - rows.clip(good[0], good[-1])
        depth = np.interp(rows, good, depth[good]) + usual * beyond
        notes.append(f"{absent:,} absent or odd depths were filled from their neighbours.")
    if np.median(depth) < 0:
        depth = -depth
        notes.append("The depths are negative, as elevations are; their sign was turned.")
    return depth


def _breaks(depth: np.ndarray | None, numbers: np.ndarray, notes: list[str]) -> tuple[int, ...]:
    """Rows before which the log goes on elsewhere, by depths or, where rows were lost, by their numbers."""
    lost = np.maximum(np.abs(np.diff(numbers)) - 1, 0)
    if lost.any():
        notes.append(f"{lost.sum():,} rows are missing in the file, by the numbers of the others.")
    broken, ends = lost >= BREAK, "row {:,}".format
    if depth is not None:
        steps, ends = np.diff(depth), (lambda row: f"{depth[row]:.2f} m")
        usual = np.median(steps[steps != 0])
        if back := int((steps * usual < 0).sum()):
            furthest = -(steps * np.sign(usual)).min()
            notes.append(f"The tool went back at {back:,} rows, by {furthest:.2f} m at most.")
        if uneven := int((np.abs(steps - usual) > 0.1 * abs(usual)).sum()):
            said = f"{uneven:,} of {len(steps):,} depth steps differ by over a tenth from the usual"
            longest = np.abs(steps).max()
            notes.append(f"{said} {abs(usual) * 1000:.1f} mm, the longest is {longest:.3f} m.")
        broken |= np.abs(steps - usual) > BREAK * abs(usual)
    breaks = (np.flatnonzero(broken) + 1).tolist()
    if breaks:
        at = listed([f"{ends(row - 1)} / {ends(row)}" for row in breaks], 20)
        notes.append(f"The log breaks off and goes on elsewhere at {at}: no groove goes across.")
    return tuple(breaks)
