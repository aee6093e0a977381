"""Simulated wells, as many as one likes, to train a network on before it is trained on real ones.

Their truth is known. Properties are drawn from ranges that reach beyond those of the training wells.
"""

from collections.abc import Sequence

import numpy as np
import torch

from helpers.config import Config
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

    columns = int(rng.choice([36, 72]))
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


def simulate_wells(
    count: int, like: Sequence[int], seed: int = 0, rows: int = 1440, config: Config = Config()
) -> Wells:
    """Simulate `count` wells, each by a recipe of its own; see `draw_recipe`.

    Returns 1000, 1001, ... -> (thickness, truth), each (rows, 36 or 72) float32, as `sections.assemble_wells`
    gives wells: where a pixel is unusable the thickness is 0, and the truth NaN.
    """
    wells = {}
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        well = simulate(draw_recipe(like, rng), rows, rng)
        usable = usable_pixels(well.thickness, config)
        thickness = np.where(usable, well.thickness, 0).astype(np.float32)
        truth = np.where(usable, well.truth, np.nan).astype(np.float32)
        wells[1000 + number] = torch.from_numpy(thickness), torch.from_numpy(truth)
    return wells


def simulate_sound_wall(rows: int, well: int = 9, seed: int = 0) -> np.ndarray:
    """Simulate a wall without any groove, made as `well` is, as long as one likes: (rows, 36 or 72) float32.

    It is another pipe than the well itself, whatever the seed, and the tool and the telemetry spoil nothing.
    """
    like = RECIPES[well]
    sound = Recipe(like.patches, like.columns, like.joint_rows, like.noise, like.pattern)
    return simulate(sound, rows, np.random.default_rng([seed, well, rows])).thickness
