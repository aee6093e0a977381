"""Simulated wells, as many as one likes, to train a network on before it is trained on real ones.

Their truth is known. Properties are drawn from ranges that reach beyond those of the training wells.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from helpers.config import PATCH_SIZE, Config
from helpers.data.preprocess import usable_pixels
from helpers.data.synthetic import RECIPES, Recipe, simulate
from helpers.whole_wells.sections import Wells

WIDER = 1.25  # each range reaches so much beyond the smallest and the largest value that it is taken from
# Labels of real grooves are wider than the loss itself. In the training wells the standard deviation of the
# mean loss across is 0.22 to 0.44 of the silver label's width, but for well 8, where 54 rows give 0.12
# (tests/test_facts.py). The fifteen simulated wells are built with 0.42.
SPREAD = 0.2, 0.44


def draw_recipe(like: Sequence[int], rng: np.random.Generator) -> Recipe:
    """Draw what a well is made of, each property by itself.

    like : the wells of `RECIPES` that the ranges are taken from. To be fair to a well that shall be unseen,
        leave it out: its recipe was measured on it. ValueError : none of these wells has a groove.
    """
    recipes = [RECIPES[well] for well in like]
    grooved = [recipe for recipe in recipes if recipe.groove_share]
    if not grooved:
        raise ValueError(f"Expected wells with a groove to draw from, found {sorted(like)}.")

    def between(name: str, among: Sequence[Recipe] = recipes) -> float:
        values = [getattr(recipe, name) for recipe in among]
        return float(np.exp(rng.uniform(np.log(min(values) / WIDER), np.log(max(values) * WIDER))))

    columns = int(rng.choice([PATCH_SIZE, 2 * PATCH_SIZE]))
    pipe = {name: between(name) for name in ("noise", "pattern")}
    groove = {}
    if rng.random() < 0.85:  # the others have none
        groove = {name: between(name, grooved) for name in ("contrast", "groove_width", "wander")}
        groove |= {"groove_share": rng.uniform(0.2, 0.95), "drift": max(0.0, rng.uniform(-2.0, 6.0))}
        groove["spread"] = rng.uniform(*SPREAD)
    return Recipe(
        patches=0,
        columns=columns,
        joint_rows=int(between("joint_rows")),
        **pipe,
        **groove,
        spikes=float(rng.choice([0.0, 0.0, 0.0, rng.uniform(0, 0.006)])),
        blind_rows=int(rng.choice([0, 0, 0, 24])),
        lost_pixels=int(rng.integers(0, 6)),
        lost_areas=int(rng.choice([0, 0, 1, 3])),
    )


# What real wells show and the recipes do not know; experiments/simulator.py measures what each gains.
BEYOND = ("specks", "faint", "wide", "corrosion", "gaps", "shrunk", "stretched")


def simulate_wells(
    count: int,
    like: Sequence[int],
    seed: int = 0,
    rows: int = 1440,
    beyond: Collection[str] = (),
    config: Config = Config(),
) -> Wells:
    """Simulate `count` wells, each by a recipe of its own; see `draw_recipe`.

    beyond : which of `BEYOND` the wells have besides. "specks": short, faint loss in sound wall; "faint":
        grooves down to 0.4 times as deep; "wide": half of the grooves are 10 to 100 degrees wide;
        "corrosion": patches and pits; "gaps": a column or two without measurement for a long way;
        "shrunk": seen at a half or three quarters of their rows; "stretched": at 1.5 times or twice. Only
        grooves are true, other loss is wall.

    Returns 1000, 1001, ... -> (thickness, truth), each (rows, 36 or 72) float32, as `sections.assemble_wells`
    gives wells: where a pixel is unusable the thickness is 0, and the truth NaN.
    """
    wells = {}
    for number in range(count):
        rng, more = np.random.default_rng([seed, number]), np.random.default_rng([seed, number, 1])
        recipe = widen(draw_recipe(like, rng), beyond, more)
        factors = [1.0] + [0.5, 0.75] * ("shrunk" in beyond) + [1.5, 2.0] * ("stretched" in beyond)
        factor = more.choice(factors) if len(factors) > 1 else 1.0
        noise = recipe.noise * (factor <= 1)  # stretched, it would no longer be from pixel to pixel
        well = simulate(replace(recipe, noise=noise), round(rows / factor), rng)
        loss = other_loss(well.thickness.shape, recipe.scale, beyond, more)
        usable = usable_pixels(well.thickness, config)
        thickness = np.where(usable, (well.thickness - loss).clip(config.outlier_threshold), 0)
        if "gaps" in beyond:
            usable &= ~gaps(usable.shape, more)
        thickness, truth = np.where(usable, thickness, 0), np.where(usable, well.truth, np.nan)
        pair = (torch.from_numpy(image.astype(np.float32)) for image in (thickness, truth))
        thickness, truth = pair if factor == 1 else _resize(*pair, rows)
        if factor > 1:
            white = torch.from_numpy(more.normal(0.0, recipe.noise, truth.shape)).float()
            thickness += white.where(~truth.isnan(), 0)
        wells[1000 + number] = thickness, truth
    return wells


def _resize(thickness: Tensor, truth: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    shape, truth = (rows, thickness.shape[1]), F.interpolate(truth[None, None], (rows, thickness.shape[1]))
    thickness = F.interpolate(thickness[None, None], shape, mode="bilinear")
    return thickness[0, 0].where(~truth[0, 0].isnan(), 0), truth[0, 0]


def widen(recipe: Recipe, beyond: Collection[str], rng: np.random.Generator) -> Recipe:
    """The same well with a "faint" or a "wide" groove."""
    if "faint" in beyond:
        recipe = replace(recipe, contrast=recipe.contrast * rng.uniform(0.4, 1.0))
    if "wide" in beyond and rng.random() < 0.5:
        recipe = replace(recipe, groove_width=float(np.exp(rng.uniform(0.0, np.log(10.0)))))
    return recipe


def other_loss(shape: tuple, scale: int, beyond: Collection[str], rng: np.random.Generator) -> np.ndarray:
    """Loss of metal that is no groove, (rows, columns), 0 on average in each row as the tool reports it."""
    loss, rows = np.zeros(shape), shape[0]
    # Standard deviations in rows, in 10 degrees, and depths, each from a range
    if "specks" in beyond:
        _add_spots(loss, rng.integers(rows // 25 + 1), (2, 12), (0.4 * scale, scale), (0.008, 0.04), rng)
    if "corrosion" in beyond:
        patches, pits = rng.integers(rows // 400 + 1), rng.integers(rows // 50 + 1)
        _add_spots(loss, patches, (10, 60), (1.5 * scale, 8 * scale), (0.01, 0.05), rng)
        _add_spots(loss, pits, (0.7, 2), (0.4 * scale, scale), (0.03, 0.2), rng)
    return loss - loss.mean(axis=1, keepdims=True)


def _add_spots(loss, number: int, heights, widths, depths, rng: np.random.Generator) -> None:
    """Add, in place, rounded spots of uneven depth anywhere around the pipe."""
    rows, columns = loss.shape
    for _ in range(number):
        height, width, depth = (np.exp(rng.uniform(*np.log(among))) for among in (heights, widths, depths))
        down = (np.arange(rows) - rng.uniform(0, rows)) / height
        half = columns / 2
        around = (np.arange(columns) - rng.uniform(0, columns) + half) % columns - half
        near = np.abs(down) < 4
        spot = np.exp(-0.5 * (down[near, None] ** 2 + (around / width) ** 2))
        uneven = 4 * gaussian_filter(rng.standard_normal(spot.shape), 2)
        loss[near] += depth * spot * np.exp(0.4 * uneven)


def gaps(shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """Where a column or two have no measurement for 100 to 1,000 rows, bool of this shape."""
    lost = np.zeros(shape, bool)
    for _ in range(rng.integers(4)):
        start, column, width = rng.integers(shape[0]), rng.integers(shape[1]), rng.integers(1, 3)
        lost[start : start + rng.integers(100, 1000), column : column + width] = True
    return lost


def simulate_sound_wall(rows: int, well: int = 9, seed: int = 0) -> np.ndarray:
    """Simulate a wall without any groove, made as `well` is, as long as one likes: (rows, 36 or 72) float32.

    It is another pipe than the well itself, whatever the seed, and the tool and the telemetry spoil nothing.
    """
    like = RECIPES[well]
    sound = Recipe(like.patches, like.columns, like.joint_rows, like.noise, like.pattern)
    return simulate(sound, rows, np.random.default_rng([seed, well, rows])).thickness
