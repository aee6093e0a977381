"""Fifteen simulated wells in the challenge's file format: what the notebooks run on by default.

The challenge's licence does not allow its images to be shipped, so a fresh clone has none. These wells have
what the real ones have, at a tenth of their size: joints of pipe with a manufacturing pattern each,
collars between them, grooves worn by drill pipe that cross patches and wrap around the azimuth,
telemetry sentinels, missing values, and hand-drawn labels with slips. `RECIPES` holds all that makes one
well different from another, as measured on the real ones. The clean truth is known too.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from numpy.random import Generator, default_rng
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from helpers.config import PATCH_SIZE
from helpers.data import wells
from helpers.data.wells import frame_from_well
from helpers.files import make_once

SENTINELS = (-999.25, -999.0)  # what the telemetry writes where it has no value
_RANGE = (-0.2499, 0.47)  # of thickness deviation, that the tool records
_RESOLUTION = 1e-4  # thickness is rounded to this, so that a last-bit difference of a CPU cannot show


@dataclass(frozen=True)
class Recipe:
    """What one well is made of. Widths and moves are in units of 10 degrees, 36 around the pipe."""

    patches: int  # a tenth of the real well's
    columns: int  # around the pipe: 36, or 72 in wells that are cut into twins
    joint_rows: int  # length of one pipe between two collars
    noise: float  # standard deviation of the measurement, from pixel to pixel
    pattern: float  # standard deviation of the manufacturing pattern
    # The groove; by default there is none
    contrast: float = 0.0  # metal loss in its middle, typical
    groove_width: float = 0.0
    groove_share: float = 0.0  # share of the rows that it takes up
    drift: float = 0.0  # how far it moves sideways in 100 rows
    wander: float = 1.0  # how far it strays from its course
    spread: float = 0.42  # standard deviation of the loss across, in groove widths
    # What the tool and the telemetry do
    spikes: float = 0.0  # share of pixels with a false echo: the two odd wells
    blind_rows: int = 0  # at the top, without data: the tool was switched on late
    frozen: tuple[slice, int] | None = None  # rows while the tool stood still, and the row that it repeated
    lost_pixels: int = 0  # single pixels with a sentinel
    lost_areas: int = 0  # parts of a few rows with a sentinel
    missing: tuple = ()  # places, as one indexes an array, that are NaN in the file

    @property
    def scale(self) -> int:
        """Columns of this well in 10 degrees."""
        return self.columns // PATCH_SIZE


ONE, TWO = PATCH_SIZE, 2 * PATCH_SIZE  # columns of wells that are cut into one row of patches, and into twins
# fmt: off
RECIPES: dict[int, Recipe] = {
    #   patches, columns, joint_rows, noise, pattern, contrast, groove_width, groove_share
    1: Recipe(16, TWO, 165, 0.0032, 0.0120, 0.034, 2.5, 0.74),
    2: Recipe(62, TWO, 150, 0.0036, 0.0130, 0.036, 2.5, 0.91, lost_pixels=1),
    3: Recipe(178, ONE, 330, 0.0024, 0.0120, 0.020, 4.4, 0.84, wander=0.7,
              frozen=(np.s_[:40], 40), lost_pixels=1),
    4: Recipe(6, ONE, 200, 0.0026, 0.0120, 0.020, 3.2, 0.76),
    5: Recipe(10, TWO, 80, 0.0013, 0.0115, 0.020, 2.7, 0.21, drift=1.2, blind_rows=36),
    6: Recipe(96, TWO, 300, 0.0018, 0.0125, 0.026, 3.6, 0.56, drift=2.4, wander=2.0,
              blind_rows=16, lost_pixels=4, lost_areas=5),
    7: Recipe(166, TWO, 150, 0.0030, 0.0105, 0.033, 2.3, 0.77, wander=2.0, lost_pixels=1),
    8: Recipe(8, TWO, 165, 0.0022, 0.0095, 0.016, 2.8, 0.21, drift=4.0, frozen=(np.s_[-24:], -24)),
    9: Recipe(16, TWO, 165, 0.0024, 0.0095, blind_rows=24),
    10: Recipe(8, TWO, 165, 0.0028, 0.0095, lost_areas=1),
    11: Recipe(152, ONE, 330, 0.0075, 0.0100, 0.024, 3.0, 0.67, spikes=0.004, lost_pixels=5),
    12: Recipe(4, ONE, 330, 0.0095, 0.0100, 0.024, 3.0, 0.86, spikes=0.006, lost_pixels=1),
    13: Recipe(190, ONE, 330, 0.0038, 0.0120, 0.058, 4.0, 0.92, wander=1.5, lost_pixels=1),
    14: Recipe(36, ONE, 330, 0.0031, 0.0095, 0.062, 4.0, 0.73, drift=5.0, wander=3.0),
    # missing: 11 pixels of the last patch but one, 683 of the last one
    15: Recipe(20, ONE, 330, 0.0031, 0.0105, 0.070, 4.3, 0.61, drift=2.5, wander=4.0,
               missing=(np.s_[-52, 10:21], np.s_[-19, 1:], np.s_[-18:])),
}
# fmt: on


@dataclass(frozen=True)
class SimulatedWell:
    """One assembled well; all arrays are (rows, 36 or 72), depth downwards."""

    thickness: np.ndarray  # float32, with sentinels and NaN
    labels: np.ndarray  # uint8, as an annotator drew them
    truth: np.ndarray  # uint8, where the groove is


def simulate_well(well: int, seed: int = 0) -> SimulatedWell:
    """Simulate one well of `RECIPES`; the same well and seed give the same arrays everywhere."""
    recipe = RECIPES[well]
    rows = recipe.patches * PATCH_SIZE // recipe.scale
    return simulate(recipe, rows, default_rng([seed, well]))


def simulate(recipe: Recipe, rows: int, rng: Generator) -> SimulatedWell:
    """Simulate a well of so many rows; `recipe.patches` is not looked at."""
    shape = (rows, recipe.columns)
    collars = _collar_rows(rows, recipe.joint_rows, rng)
    thickness = _manufacturing_pattern(shape, recipe, collars, rng)
    labels = truth = np.zeros(shape, np.uint8)
    if recipe.groove_share:
        centre, present = _groove_path(rows, recipe, rng)
        thickness -= _metal_loss(recipe, centre, present, rng)
        width = np.full(rows, round(recipe.groove_width * recipe.scale))
        truth = _ribbon(recipe.columns, centre, width, present)
        labels = _annotate(recipe, centre, present, rng)
    thickness += rng.normal(0.0, recipe.noise, shape)
    if recipe.frozen:
        still, repeated = recipe.frozen
        thickness[still] = thickness[repeated]
    _add_collars(thickness, recipe.scale, collars, rng)
    thickness -= thickness.mean(axis=1, keepdims=True)  # the tool reports deviations from each row's mean
    echoes = rng.random(shape) < recipe.spikes
    thickness[echoes] += rng.uniform(0.1, 0.4, echoes.sum())
    thickness = np.rint(np.clip(thickness, *_RANGE) / _RESOLUTION) * _RESOLUTION
    _spoil(thickness, recipe, rng)
    return SimulatedWell(thickness.astype(np.float32), labels, truth)


def simulate_patches(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Simulate all fifteen wells and cut them into patches.

    Returns images, labels, truth : (968, 1296) float32, uint8, uint8, indexed by patch name, with columns "0"
    ... "1295", the pixels row by row.
    """
    made = {well: simulate_well(well, seed) for well in RECIPES}
    images = pd.concat(frame_from_well(one.thickness, well) for well, one in made.items())
    labels = pd.concat(frame_from_well(one.labels, well) for well, one in made.items())
    return images, labels, pd.concat(frame_from_well(one.truth, well) for well, one in made.items())


