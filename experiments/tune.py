"""Which hyperparameters (R4.1)? A search by one draw's validation wells. Notebook 06.

Killed at any time, it goes on when it is called again: the study is the journal beside this script. The best
trial is compared with the defaults on other draws by tuned.py.
"""

import argparse
from pathlib import Path

import torch
from common import HERE, at_least, make_draw, run_from_command_line

from experiments.tuning import search
from helpers.data import find_data

DRAW = 100  # of no other study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=at_least(1), default=20, help="(default 20)")
    parser.add_argument("--epochs", type=at_least(1), help="of every training (default 10; 2 of real wells)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the journal (default: this one)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = find_data()
    kind, number, usual = ("simulated", DRAW, 10) if source.simulated else ("real", 0, 2)
    path, draw = arguments.output / f"tune_{kind}.journal", make_draw(number, source)
    study = search(path, draw, arguments.epochs or usual, arguments.trials)
    print(study.trials_dataframe().round(4).to_string())


if __name__ == "__main__":
    run_from_command_line(main)
