"""The best recipe on your own wells, as one command: from the shipped weights to a submission. Notebook 07.

    CORROSEG_DATA=path/to/folder python experiments/train_wells.py --every-well \\
        --images path/to/X_test/images --csv y_test.csv

The network for whole wells starts from the weights that ship with the project and learns from the training
wells; then the mean of its weights before and after is taken, which finds more in wells that it has not seen.
By default training and validation wells are the review's; name those of other data with `--train-wells` and
`--val-wells`. Nothing is chosen by the validation wells, they show how training goes. With `--every-well` the
network learns from all labelled wells, as one would for the challenge; then no score is of unseen wells. A
run that was killed goes on with `--resume FOLDER`. It leaves the run's folder with the weights and a model
card.
"""

import argparse
from pathlib import Path

import pandas as pd
from common import run_from_command_line

from helpers.checkpoint import load_model, write_weights
from helpers.config import Config
from helpers.data import find_data, load_data, write_csv
from helpers.files import DataError, check_output, replace_atomically
from helpers.inference import predict_folder
from helpers.metrics import summarise
from helpers.models import mean_of_weights
from helpers.runs import Run, describe, resume_run, start_run
from helpers.training import evaluate, fit
from helpers.transforms import eval_transform, well_transform
from helpers.wells import wells_of
from helpers.whole_wells.prediction import WEIGHTS, predict_patches
from helpers.whole_wells.sections import HEIGHT, SectionDataset, SectionLoader, assemble_wells


def main() -> None:
    arguments = read_arguments()
    if arguments.csv:
        check_output(arguments.csv)
    shipped, _ = load_model(WEIGHTS)
    source = find_data()
    y, images = load_data(source.folder, Config().unpacked_dir)
    if arguments.resume:
        run, epochs = resume_run(arguments.resume), None
    else:
        config = Config(
            train_wells=tuple(arguments.train_wells),
            val_wells=tuple(arguments.val_wells),
            seed=arguments.seed,
            runs_dir=arguments.runs,
        )
        check_wells(y, config, arguments.every_well)
        run, epochs = start_run("well_resunet", config, norm="group"), arguments.epochs
        run.model.load_state_dict(shipped.state_dict())
    config = run.config
    learned = sorted(set(wells_of(y).tolist())) if arguments.every_well else config.train_wells
    moves, still = well_transform(config), eval_transform(config)
    train = SectionDataset(assemble_wells(y, images, learned), HEIGHT, moves, True, config.seed)
    val = SectionDataset(assemble_wells(y, images, config.val_wells), HEIGHT, still, seed=config.seed)
    val_loader = SectionLoader(val, config.batch_size, shuffle=False)
    train_loader = SectionLoader(train, config.batch_size, shuffle=True, seed=config.seed)
    if run.unfinished or epochs:
        print(fit(run, train_loader, val_loader, epochs).round(4).to_string())
    run.model = mean_of_weights(shipped, run.model)
    _, counts = evaluate(run.model, val_loader, run.loss_fn, config.threshold)
    scores = summarise(counts)
    write_weights(run.folder / "whole_wells.safetensors", describe(run))
    write_card(run, source.description, learned, scores)
    print(f"Validation wells, by section: {scores}. Saved in {run.folder}")
    if arguments.images:
        masks, report = predict_folder(
            run.model, config, arguments.images, arguments.example, predict_patches
        )
        write_csv(masks, arguments.csv)
        print(f"{arguments.csv}: {len(masks)} patches, {len(report)} with unusable pixels.")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="(default 10)")
    parser.add_argument("--seed", type=int, default=Config().seed, help=f"(default {Config().seed})")
    parser.add_argument("--train-wells", type=int, nargs="+", default=Config().train_wells)
    parser.add_argument("--val-wells", type=int, nargs="+", default=Config().val_wells)
    parser.add_argument("--every-well", action="store_true", help="learn from all labelled wells")
    parser.add_argument("--runs", type=Path, default=Config().runs_dir, help="folder of all runs")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with this run, of the same data")
    parser.add_argument("--images", type=Path, help="folder of patches to predict in the end")
    parser.add_argument("--csv", type=Path, help="CSV to write their masks to")
    parser.add_argument("--example", type=Path, help="CSV with the patches' names in the order wanted")
    arguments = parser.parse_args()
    if (arguments.images is None) != (arguments.csv is None):
        parser.error("--images and --csv belong together: give both or none")
    return arguments


def check_wells(y: pd.DataFrame, config: Config, every_well: bool) -> None:
    """Raise DataError, before a run begins, unless the data have every well that it needs."""
    there = sorted(set(wells_of(y).tolist()))
    needed = config.val_wells if every_well else config.train_wells + config.val_wells
    if missing := sorted(set(needed) - set(there)):
        raise DataError(
            f"There is no patch of wells {missing}: the data has wells {there}. Name those to learn from "
            "with --train-wells, or take all with --every-well, and those to watch with --val-wells."
        )


def write_card(run: Run, data: str, learned: list[int], scores: dict[str, float]) -> None:
    """Say in the run's folder what the model is, what it learned from and how it did."""
    unseen = set(run.config.val_wells).isdisjoint(learned)
    judged = (
        "which it has not learned from" if unseen else "which it has learned from: no measure of new wells"
    )
    count = f"{len(run.history)} epoch{'s' if len(run.history) > 1 else ''}"
    lines = [
        "# A network for whole wells",
        f"Data: {data}. It learned from wells {', '.join(map(str, learned))}, for {count}, "
        f"seed {run.config.seed}, from the weights that ship with the project (simulated wells only). "
        "Its weights are the mean of those before and after.",
        f"Validation wells {', '.join(map(str, run.config.val_wells))}, {judged}: Dice {scores['dice']:.3f}, "
        f"mean IoU over sections of {HEIGHT} rows {scores['mean_iou']:.3f}.",
        "Thickness variation in the challenge's units goes in, any number of rows, once around the pipe. A "
        "pixel is called a groove from a probability of "
        f"{run.config.threshold:g} on. Load it with `helpers.checkpoint.load_model`.",
    ]
    with replace_atomically(run.folder / "README.md") as temporary:
        temporary.write_text("\n\n".join(lines) + "\n")


if __name__ == "__main__":
    run_from_command_line(main)
