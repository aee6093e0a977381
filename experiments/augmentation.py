"""Which changes of a patch help (R2.5), and which padding? Notebook 02.

The baseline U-Net with flips alone, against each kind of change added to the flips, against all of them and
none, and against a padding that goes around the pipe. Twelve draws at most, see draws.py.
"""

import torch
from common import Results, parse_arguments, run_from_command_line
from draws import DRAWS, SOURCE, differences, make_draw
from torchvision.transforms import v2

from experiments.folds import train_on
from helpers.data.transforms import RandomRoll, augment_transform, flip_transform

# Each as likely and as strong as in `augment_transform`
_, _, turn_and_crop, blur, noise, brightness = augment_transform().transforms
CHANGES = {
    "roll": RandomRoll(),
    "turn and crop": turn_and_crop,
    "blur": blur,
    "noise": noise,
    "brightness": brightness,
}
VARIANTS = {
    "flips": {},
    **{
        f"flips and {name}": {"transform": v2.Compose([flip_transform(), change])}
        for name, change in CHANGES.items()
    },
    "all of R2.5": {"transform": augment_transform()},
    "nothing": {"transform": v2.Identity()},
    "flips, circular padding": {"azimuth": "circular"},
}


def main() -> None:
    choices = {"variants": list(VARIANTS), "draws": [str(number) for number in range(DRAWS)]}
    arguments = parse_arguments(__doc__, choices)
    torch.set_num_threads(1)
    results = Results(arguments.output, __file__, SOURCE)
    for number in map(int, arguments.draws):
        keys = [{"draw": number, "variant": name, "epochs": arguments.epochs} for name in arguments.variants]
        if keys := [key for key in keys if not results.has(**key)]:
            draw = make_draw(number)
            cleaned = draw.cleaned(draw.config)
            for key in keys:
                model = train_on(*cleaned, arguments.epochs, number, **VARIANTS[key["variant"]])
                results.add(**key, **draw.score(model))
    print(differences(results.rows, "flips").round(3).to_string())


if __name__ == "__main__":
    run_from_command_line(main)
