"""Systematic errors of labels (review point R4.3), found without a model.

All look at assembled wells, (H, W), once around the pipe: what a patch border cuts is seen whole. Holes and
slips are found by `helpers.labels.ribbons`.
"""

import numpy as np
import pandas as pd

from helpers.config import PATCH_SIZE
from helpers.data.wells import well_from_frame, wells_of
from helpers.labels.ribbons import block_of, find_holes, find_slips, number_stretches, ribbon_rows


def width_changes(mask: np.ndarray, hold: int = 10) -> np.ndarray:
    """Rows in which the drawn width jumps, having held for `hold` rows, and holds again: the seams between
    annotated stretches."""
    rows = ribbon_rows(mask)
    stretches = rows.groupby(number_stretches(rows["groove"], rows["width"]))
    first, held = stretches.first(), stretches.size() >= hold
    same_groove = first["groove"] == first["groove"].shift()
    return first["row"][held & held.shift(fill_value=False) & same_groove].to_numpy()


def defects_per_patch(y: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """In which patches holes, slips and changes of width are found, from masks and repaired images: (n, 3)
    bool, in the order of `y`: "hole", "slip", "width change". Twins share what is found in their 36 rows."""
    found = []
    for well in sorted(set(wells_of(y).tolist())):
        mask = np.nan_to_num(well_from_frame(y, well)).astype(np.uint8)  # dropped patches count as sound
        rows = pd.DataFrame({"hole": find_holes(mask).any(axis=1), "slip": False, "width change": False})
        for stretch in find_slips(mask, well_from_frame(images, well)).itertuples():
            rows.loc[stretch.start_row : stretch.end_row, "slip"] = True
        changes = width_changes(mask)
        rows["width change"] = rows.index.isin([*(changes - 1), *changes])  # the rows on both sides
        found.append(pd.concat({well: rows.groupby(rows.index // PATCH_SIZE).any()}))
    return pd.concat(found).loc[[block_of(name) for name in y.index]].set_axis(y.index)
