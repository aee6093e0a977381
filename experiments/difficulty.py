"""How hard is each well for a model that has not seen it? Notebook 05.

Each training and validation well is left out in turn; the baseline is trained on the others and scored on the
one left out, against the clean truth where it is known. A well's number is also the seed.
"""

import torch
from common import EPOCHS, Results, load_with_truth, run_from_command_line

from experiments.draws import STUDY_CONFIG, leave_out, train_on
from helpers.data import find_data


def main() -> None:
    torch.set_num_threads(1)
    source = find_data()
    data = load_with_truth(source)
    results = Results(None, __file__, source)
    for well in sorted(STUDY_CONFIG.train_wells + STUDY_CONFIG.val_wells):
        if not results.has(well=well):
            draw = leave_out(well, [well], *data)
            results.add(well=well, **draw.score(train_on(*draw.cleaned, EPOCHS, draw.number)))


if __name__ == "__main__":
    run_from_command_line(main)
