"""Which network (R3.1, R3.3)? Notebook 03.

Each network learns from the wells of a draw with BCE, flips and the same epochs; Mask R-CNN from its own
loss, and DeiT from its teacher too, the U-Net of the same draw. The junior's networks have dropout as he had
it; "mended" uses the convolution that was idle.
"""

from common import run_from_command_line, run_study

from experiments.draws import Draw, learns_with, train_on, training_loader
from helpers.training import train
from helpers.training.runs import unsaved_run

# Named here, so that the table stays as it is when the project gets another network
NAMES = ["unet", "attention_unet", "resunet", "unet++", "vgg16_unet", "ag_curesnest", "vit", "mask_rcnn"]
NAMES += ["junior_unet", "junior_attention_unet", "junior_resunet"]


def with_a_teacher(draw: Draw, epochs: int) -> dict[str, float]:
    """DeiT, taught by the U-Net."""
    run = unsaved_run("deit", draw.config)
    run.model.teach(train_on(*draw.cleaned, epochs, draw.number))
    for _ in train(run, training_loader(*draw.cleaned, draw.config), epochs):
        pass
    return draw.score(run.model)


VARIANTS = {name: learns_with(model=name) for name in NAMES} | {
    "deit": with_a_teacher,
    "junior_attention_unet, mended": learns_with(model="junior_attention_unet", mended=True),
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="unet"))
