"""Which architecture, which loss, which padding? Notebook 03, section 8.

All nine architectures and the junior's three with BCE, and the U-Net with every other loss and with the
paddings of a pipe. Each fold of wells is left out in turn; each network is trained on the others (with flips)
for the same epochs, and is scored on the wells left out after each epoch. The DeiT's teacher is the U-Net of
the same fold, trained before, whose seconds are not counted.
"""

from dataclasses import replace

from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.studies.folds import STUDY_CONFIG, train_on, training_loader
from helpers.studies.learning_curves import learning_curve

MENDED = "junior_attention_unet, mended"  # its idle convolution in use
# Named here, so that the table stays as it is when the project gets another network or loss
MODELS = ["unet", "attention_unet", "resunet", "unet++", "vgg16_unet", "ag_curesnest", "vit", "deit"]
MODELS += ["mask_rcnn", "junior_unet", "junior_attention_unet", "junior_resunet", MENDED]
LOSSES = ["bce", "dice_bce", "focal", "tversky", "lovasz", "soft_iou"]
OPTIONS = {MENDED: {"mended": True}}
PADDINGS = {
    "zeros": {},
    "circular azimuth": {"azimuth": "circular"},
    "circular azimuth, reflected depth": {"azimuth": "circular", "depth": "reflect"},
}


def main() -> None:
    choices = {"models": MODELS, "losses": LOSSES, "folds": ["0", "1", "2"]}
    arguments = parse_arguments(__doc__, choices)
    source, folds = load_folds()
    cases = [("unet", loss, "zeros") for loss in LOSSES]
    cases += [("unet", "bce", padding) for padding in PADDINGS if padding != "zeros"]
    cases += [(model, "bce", "zeros") for model in MODELS if model != "unet"]
    cases = [case for case in cases if case[0] in arguments.models and case[1] in arguments.losses]
    results = Results(arguments.output, __file__, source)
    folds = [fold for fold in folds if str(fold.number) in arguments.folds]
    runs = [(fold, case) for fold in folds for case in cases]
    for fold, (model, loss, padding) in tqdm(runs, unit="run"):
        key = {"model": model, "loss": loss, "padding": padding, "fold": fold.number}
        key["epochs"] = arguments.epochs
        if results.has(**key):
            continue
        config = replace(STUDY_CONFIG, seed=fold.number)
        cleaned = fold.cleaned(config)
        teacher = train_on(*cleaned, arguments.epochs, fold.number) if model == "deit" else None
        curve = learning_curve(
            model.removesuffix(", mended"),
            loss,
            training_loader(*cleaned, config),
            fold.unseen,
            judge_of(source, fold.unseen),
            arguments.epochs,
            fold.number,
            teacher=teacher,
            **PADDINGS[padding] | OPTIONS.get(model, {}),
        )
        results.add_all([key | row for row in curve])


if __name__ == "__main__":
    run_from_command_line(main)
