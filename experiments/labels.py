"""Does it help to correct suspicious labels, or to leave them out (R4.3)? Notebook 10.

The labels of a draw are ranked by the network that ships with the project, which learned from the truth of
other simulated wells: the tenth of the patches that cleanlab finds most suspicious is dropped, redrawn by
that network, or redrawn as the truth is. "All redrawn" is the most that cleaning of labels can do.
"""

from functools import cache

import pandas as pd
from common import run_from_command_line, run_study

from experiments.draws import Draw, train_on
from helpers.labels.quality import label_issues, most_suspicious
from helpers.training.checkpoint import load_model
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import WEIGHTS, groove_mask, predict_well

SHARE = 0.1  # of the patches that are suspected


@cache
def suspects(draw: Draw) -> tuple[pd.Index, pd.DataFrame]:
    """The patches whose labels are suspected, and the network's masks of them."""
    y, _ = draw.cleaned
    model, config = load_model(WEIGHTS)
    images = draw.wells_of(draw.images.loc[y.index])
    found = {well: predict_well(model, image, config=config) for well, image in images.items()}
    masks = {well: groove_mask(probability, config) for well, probability in found.items()}
    found, masks = (
        pd.DataFrame(patches_of_wells(wells, y.index).reshape(len(y), -1), y.index, y.columns)
        for wells in (found, masks)
    )
    chosen = most_suspicious(label_issues(y, found).mean(axis=1), SHARE)
    return chosen, masks.loc[chosen].astype(y.to_numpy().dtype)


def learns_from(draw: Draw, epochs: int, case: str) -> dict[str, float]:
    labels, images = draw.cleaned
    chosen, masks = suspects(draw)
    labels = labels.copy()
    if case == "suspects dropped":
        labels = labels.drop(chosen)
    elif case == "suspects redrawn by the network":
        labels.loc[chosen] = masks
    elif case == "suspects redrawn":
        labels.loc[chosen] = draw.clean.loc[chosen]
    elif case == "all redrawn":
        labels = draw.clean.loc[labels.index]
    return draw.score(train_on(labels, images, epochs, draw.number))


CASES = ("as drawn", "suspects dropped", "suspects redrawn by the network", "suspects redrawn", "all redrawn")
VARIANTS = {case: lambda draw, epochs, case=case: learns_from(draw, epochs, case) for case in CASES}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="as drawn"))
