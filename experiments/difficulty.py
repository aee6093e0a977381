"""How hard is each well for a model that has not seen it? Notebook 05, section 2.

Each training and validation well is left out in turn; the U-Net is trained on the others and scored on the
one left out, against the clean truth where it is known. A well's number is also the seed.
"""

from common import Results, judge_of, load_folds, parse_arguments, run_from_command_line
from tqdm import tqdm

from helpers.config import Config
from helpers.data import load_data
from helpers.metrics import count_pixels, summarise
from helpers.studies.folds import leave_out, predict_masks, train_on


def main() -> None:
    arguments = parse_arguments(__doc__)
    source, _ = load_folds()
    y, images = load_data(source.folder, Config().unpacked_dir)
    results = Results(arguments.output, __file__, source)
    for well in tqdm(sorted(Config().train_wells + Config().val_wells), unit="run"):
        key = {"well": well, "epochs": arguments.epochs}
        if results.has(**key):
            continue
        fold = leave_out(well, (well,), y, images)
        model = train_on(*fold.cleaned(), arguments.epochs, fold.number)
        counts = count_pixels(predict_masks(model, fold.unseen), judge_of(source, fold.unseen))
        scores = {name: round(score, 4) for name, score in summarise(counts).items()}
        found = int(counts[:, :2].sum())
        results.add(**key, patches=len(counts), found_pixels=found, **scores)


if __name__ == "__main__":
    run_from_command_line(main)