def ensure_simulated(folder: Path, seed: int = 0) -> Path:
    """Return the folder of the simulated wells of this seed, and make it under `folder` on first use.

    It holds `images/well_<w>_patch_<p>.npy`, `y_train.csv` (what an annotator drew) and `y_clean.csv` (where
    the grooves are). Its name tells the seed and a digest of recipes, code and libraries: wells of another
    version are neither read nor replaced. DataError if it cannot be made.
    """
    origin = [Path(source).read_text() for source in (__file__, wells.__file__)]
    origin += [repr(RECIPES), np.__version__, scipy.__version__]
    digest = hashlib.sha256("".join(origin).encode()).hexdigest()[:12]

    def write(part: Path) -> None:
        (part / "images").mkdir()
        images, labels, truth = simulate_patches(seed)
        for name, pixels in zip(images.index, images.to_numpy(), strict=True):
            np.save(part / "images" / f"{name}.npy", pixels.reshape(PATCH_SIZE, PATCH_SIZE))
        labels.to_csv(part / "y_train.csv", lineterminator="\n", index_label="")
        truth.to_csv(part / "y_clean.csv", lineterminator="\n", index_label="")

    return make_once(Path(folder) / f"seed_{seed}_{digest}", write)


# ---------------------------------------------------------------- pipe


