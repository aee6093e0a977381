"""How good a groove report is, against the known grooves of a simulated well."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.report.grooves import calls, groove_report


def match_grooves(found: np.ndarray, true: np.ndarray) -> pd.DataFrame:
    """Which found grooves and which true ones overlap, and in how many pixels.

    `found` and `true` are (H, W) int, grooves by number, 0 where there is none, from `grooves.calls`. A row
    that comes back is a pair: "true", "found", "pixels"; the largest overlap of each true groove is first.
    """
    both = (found > 0) & (true > 0)
    pairs = pd.DataFrame({"true": true[both], "found": found[both]})
    pairs = pairs.value_counts().rename("pixels").reset_index()
    return pairs.sort_values(["true", "pixels", "found"], ascending=[True, False, True], ignore_index=True)


def judge_report(
    mask: np.ndarray, truth: np.ndarray, thickness: np.ndarray, config: Config = Config()
) -> tuple[dict[str, int], pd.DataFrame]:
    """Compare the grooves that a network calls with the true ones, which are called in the same way.

    `mask` and `truth` are (H, W) of 0 and 1, `thickness` (H, W), for the losses of both.

    Returns
    -------
    counts : grooves "true" and "found"; true ones "hit" (overlapped by a found one) and "broken" (by two or
        more); found ones "right" (overlapping a true one) and "merged" (two or more).
    errors : a row a true groove that was hit, against the found one that overlaps it most, found minus true:
        "top_rows", "bottom_rows", "azimuth_deg", "width_deg", "mean_loss".
    """
    found, true = calls(mask), calls(truth)
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
    reports = [groove_report(numbers > 0, thickness, config=config) for numbers in (found, true)]
    got, wanted = reports[0].loc[best["found"]], reports[1].loc[best["true"]]
    errors = got.set_index(wanted.index) - wanted
    errors["azimuth_deg"] = (errors["azimuth_deg"] + 180) % 360 - 180
    errors = errors.rename(columns={"start_row": "top_rows", "end_row": "bottom_rows"})
    return counts, errors[["top_rows", "bottom_rows", "azimuth_deg", "width_deg", "mean_loss"]]


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
    for share, part, whole in (("recall", "hit", "true"), ("precision", "right", "found")):
        counts[share] = counts[part] / counts[whole] if counts[whole] else np.nan
    errors = pd.concat([errors for _, errors in judged]).quantile([0.1, 0.5, 0.9]).T
    return counts, errors.set_axis(["10 %", "median", "90 %"], axis=1)
