"""The picture of the front page: test wells as measured, and with their true and found grooves.

    python experiments/train.py
    python experiments/front_picture.py runs/<run>/last_<timestamp>.pt

Simulated wells only: pictures of the challenge's images may not be passed on.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from common import run_from_command_line
from torch.utils.data import DataLoader

from helpers import plots
from helpers.checkpoint import load_model
from helpers.config import PROJECT_ROOT, Config
from helpers.data import COLUMNS, find_data, read_labels
from helpers.dataset import data_preparation_pipeline
from helpers.files import check_output, replace_atomically
from helpers.inference import predict_probabilities
from helpers.metrics import count_pixels, summarise
from helpers.wells import well_from_frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="file of a trained model")
    parser.add_argument("--wells", type=int, nargs="+", default=(2, 15), choices=Config().test_wells)
    parser.add_argument("--rows", type=int, default=300, help="of each well, from the top (default 300)")
    parser.add_argument("--output", type=Path, default=PROJECT_ROOT / "notebooks" / "front.png")
    arguments = parser.parse_args()
    plt.switch_backend("agg")
    if arguments.output.suffix != ".png":
        raise ValueError(f"{arguments.output}: expected the name of a picture that ends in .png.")
    check_output(arguments.output)
    source = find_data()
    if not source.simulated:
        raise ValueError("Found the real images; set CORROSEG_DATA=simulated, theirs may not be published.")
    model, config = load_model(arguments.model)
    test: DataLoader = data_preparation_pipeline(source.folder, config).test
    found = predict_probabilities(model, test) >= config.threshold
    true = read_labels(source.folder / "y_clean.csv").loc[test.dataset.names]
    counts = count_pixels(found, test.dataset.masks.new_tensor(true.to_numpy()).view_as(found))
    print(f"Test wells, clean truth: {summarise(counts)}")
    draw(
        pd.DataFrame(test.dataset.images.flatten(1).numpy(), test.dataset.names, COLUMNS),
        true,
        pd.DataFrame(found.flatten(1).numpy(), test.dataset.names, COLUMNS),
        arguments.wells,
        arguments.rows,
    )
    with replace_atomically(arguments.output) as temporary:
        plt.gcf().savefig(temporary, dpi=110)
    print(f"Written: {arguments.output}")


def draw(images: pd.DataFrame, true: pd.DataFrame, found: pd.DataFrame, wells: list[int], rows: int) -> None:
    """Two strips a well: thickness alone, then with outlines. All frames (n, 1296), by patch name."""
    strips, outlines, predictions = {}, {}, {}
    for well in wells:
        for title in (f"well {well},\nas measured", f"well {well},\ngrooves"):
            strips[title] = well_from_frame(images, well)
            with_grooves = title.endswith("grooves")
            outlines[title] = well_from_frame(true, well) * with_grooves
            predictions[title] = well_from_frame(found.astype(np.float32), well) * with_grooves
    plots.set_style()
    plots.show_well_strips(strips, outlines, predictions, rows)
    figure = plt.gcf()
    figure.set_size_inches(2 * len(strips) + 1, 4.8)
    for text, words in zip(figure.legends[0].texts, ("true groove", "found by the U-Net"), strict=True):
        text.set_text(words)


if __name__ == "__main__":
    run_from_command_line(main)
