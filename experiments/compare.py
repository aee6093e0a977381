"""Which architecture, which loss, which padding? Notebook 03, section 8.

All nine architectures with BCE, and the U-Net with every other loss and with the paddings of a pipe. Each
fold of wells is left out in turn; each network is trained on the others (with flips) for the same epochs, and
is scored on the wells left out after each epoch. Seconds are those of one core.
"""

from dataclasses import replace

from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.losses import LOSSES
from helpers.models import ARCHITECTURES
from helpers.studies.folds import STUDY_CONFIG, training_loader
from helpers.studies.learning_curves import learning_curve

PADDINGS = {
    "zeros": {},
    "circular azimuth": {"azimuth": "circular"},
    "circular azimuth, reflected depth": {"azimuth": "circular", "depth": "reflect"},
}


def main() -> None:
    choices = {"models": list(ARCHITECTURES), "losses": list(LOSSES)}
    arguments = parse_arguments(__doc__, choices)
    source, folds = load_folds()
    cases = [("unet", loss, "zeros") for loss in LOSSES]
    cases += [("unet", "bce", padding) for padding in PADDINGS if padding != "zeros"]
    cases += [(model, "bce", "zeros") for model in ARCHITECTURES if model != "unet"]
    cases = [case for case in cases if case[0] in arguments.models and case[1] in arguments.losses]
    results = Results(arguments.output, __file__, source)
    runs = [(fold, case) for fold in folds for case in cases]
    for fold, (model, loss, padding) in tqdm(runs, unit="run"):
        key = {"model": model, "loss": loss, "padding": padding, "fold": fold.number}
        key["epochs"] = arguments.epochs
        if results.has(**key):
            continue
        config = replace(STUDY_CONFIG, seed=fold.number)
        curve = learning_curve(
            model,
            loss,
            training_loader(*fold.cleaned(config), config),
            fold.unseen,
            judge_of(source, fold.unseen),
            arguments.epochs,
            fold.number,
            **PADDINGS[padding],
        )
        results.add_all([key | row for row in curve])


if __name__ == "__main__":
    run_from_command_line(main)