def _collar_rows(rows: int, joint_rows: int, rng: Generator) -> np.ndarray:
    """First rows of the collars: pipes of nearly equal length, the first one cut off anywhere."""
    lengths = np.rint(rng.normal(joint_rows, 0.03 * joint_rows, rows // joint_rows + 2)).astype(int)
    starts = np.cumsum(lengths) - rng.integers(joint_rows // 4, joint_rows)
    return starts[(starts > 0) & (starts < rows - 6)]


def _manufacturing_pattern(shape: tuple, recipe: Recipe, collars: np.ndarray, rng: Generator) -> np.ndarray:
    """Each joint has its own mixture of helical waves, blotches and lengthwise stripes."""
    pattern = np.empty(shape)
    azimuth = 2 * np.pi * np.arange(shape[1]) / shape[1]
    for joint in np.split(np.arange(shape[0]), collars):
        depth = np.arange(len(joint))[:, None]
        helix = np.zeros((len(joint), shape[1]))
        for _ in range(2):
            waves, pitch = rng.integers(1, 5), rng.uniform(12, 60) * rng.choice([-1, 1])
            helix += np.cos(waves * azimuth + 2 * np.pi * depth / pitch + rng.uniform(0, 2 * np.pi))
        blotches = _smooth(rng, helix.shape, rng.uniform(3, 12), rng.uniform(1.6, 3.6) * recipe.scale)
        stripes = _smooth(rng, helix.shape, rng.uniform(30, 90), rng.uniform(1.4, 3.0) * recipe.scale)
        weights = rng.dirichlet([1.0, 1.5, 1.0])
        mixture = weights[0] * helix + weights[1] * blotches + weights[2] * stripes
        pattern[joint] = mixture * (recipe.pattern * rng.lognormal(-0.03, 0.25) / mixture.std())
    return pattern


def _smooth(rng: Generator, shape: tuple[int, int], rows: float, columns: float) -> np.ndarray:
    """Gaussian field of unit variance, correlated over so many rows and columns, periodic in azimuth."""
    field = gaussian_filter(rng.standard_normal(shape), (rows, columns), mode=("reflect", "wrap"))
    return field / field.std()


def _add_collars(thickness: np.ndarray, scale: int, collars: np.ndarray, rng: Generator) -> None:
    """Between two pipes the echo is lost in the thread: a few rows swing wildly from column to column."""
    for start in collars:
        height = rng.integers(2, 6)
        swing = rng.standard_normal((height, thickness.shape[1]))
        swing = gaussian_filter1d(swing, 0.35 * scale, mode="wrap")
        swing *= 0.06 / swing.std() * rng.uniform(0.1, 1.4, (height, 1))
        thickness[start : start + height] += swing


# ---------------------------------------------------------------- grooves


def _groove_path(rows: int, recipe: Recipe, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the groove's centre (columns, not wrapped) and where it is present, both (rows,)."""
    wander = gaussian_filter1d(rng.standard_normal(rows), 70, mode="reflect")
    wander *= recipe.wander / max(wander.std(), 1e-9)
    drift = recipe.drift * rng.choice([-1, 1]) / 100 * np.arange(rows)
    centre = (rng.uniform(0, PATCH_SIZE) + drift + wander) * recipe.scale

    # So many pieces, of such lengths and with such gaps that the share of rows is exactly the recipe's.
    seeing = rows - recipe.blind_rows
    in_groove = min(round(recipe.groove_share * rows), seeing)
    pieces = max(1, in_groove // 300)
    lengths = rng.dirichlet(np.full(pieces, 4.0)) * in_groove
    gaps = rng.dirichlet(np.full(pieces + 1, 1.5)) * (seeing - in_groove)
    ends = np.cumsum(np.stack([gaps[:-1], lengths], axis=1).ravel())  # of gap, piece, gap, piece ...
    edges = recipe.blind_rows + np.rint(ends).astype(int)
    present = np.zeros(rows, bool)
    for start, end in edges.reshape(-1, 2):
        present[start:end] = True
    return centre, present


def _metal_loss(recipe: Recipe, centre: np.ndarray, present: np.ndarray, rng: Generator) -> np.ndarray:
    """Depth of the groove: rounded across, uneven along the pipe, fading in at its ends."""
    rows, columns = len(centre), recipe.columns
    uneven = gaussian_filter1d(rng.standard_normal(rows), 25, mode="reflect")
    uneven += 0.5 * gaussian_filter1d(rng.standard_normal(rows), 4, mode="reflect")
    depth = recipe.contrast * np.exp(0.4 * uneven / uneven.std())
    depth *= gaussian_filter1d(present.astype(float), 2.0)
    half = columns / 2
    distance = (np.arange(columns) - centre[:, None] + half) % columns - half  # the short way around
    across = distance / (recipe.spread * recipe.groove_width * recipe.scale)
    return depth[:, None] * np.exp(-0.5 * across**2)


def _ribbon(columns: int, centre: np.ndarray, width: np.ndarray, present: np.ndarray) -> np.ndarray:
    """A mask of the `width` whole columns that lie nearest to the centre: the staircases that people draw."""
    first = np.rint(centre - (width - 1) / 2)  # column of the ribbon in each row
    from_first = (np.arange(columns) - first[:, None]) % columns
    return ((from_first < width[:, None]) & present[:, None]).astype(np.uint8)


def _annotate(recipe: Recipe, centre: np.ndarray, present: np.ndarray, rng: Generator) -> np.ndarray:
    """Draw the groove as an annotator does, stretch by stretch, with what goes wrong on the way."""
    rows, width = len(centre), round(recipe.groove_width * recipe.scale)
    drawn_centre, drawn_width, drawn = centre.copy(), np.zeros(rows, int), present.copy()
    holes, start = [], 0
    while start < rows:
        end = min(rows, start + int(rng.integers(40, 160)))
        stretch = slice(start, end)
        drawn_width[stretch] = max(2, width + rng.choice([-1, 0, 0, 0, 1]))
        if rng.random() < 0.15:  # the whole stretch slips sideways
            drawn_centre[stretch] += rng.choice([-1, 1])
        if rng.random() < 0.04 and present.sum() > 3 * (end - start):  # overlooked, unless it is all there is
            drawn[stretch] = False
        if rng.random() < 0.30:  # a hole in the filled outline
            row, height = rng.integers(start, end), rng.integers(2, 7)
            holes.append((slice(row, row + height), round(drawn_centre[row]) % recipe.columns))
        start = end
    mask = _ribbon(recipe.columns, drawn_centre, drawn_width, drawn)
    for hole_rows, column in holes:
        mask[hole_rows, column] = 0
    return mask


def _spoil(thickness: np.ndarray, recipe: Recipe, rng: Generator) -> None:
    """Write sentinels and NaN, in place, as often as the real files have them."""
    rows, columns = thickness.shape
    thickness[: recipe.blind_rows] = SENTINELS[0]
    for _ in range(recipe.lost_pixels):
        thickness[rng.integers(rows), rng.integers(columns)] = rng.choice(SENTINELS)
    for _ in range(recipe.lost_areas):
        row, column = rng.integers(rows - 4), rng.integers(columns // 2)
        height, width = rng.integers(1, 5), rng.integers(8, columns // 2)
        thickness[row : row + height, column : column + width] = rng.choice(SENTINELS)
    for place in recipe.missing:
        thickness[place] = np.nan
