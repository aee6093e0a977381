"""Which network? Notebook 03.

Each network learns from the wells of a draw with BCE, flips and the same epochs, and is judged by the draw's
other wells; see draws.py. DeiT's teacher is the U-Net of the same draw.
"""

from dataclasses import replace

import torch
from common import Results, parse_arguments, run_from_command_line
from draws import CONFIG, DRAWS, SOURCE, differences, make_draw

from experiments.folds import train_on, training_loader
from helpers.models import ARCHITECTURES, JUNIOR_ARCHITECTURES
from helpers.training import train
from helpers.training.runs import unsaved_run


def main() -> None:
    models = ("unet", "mask_rcnn")  # those that the others' tables lack; the rest takes days of a core
    choices = {"models": models, "draws": [str(number) for number in range(DRAWS)]}
    arguments = parse_arguments(__doc__, choices, also={"models": [*ARCHITECTURES, *JUNIOR_ARCHITECTURES]})
    torch.set_num_threads(1)
    results = Results(arguments.output, __file__, SOURCE)
    for number in map(int, arguments.draws):
        keys = [{"draw": number, "variant": name, "epochs": arguments.epochs} for name in arguments.models]
        if not (keys := [key for key in keys if not results.has(**key)]):
            continue
        draw, config = make_draw(number), replace(CONFIG, seed=number)
        cleaned = draw.cleaned(config)
        for key in keys:
            run = unsaved_run(key["variant"], config)
            if key["variant"] == "deit":
                run.model.teach(train_on(*cleaned, arguments.epochs, number))
            for _ in train(run, training_loader(*cleaned, config), arguments.epochs):
                pass
            results.add(**key, **draw.score(run.model))
    print(differences(results.rows, "unet").round(3).to_string())


if __name__ == "__main__":
    run_from_command_line(main)
