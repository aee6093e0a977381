"""How hard is each well for a model that has not seen it? Notebook 05.

Each training and validation well is left out in turn; the baseline is trained on the others and scored on the
one left out, against the clean truth where it is known. A well's number is also the seed.
"""

import torch
from common import EPOCHS, Results, run_from_command_line

from experiments.draws import STUDY_CONFIG, leave_out, train_on
from helpers.data import find_data, load_data, read_labels


def main() -> None:
    torch.set_num_threads(1)
    source = find_data()
    y, images = load_data(source.folder)
    truth = read_labels(source.folder / "y_clean.csv").loc[y.index] if source.simulated else y
    results = Results(None, __file__, source)
    for well in results.missing(
        [{"well": well} for well in sorted(STUDY_CONFIG.train_wells + STUDY_CONFIG.val_wells)]
    ):
        draw = leave_out(well["well"], (well["well"],), y, images, truth)
        results.add(**well, **draw.score(train_on(*draw.cleaned, EPOCHS, draw.number)))


if __name__ == "__main__":
    run_from_command_line(main)
