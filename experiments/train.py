"""The baseline of notebook 04 from the command line: in one process, or in several that accelerate launches.

On two GPUs: `accelerate launch --multi_gpu --num_processes 2 experiments/train.py`. On two processes of a
CPU the same with ACCELERATE_USE_CPU=true before it. Each batch is shared out among the processes, so the loss
curve is that of one process. A run that was killed goes on with `--resume FOLDER`.
"""

import argparse
import sys
from pathlib import Path

from helpers.colab import find_data
from helpers.config import Config
from helpers.dataset import data_preparation_pipeline
from helpers.engine import engine
from helpers.losses import LOSSES
from helpers.metrics import summarise
from helpers.models import ARCHITECTURES
from helpers.runs import load_model, resume_run, start_run
from helpers.training import evaluate, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--patience", type=int, help="stop after so many epochs without a lower loss")
    parser.add_argument("--seed", type=int, default=Config().seed)
    parser.add_argument("--model", choices=ARCHITECTURES, default="unet")
    parser.add_argument("--loss", choices=LOSSES, default="bce")
    parser.add_argument("--runs", type=Path, default=Config().runs_dir, help="folder of all runs")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with this run, of the same data")
    arguments = parser.parse_args()
    with engine().main_process_first():  # it makes the simulated wells and data/interim
        source = find_data()
        data = data_preparation_pipeline(source.folder, Config(seed=arguments.seed))
    if arguments.resume:
        run = resume_run(arguments.resume)
        history = fit(run, data.train, data.val)
    else:
        config = Config(runs_dir=arguments.runs, patience=arguments.patience, seed=arguments.seed)
        run = start_run(arguments.model, config, arguments.loss)
        history = fit(run, data.train, data.val, arguments.epochs)
    if engine().is_main_process:
        print(history.round(4).to_string())
        print(f"Data: {source.description}")
        for name, path in (("lowest validation loss", run.best_path), ("last epoch", run.last_path)):
            model = load_model(path, engine().device)
            for part in ("val", "test"):
                _, counts = evaluate(model, getattr(data, part), run.loss_fn, run.config.threshold)
                print(f"{name}, {part}: {summarise(counts)}")
        print(f"Saved in {run.folder}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:  # a DataError among them; its message says all
        sys.exit(str(error))
