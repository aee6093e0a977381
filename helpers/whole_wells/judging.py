"""How good a groove report is, against the known grooves of a simulated well."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.whole_wells.report import calls, groove_report


def match_grooves(found: np.ndarray, true: np.ndarray) -> pd.DataFrame:
    """Which found grooves and which true ones overlap, and in how many pixels.

    Parameters
    ----------
    found, true : (H, W) int, grooves by number, 0 where there is none, as `report.calls` gives them.

    Returns
    -------
    A row a pair: "true", "found", "pixels", the largest overlap of each true groove first.
    """
    both = (found > 0) & (true > 0)
    pairs = pd.DataFrame({"true": true[both], "found": found[both]})
    pairs = pairs.value_counts().rename("pixels").reset_index()
    return pairs.sort_values(["true", "pixels", "found"], ascending=[True, False, True], ignore_index=True)


def judge_report(
    mask: np.ndarray, truth: np.ndarray, thickness: np.ndarray, config: Config = Config()
) -> tuple[dict[str, int], pd.DataFrame]:
    """Compare the grooves that a network calls with the true ones.

    Both are called alike: pieces apart by at most three rows are one groove, shorter ones than ten rows none.

    Parameters
    ----------
    mask, truth : (H, W) of 0 and 1. thickness : (H, W), for the losses of both.

    Returns
    -------
    counts : grooves "true" and "found"; true ones "hit" (overlapped by a found one) and "broken" (by two or
        more); found ones "right" (overlapping a true one) and "merged" (two or more).
    errors : a row a true groove that was hit, against the found one that overlaps it most: "top_rows",
        "bottom_rows" (found minus true), "azimuth_deg", "width_deg", "mean_loss", which the report measures
        on either mask in the same way.
    """
    found, true = calls(mask), calls(truth)
    reports = [groove_report(numbers > 0, thickness, config=config) for numbers in (found, true)]
    pairs = match_grooves(found, true)
    per_true, per_found = pairs["true"].value_counts(), pairs["found"].value_counts()
    counts = {
        "true": int(true.max()),
        "found": int(found.max()),
        "hit": len(per_true),
        "right": len(per_found),
        "broken": int((per_true > 1).sum()),
        "merged": int((per_found > 1).sum()),
    }
    best = pairs.drop_duplicates("true")
    got, wanted = reports[0].loc[best["found"]], reports[1].loc[best["true"]]
    errors = pd.DataFrame(
        {
            "top_rows": got["start_row"].to_numpy() - wanted["start_row"].to_numpy(),
            "bottom_rows": got["end_row"].to_numpy() - wanted["end_row"].to_numpy(),
            "azimuth_deg": (got["azimuth_deg"].to_numpy() - wanted["azimuth_deg"].to_numpy() + 180) % 360
            - 180,
            "width_deg": got["width_deg"].to_numpy() - wanted["width_deg"].to_numpy(),
            "mean_loss": got["mean_loss"].to_numpy() - wanted["mean_loss"].to_numpy(),
        },
        index=pd.Index(best["true"], name="groove"),
    )
    return counts, errors


def judge_reports(
    masks: Mapping[object, np.ndarray],
    truths: Mapping[object, np.ndarray],
    wells: Mapping[object, np.ndarray],
    config: Config = Config(),
) -> tuple[pd.Series, pd.DataFrame]:
    """`judge_report` of several wells together; each argument is well -> (H, W).

    Returns
    -------
    counts : summed, with "recall" (hit of true) and "precision" (right of found).
    errors : median, and 10 % and 90 % quantile, of each error over all grooves that were hit.
    """
    judged = [judge_report(masks[well], truths[well], wells[well], config) for well in wells]
    counts = pd.DataFrame([counts for counts, _ in judged]).sum().astype(float)
    counts["recall"] = counts["hit"] / counts["true"] if counts["true"] else np.nan
    counts["precision"] = counts["right"] / counts["found"] if counts["found"] else np.nan
    tables = [errors for _, errors in judged]
    errors = pd.concat([table for table in tables if len(table)] or tables[:1]).quantile([0.1, 0.5, 0.9]).T
    return counts, errors.set_axis(["10 %", "median", "90 %"], axis=1)
