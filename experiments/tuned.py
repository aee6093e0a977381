"""Are the hyperparameters that tune.py chose better on wells that it has not seen (R4.1)? Notebook 06."""

from common import HERE, run_from_command_line, run_study

from experiments.tuning import DEFAULTS, learns_by, read_study
from helpers.data import find_data


def main() -> None:
    kind = "simulated" if find_data().simulated else "real"
    best = read_study(HERE / f"tune_{kind}.journal").best_trial
    variants = {"defaults": learns_by(DEFAULTS), f"trial {best.number}": learns_by(best.params)}
    run_study(__doc__, __file__, variants, than="defaults")


if __name__ == "__main__":
    run_from_command_line(main)
