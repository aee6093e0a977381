"""How deep must a groove be for the shipped network to find it? Notebook 08.

Grooves of known depth are planted in sound wall: wide, narrow, short, long, drifting, broken. The wall is
simulated, of 72 and 36 columns, or, with the real images, wells 9 and 10, which have no groove; false calls
are counted on the same wall. Trials in simulated wall are kept beside the weights, for `groove_report`.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import run_from_command_line
from tqdm import tqdm

from groove_report.grooves import calls
from groove_report.pod import fit_detection_curve, hit_or_miss
from helpers.data import find_data, load_data
from helpers.data.wells import well_from_frame
from helpers.files import check_output, replace_atomically
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS, groove_mask, predict_well
from helpers.whole_wells.simulation import simulate_sound_wall

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    path = WEIGHTS.with_name("detection.csv")
    parser.add_argument("--output", type=Path, default=path, help="CSV of the trials in simulated wall")
    check_output(output := parser.parse_args().output)
    torch.set_num_threads(1)
    source, tables = find_data(), []
    if source.simulated:
        walls = {f"as well {well}": simulate_sound_wall(ROWS, well, seed=1000) for well in (9, 11)}
    else:
        _, images = load_data(source.folder)
        walls = {f"well {well}": well_from_frame(images, well) for well in (9, 10)}
    model, config = load_model(WEIGHTS)

    def find(wall: np.ndarray) -> np.ndarray:
        return groove_mask(predict_well(model, wall, config=config), config)

    for number, (name, wall) in enumerate(walls.items()):
        of_wall = {"wall": name, "columns": wall.shape[1], "wall_rows": len(wall)}
        of_wall["false_calls"] = int(calls(find(wall)).max())
        for shape, options in tqdm(SHAPES.items()):
            trials = hit_or_miss(find, wall, TRIALS, DEPTHS, **options).assign(shape=shape, **of_wall)
            place = trials["row"] // 200 + 100 * number  # since shapes differ in length
            tables.append(trials.assign(stretch=place))
    table = pd.concat(tables)
    print(table.drop_duplicates("wall")[["wall", "columns", "wall_rows", "false_calls"]].to_string())
    print(table.groupby(["wall", "shape"], sort=False).apply(depth_found).unstack("shape").round(3))
    if source.simulated:
        columns = ["depth", "stretch", "hit", "shape", "columns", "wall_rows", "false_calls"]
        with replace_atomically(output) as temporary:
            table[columns].round(6).to_csv(temporary, index=False, lineterminator="\n")


def depth_found(trials: pd.DataFrame) -> float:
    """The depth that is found nine times in ten; NaN where no curve fits."""
    try:
        return fit_detection_curve(trials).depth_at(0.9)
    except ValueError:  # all found, or none
        return float("nan")


if __name__ == "__main__":
    run_from_command_line(main)
