"""Are the hyperparameters that tune.py chose better on wells that it has not seen (R4.1)? Notebook 06."""

from common import HERE, Variant, run_from_command_line, run_study

from experiments.tuning import DEFAULTS, Params, read_study, train_with
from helpers.data import find_data


def learns_by(params: Params) -> Variant:
    def scores(draw, epochs):
        *_, run = train_with(params, *draw.cleaned, epochs, draw.number)
        return draw.score(run.model)

    return scores


def main() -> None:
    kind = "simulated" if find_data().simulated else "real"
    best = read_study(HERE / f"tune_{kind}.journal").best_trial
    variants = {"defaults": learns_by(DEFAULTS), f"trial {best.number}": learns_by(best.params)}
    run_study(__doc__, __file__, variants, than="defaults")


if __name__ == "__main__":
    run_from_command_line(main)
