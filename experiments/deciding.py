"""How do the probabilities of a whole well become a mask: which scales, which thresholds? Notebook 07.

    CORROSEG_DATA=path/to/folder python experiments/deciding.py  # five folds of the real wells: they decide

The shipped network is asked, and the mean of its weights and of those that they become in three epochs on
the draw's wells (`train_wells.py`). A groove is what hangs together at the probability `likely` and reaches
`sure`; two equal ones decide by pixels. Settings are chosen by the mean IoU of both networks in all draws but
one, and judged in that one, beside one scale and 0.5.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
import torch
from common import FEW, FOLDS_OF_REAL_WELLS, Results, make_draw, run_from_command_line, study_parser
from whole_wells import averaged

from experiments.draws import Draw
from helpers.config import Config
from helpers.data import find_data
from helpers.training.checkpoint import load_model
from helpers.whole_wells.prediction import WEIGHTS, groove_mask, predict_well

SCALES = ((1.0,), (0.75, 1.0), (0.5, 1.0), (0.5, 0.75, 1.0))
THRESHOLDS = [(0.5, 0.5), (0.4, 0.4), (0.3, 0.3), *product((0.5, 0.4, 0.3, 0.2), (0.8, 0.9, 0.95))]
SETTING = ["scales", "likely", "sure"]


def main() -> None:
    torch.set_num_threads(1)
    source = find_data()
    arguments = study_parser(__doc__).parse_args()
    results = Results(arguments.output, __file__, source)
    for number in arguments.draws or range(FEW if source.simulated else FOLDS_OF_REAL_WELLS):
        if not results.has(draw=number):
            results.add_all(list(rows_of(make_draw(number, source))))
    if results.rows["draw"].nunique() > 1:
        print(nested(results.rows).round(3).to_string())


def rows_of(draw: Draw) -> Iterator[dict]:
    """A row a network and setting; each well is searched once a network and scale."""
    wells = draw.wells_of(draw.judged_images)
    for network, model in (("shipped", load_model(WEIGHTS)[0]), ("trained further", averaged(draw, 3))):
        places = product(wells, SCALES[-1])
        found = {(well, scale): predict_well(model, wells[well], scales=(scale,)) for well, scale in places}
        for scales, (likely, sure) in product(SCALES, THRESHOLDS):
            config = Config(likely=likely, sure=sure)
            masks = {
                well: groove_mask(np.mean([found[well, scale] for scale in scales], axis=0), config)
                for well in wells
            }
            setting = dict(zip(SETTING, (" ".join(map(str, scales)), likely, sure), strict=True))
            yield {"draw": draw.number, "network": network} | setting | draw.score_masks(masks)


def nested(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a draw and network: what the other draws choose, and its scores beside the plain ones."""
    ious = rows.astype({"scales": str}).pivot_table("mean_iou", SETTING, "draw")  # mean of both networks
    table = rows.astype({"scales": str}).set_index([*SETTING, "draw", "network"])[["dice", "mean_iou"]]
    found = {}
    for draw, network in product(ious, rows["network"].unique()):
        chosen = ious.drop(columns=draw).mean(axis=1).idxmax()
        plain, ours = table.loc[("1.0", 0.5, 0.5, draw, network)], table.loc[(*chosen, draw, network)]
        settings = dict(zip(SETTING, chosen, strict=True))
        found[draw, network] = settings | dict(plain.add_prefix("plain ")) | dict(ours)
    return pd.DataFrame.from_dict(found, "index")


if __name__ == "__main__":
    run_from_command_line(main)
