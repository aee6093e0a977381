"""Which changes of a patch help (R2.5), and which padding (R3.1)? Notebooks 02 and 03.

The baseline U-Net with flips alone, against each kind of change added to the flips, against all of them and
none, and against paddings that know the pipe.
"""

from common import run_from_command_line, run_study
from torchvision.transforms import v2

from experiments.draws import learns_with
from helpers.data.transforms import RandomRoll, augment_transform, flip_transform

# Each as likely and as strong as in `augment_transform`
NAMES = ("roll", "turn and crop", "blur", "noise", "brightness")
CHANGES = dict(zip(NAMES, [RandomRoll(), *augment_transform().transforms[2:]], strict=True))
VARIANTS = {
    "flips": learns_with(),
    **{
        f"flips and {name}": learns_with(transform=v2.Compose([flip_transform(), change]))
        for name, change in CHANGES.items()
    },
    "all of R2.5": learns_with(transform=augment_transform()),
    "nothing": learns_with(transform=v2.Identity()),
    "flips, circular padding": learns_with(azimuth="circular"),
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="flips"))
