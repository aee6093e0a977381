"""How good groove reports are, against the known grooves of simulated wells."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.report.grooves import calls, groove_report

COMPARED = ["start_row", "end_row", "azimuth_deg", "width_deg", "mean_loss"]


def match_grooves(found: np.ndarray, true: np.ndarray) -> pd.DataFrame:
    """Each pair of a "true" groove and a "found" one that overlap, and in how many "pixels".

    `found` and `true` are (H, W) int from `grooves.calls`. The largest overlap of a true groove is first.
    """
    both = (found > 0) & (true > 0)
    pairs = pd.DataFrame({"true": true[both], "found": found[both]})
    pairs = pairs.value_counts().rename("pixels").reset_index()
    return pairs.sort_values(["true", "pixels", "found"], ascending=[True, False, True], ignore_index=True)


def judge_reports(
    masks: Mapping[int, np.ndarray],
    truths: Mapping[int, np.ndarray],
    wells: Mapping[int, np.ndarray],
    config: Config = Config(),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the grooves that a network calls in wells with the true ones, which are called in the same way.

    `masks` and `truths` are well -> (H, W) of 0 and 1, `wells` their thickness, for the losses of both.
    Returns counts, a row a well: grooves "true" and "found"; true ones "hit" (overlapped by a found one) and
    "broken" (by two or more); found ones "right" (overlapping a true one) and "merged" (two or more). And
    errors, a row a true groove that was hit: the found one that overlaps it most, minus the true one.
    """
    counts, errors = {}, {}
    for well, thickness in wells.items():
        found, true = calls(masks[well]), calls(truths[well])
        pairs = match_grooves(found, true)
        per_true, per_found = pairs["true"].value_counts(), pairs["found"].value_counts()
        counts[well] = {
            "true": true.max(),
            "found": found.max(),
            "hit": len(per_true),
            "right": len(per_found),
        }
        counts[well] |= {"broken": (per_true > 1).sum(), "merged": (per_found > 1).sum()}
        best = pairs.drop_duplicates("true")
        got, wanted = (groove_report(numbers > 0, thickness, config=config) for numbers in (found, true))
        wanted = wanted.loc[best["true"], COMPARED]
        errors[well] = got.loc[best["found"], COMPARED].set_index(wanted.index) - wanted
    table = pd.concat(errors, names=["well"])
    table["azimuth_deg"] = (table["azimuth_deg"] + 180) % 360 - 180
    return pd.DataFrame.from_dict(counts, "index"), table.rename(
        columns={"start_row": "top_rows", "end_row": "bottom_rows"}
    )
