"""How deep must a groove be to be found? Patches against whole wells, at one false-call rate. Notebook 08.

Run k leaves out fold k, with seed k. Each network's threshold is the lowest that calls at most ten grooves in
10,000 rows of a wall without any; in patches each pixel must reach it, in whole wells each groove. Then false
calls are counted on another such wall, and grooves of known depth are planted in a third: wide, narrow,
short, long, drifting, broken. On simulated data a wall is a new pipe made like well 9 or 10; on real data it
is well 9 or 10 itself, in the fold that leaves it out, and one half of it sets the threshold. Rows are not
metres: the challenge does not say how far apart they are.

The network that ships with the project is measured at its own thresholds too, on simulated wall; its trials
are kept beside it (data/weights/detection.csv) for the reports of `python -m helpers.report`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from common import FOLDS, Results, load_folds, parse_arguments, run_from_command_line
from recipes import train_on_wells
from tqdm import tqdm

from experiments.folds import STUDY_CONFIG, Fold, training_loader
from helpers.data import load_data
from helpers.data.wells import well_from_frame, wells_of
from helpers.files import replace_atomically
from helpers.report.grooves import calls
from helpers.report.pod import fit_detection_curve, hit_or_miss, rate_interval, threshold_for
from helpers.training import train
from helpers.training.checkpoint import load_model
from helpers.training.runs import unsaved_run
from helpers.whole_wells.prediction import WEIGHTS, groove_mask, predict_well, predict_well_by_patches
from helpers.whole_wells.sections import assemble_wells
from helpers.whole_wells.simulation import simulate_sound_wall

RATE = 10  # false calls in 10,000 rows, at which networks are compared
ROWS = 7200  # of each simulated wall
TRIALS, DEPTHS = 160, (0.004, 0.1)  # of each shape
SHAPES = {  # see pod.groove_shape
    "plain": {"width": 30, "length": 72},
    "narrow": {"width": 15, "length": 72},
    "wide": {"width": 60, "length": 72},
    "short": {"width": 30, "length": 36},
    "long": {"width": 30, "length": 144},
    "drifting": {"width": 30, "length": 144, "drift": 40},
    "broken": {"width": 30, "length": 144, "broken": True},
}
MODELS = ("patches", "whole wells", "shipped weights")
Find = Callable[[np.ndarray], np.ndarray]  # of a wall, (H, W): its probabilities, or its mask


def main() -> None:
    arguments = parse_arguments(__doc__, {"folds": FOLDS, "models": MODELS})
    source, folds = load_folds()
    _, images = load_data(source.folder)
    results = Results(arguments.output, __file__, source)
    for fold in [fold for fold in folds if str(fold.number) in arguments.folds]:
        walls = walls_of(fold, images, source.simulated)
        for name in tqdm(arguments.models if walls else [], unit="model", desc=f"fold {fold.number}"):
            key = {"fold": fold.number, "model": name, "epochs": arguments.epochs}
            if not results.has(**key):
                rows = measure(name, finder(name, fold, arguments.epochs), *walls)
                results.add_all([key | row for row in rows])
    if "shipped weights" in arguments.models and source.simulated and arguments.output is None:
        measure_shipped(WEIGHTS.with_name("detection.csv"))


def walls_of(fold: Fold, images: pd.DataFrame, simulated: bool) -> list[np.ndarray]:
    """Walls to set the threshold on, to count false calls on, to plant grooves in; none if none is unseen."""
    if simulated:
        like = (9, 10, 9)
        return [simulate_sound_wall(ROWS, well, 100 * fold.number + k) for k, well in enumerate(like)]
    unseen = [well for well in (9, 10) if well in fold.wells]
    if not unseen:
        return []
    wall = well_from_frame(images, unseen[0])
    half = len(wall) // 72 * 36
    return [wall[:half], wall[half:], wall[half:]]


def finder(name: str, fold: Fold, epochs: int) -> Find:
    """Train this network without the fold's wells; return what gives a wall's probabilities."""
    config = replace(STUDY_CONFIG, seed=fold.number)
    if name == "patches":
        run = unsaved_run("unet", config, dropout=config.dropout)
        list(train(run, training_loader(*fold.cleaned(config), config), epochs))
        return lambda wall: predict_well_by_patches(run.model, wall)
    if name == "whole wells":
        own = assemble_wells(fold.y, fold.images, sorted(set(wells_of(fold.y).tolist())))
        model = train_on_wells(own, epochs, fold.number, norm="group")
    else:
        model, _ = load_model(WEIGHTS)
    return lambda wall: predict_well(model, wall)


def mask_of(name: str, probability: np.ndarray, threshold: float) -> np.ndarray:
    """What a network finds, (H, W): patches decide by pixels, whole wells by grooves."""
    if name == "patches":
        return probability >= threshold
    likely = min(STUDY_CONFIG.likely, threshold)
    return groove_mask(probability, replace(STUDY_CONFIG, likely=likely, sure=threshold))


def measure(
    name: str, probability: Find, for_threshold: np.ndarray, for_calls: np.ndarray, to_plant: np.ndarray
) -> list[dict]:
    """A row a shape of groove, at the threshold of the common false-call rate."""
    threshold = threshold_for(partial(mask_of, name, probability(for_threshold)), RATE)
    count, rows = int(calls(mask_of(name, probability(for_calls), threshold)).max()), len(for_calls)
    low, high = rate_interval(count, rows)
    false = {"threshold": round(threshold, 6), "wall_rows": rows, "false_calls": count}
    false |= {
        "false_per_10000": round(count / rows * 10_000, 2),
        "low": round(low, 2),
        "high": round(high, 2),
    }
    found = []
    for shape, trials in plant(lambda wall: mask_of(name, probability(wall), threshold), to_plant).items():
        row = {"shape": shape} | false | {"hits": int(trials["hit"].sum()), "trials": len(trials)}
        try:
            curve = fit_detection_curve(trials)
            row |= {"a90": round(curve.depth_at(0.9), 5), "a90_95": round(curve.depth_at(0.9, 0.95), 5)}
        except ValueError as error:  # all found, or none: no curve
            print(f"{shape}: {error}")
            row |= {"a90": "", "a90_95": ""}
        found.append(row)
    return found


def plant(find: Find, wall: np.ndarray) -> dict[str, pd.DataFrame]:
    """Hits and misses of each shape; the same grooves for every network."""
    return {name: hit_or_miss(find, wall, TRIALS, DEPTHS, **shape) for name, shape in SHAPES.items()}


def measure_shipped(path: Path) -> None:
    """Keep the trials of the shipped network at its own thresholds, in walls of 72 and of 36 columns."""
    model, config = load_model(WEIGHTS)
    tables = []
    for number, well in enumerate((9, 11)):
        wall = simulate_sound_wall(ROWS, well, seed=1000)

        def find(wall: np.ndarray) -> np.ndarray:
            return groove_mask(predict_well(model, wall, config=config), config)

        price = {"columns": wall.shape[1], "wall_rows": len(wall), "false_calls": calls(find(wall)).max()}
        for name, trials in plant(find, wall).items():
            # shapes differ in length, so their stretches are told by place
            place = trials["row"] // 200 + 100 * number
            tables.append(trials.assign(shape=name, stretch=place, **price))
    table = pd.concat(tables)[["depth", "stretch", "hit", "shape", *price]]
    with replace_atomically(path) as temporary:
        table.round(6).to_csv(temporary, index=False, lineterminator="\n")
    print(f"{path}: {len(table)} grooves planted")


if __name__ == "__main__":
    run_from_command_line(main)
