"""The best recipe on your own wells: the shipped network for whole wells goes on with them. Notebook 07.

    CORROSEG_DATA=path/to/folder python experiments/train_wells.py --every-well

In the end the mean of its weights before and after is taken, which finds more in wells that it has not seen.
By default wells are split as in the review, and nothing is chosen by the validation wells. With
`--every-well` the network learns from all labelled ones, as one would for the challenge; then no score is of
unseen wells. A run that was stopped goes on with `--resume FOLDER`. Its folder gets the weights,
`whole_wells.safetensors`, for `predict.py --model`.
"""

import argparse
import shutil
from pathlib import Path

from common import EPOCHS, at_least, refuse, run_from_command_line

from experiments.draws import Draw, leave_out
from helpers.config import Config
from helpers.data import find_data, load_data
from helpers.data.wells import wells_of
from helpers.files import DataError, listed
from helpers.models import mean_of_weights
from helpers.training import fit
from helpers.training.checkpoint import load_model, write_weights
from helpers.training.runs import Run, describe, resume_run, start_run
from helpers.whole_wells import sections
from helpers.whole_wells.prediction import WEIGHTS, groove_mask, predict_well
from helpers.whole_wells.sections import SectionDataset, Wells

START = "started_from.safetensors"  # in the run's folder: the weights before


def main() -> None:
    arguments = read_arguments()
    source = find_data()
    y, images = load_data(source.folder)
    run = take_up(arguments) if arguments.resume else None
    config = run.config if run else new_config(arguments, sorted(set(wells_of(y).tolist())))
    wanted = {*config.train_wells, *config.val_wells}
    wells = sections.assemble_wells(y, images, wanted, config, arguments.columns)
    learned, judged = usable_wells(config, wells)
    train, val = ({well: wells[well] for well in part} for part in (config.train_wells, config.val_wells))
    train = SectionDataset(train, transform=sections.well_transform(), moving=True, config=config)
    run = train_from_shipped(run, train, SectionDataset(val, config=config), arguments.epochs or EPOCHS)
    columns = {well: wells[well][0].shape[1] for well in judged}
    score = score_of(run, leave_out(0, judged, y, images, columns=columns), learned)
    write_weights(run.folder / "whole_wells.safetensors", describe(run))
    print(f"{score} Saved in {run.folder}")


def read_arguments() -> argparse.Namespace:
    """Read the command line. What is not given is None: a resumed run has its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--epochs", type=at_least(1), help=f"(default {EPOCHS})")
    add("--seed", type=at_least(0), help="(default 0)")
    for wells in ("--train-wells", "--val-wells"):
        add(wells, type=int, nargs="+", help="(default: the review's)")
    add("--every-well", action="store_const", const=True, help="learn from all labelled wells")
    add("--columns", type=int, choices=(36, 72), help="of wells whose patches do not tell it")
    add("--runs", type=Path, default=Config().runs_dir, help="folder of new runs")
    add("--resume", type=Path, metavar="FOLDER", help="go on with this run, of the same data")
    return parser.parse_args()


def new_config(arguments: argparse.Namespace, there: list[int]) -> Config:
    """The settings of a new run; DataError unless the data have every well that it needs."""
    train = there if arguments.every_well else arguments.train_wells or Config().train_wells
    val = arguments.val_wells or Config().val_wells
    if missing := sorted({*train, *val} - {*there}):
        raise DataError(
            f"There is no patch of wells {missing}: the data has wells {there}. Name those to learn from "
            "with --train-wells, or take all with --every-well, and those to watch with --val-wells."
        )
    return Config(train_wells=train, val_wells=val, seed=arguments.seed or 0, runs_dir=arguments.runs)


def take_up(arguments: argparse.Namespace) -> Run:
    """The run to go on with; an error if it is of another script, or if anything is given that it has."""
    own = ("epochs", "seed", "train_wells", "val_wells", "every_well")
    refuse([name for name in own if getattr(arguments, name) is not None], arguments.resume)
    run = resume_run(arguments.resume)
    if not (run.folder / START).exists():
        found = f"found one of {run.model_name!r} without {START}"
        raise DataError(f"{run.folder}: expected a run of train_wells.py, {found}.")
    return run


def usable_wells(config: Config, wells: Wells) -> tuple[list[int], list[int]]:
    """The training and the validation wells of which any label is known; the others are told."""
    lost = {well for well, (_, mask) in wells.items() if mask.isnan().all()}
    learned, judged = (sorted({*part} - lost) for part in (config.train_wells, config.val_wells))
    if not (learned and judged):
        raise DataError(f"Expected usable pixels to learn and to judge by, wells {listed(lost)} have none.")
    if lost:
        print(f"Wells {listed(sorted(lost))} have no usable pixel: nothing is learned from them, nor judged.")
    return learned, judged


def train_from_shipped(run: Run | None, train: SectionDataset, val: SectionDataset, epochs: int) -> Run:
    """Train a new run, or finish this one; its model is then the mean of the weights before and after."""
    if new := run is None:
        run = start_run("well_resunet", train.config, norm="group")
        shutil.copyfile(WEIGHTS, run.folder / START)
        print(f"Stopped, it goes on with --resume {run.folder}", flush=True)
    shipped, _ = load_model(run.folder / START, run.device)
    if new:
        run.model.load_state_dict(shipped.state_dict())
    run.check_data(train, val)
    if new or run.unfinished:
        size = run.config.batch_size
        loaders = sections.section_loader(train, size, shuffle=True), sections.section_loader(val, size)
        history = fit(run, *loaders, epochs if new else None)
        print(history[["train_loss", "val_loss"]].round(4).to_string())
    run.model = mean_of_weights(shipped, run.model)
    return run


def score_of(run: Run, draw: Draw, learned: list[int]) -> str:
    """How the network did in the wells that it is judged by, and whether it had learned from them."""
    wells, config = draw.wells_of(draw.judged_images), run.config
    found = {well: predict_well(run.model, thickness, config=config) for well, thickness in wells.items()}
    scores = draw.score_masks({well: groove_mask(found[well], config) for well in wells})
    some = draw.judge.to_numpy().any()
    dice = f"Dice {scores['dice']:.3f}" if some else "no groove is labelled there, so there is no Dice"
    seen = sorted(set(wells) & set(learned))
    from_them = f"from wells {listed(seen)}: no measure of new wells" if seen else "from none of them"
    score = f"Validation wells {listed(wells)}: {dice}, mean IoU over patches {scores['mean_iou']:.3f}."
    return f"{score} The network has learned {from_them}."


if __name__ == "__main__":
    run_from_command_line(main)
