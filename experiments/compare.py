"""Which architecture, which loss, which padding? Notebook 03, section 8.

All nine architectures and the junior's three with BCE, and the U-Net with every other loss and with the
paddings of a pipe. Each fold of wells is left out in turn; each network is trained on the others (with flips)
for the same epochs, and is scored on the wells left out after each epoch. The DeiT's teacher is the U-Net of
the same fold, trained before, whose seconds are not counted. Mask R-CNN learns from its own loss.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from common import FOLDS, Results, judge_of, load_folds, parse_arguments, run_from_command_line, score

from experiments.folds import STUDY_CONFIG, Fold, predict_masks, train_on, training_loader
from helpers import losses, models
from helpers.data import DataSource
from helpers.training import train
from helpers.training.runs import unsaved_run

MENDED = "junior_attention_unet, mended"  # its idle convolution in use
# Named here, so that the table stays as it is when the project gets another network or loss
MODELS = ["unet", "attention_unet", "resunet", "unet++", "vgg16_unet", "ag_curesnest", "vit", "deit"]
MODELS += ["mask_rcnn", "junior_unet", "junior_attention_unet", "junior_resunet", MENDED]
LOSSES = ["bce", "dice_bce", "focal", "tversky", "lovasz", "soft_iou"]
PADDINGS = {
    "zeros": {},
    "circular azimuth": {"azimuth": "circular"},
    "circular azimuth, reflected depth": {"azimuth": "circular", "depth": "reflect"},
}


def main() -> None:
    choices = {"models": MODELS, "losses": LOSSES, "folds": FOLDS}
    also = {"models": models.ARCHITECTURES, "losses": losses.LOSSES}
    arguments = parse_arguments(__doc__, choices, also=also)
    source, folds = load_folds()
    cases = [("unet", loss, "zeros") for loss in arguments.losses if "unet" in arguments.models]
    if "bce" in arguments.losses:
        cases += [("unet", "bce", padding) for padding in list(PADDINGS)[1:] if "unet" in arguments.models]
        cases += [(model, "bce", "zeros") for model in arguments.models if model != "unet"]
    results = Results(arguments.output, __file__, source)
    keys = [
        {"model": model, "loss": loss, "padding": padding, "fold": int(fold), "epochs": arguments.epochs}
        for fold in arguments.folds
        for model, loss, padding in cases
    ]
    for key in results.missing(keys):
        results.add_all([key | row for row in learning_curve(key, folds[key["fold"]], source)])


def learning_curve(key: dict, fold: Fold, source: DataSource) -> Iterator[dict[str, float]]:
    """Train a new model by the recipe of `helpers.training`; after each epoch, yield its scores.

    The learning rate falls over all epochs, so only the last row is the result of such a training; the others
    show how it gets there. Rates are patches a second; scoring does not count.
    """
    config = replace(STUDY_CONFIG, seed=fold.number)
    cleaned = fold.cleaned(config)
    options = PADDINGS[key["padding"]] | ({"mended": True} if key["model"] == MENDED else {})
    run = unsaved_run(key["model"].removesuffix(", mended"), config, key["loss"], **options)
    if key["model"] == "deit":
        run.model.teach(train_on(*cleaned, key["epochs"], fold.number))
    truth, seconds = judge_of(source, fold.unseen), 0.0
    for row in train(run, training_loader(*cleaned, config), key["epochs"]):
        seconds += row["seconds"]
        start = time.perf_counter()
        masks = predict_masks(run.model, fold.unseen)
        rate = len(masks) / (time.perf_counter() - start)
        yield {
            "epoch": row["epoch"],
            "train_seconds": round(seconds, 2),
            "train_loss": round(row["train_loss"], 5),
            "train_rate": round(row["patches_per_second"], 1),
            "inference_rate": round(rate, 1),
        } | {name: round(value, 5) for name, value in score(masks, truth).items()}


if __name__ == "__main__":
    run_from_command_line(main)
