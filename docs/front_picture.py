"""The picture of the front page: what the shipped network finds in two wells.

The network has seen neither of them: it learned from other simulated wells. They are no test wells. Of
simulated wells only: pictures of the challenge's images may not be passed on.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nothing is installed but the requirements

from helpers import plots
from helpers.config import PROJECT_ROOT
from helpers.data import find_data, load_data, read_labels
from helpers.data.preprocess import usable_pixels
from helpers.data.wells import well_from_frame
from helpers.files import replace_atomically, run_from_command_line
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS, groove_mask, predict_well

WELLS, FOLDER = (6, 13), PROJECT_ROOT / "notebooks"


def main() -> None:
    plt.switch_backend("agg")
    source = find_data()
    if not source.simulated:
        raise ValueError("Found the real images; set CORROSEG_DATA=simulated, theirs may not be published.")
    model, config = load_model(WEIGHTS)
    _, images = load_data(source.folder)
    truth = read_labels(source.folder / "y_clean.csv")
    strips, outlines, found = {}, {}, {}
    for well in WELLS:
        thickness, true = (well_from_frame(frame, well) for frame in (images, truth))
        mask = groove_mask(predict_well(model, thickness, config=config), config)
        shown = np.where(usable_pixels(thickness, config), thickness, np.nan)
        for title, drawn in ((f"well {well},\nas measured", 0.0), (f"well {well},\ngrooves", 1.0)):
            strips[title], outlines[title], found[title] = shown, true * drawn, mask * drawn
    plots.set_style()
    plots.show_well_strips(strips, outlines, found, rows=300)
    figure = plt.gcf()
    figure.set_size_inches(2 * len(strips) + 1, 4.8)
    for text, words in zip(figure.legends[0].texts, ("true groove", "found by the network"), strict=True):
        text.set_text(words)
    with replace_atomically(path := FOLDER / "front.png") as temporary:
        figure.savefig(temporary, dpi=110)
    print(f"Written: {path}")


if __name__ == "__main__":
    run_from_command_line(main)
