"""Groove reports against the known grooves."""

import numpy as np
import pytest

from helpers.report.judging import judge_reports


def ribbon(*places, height=200, columns=36):
    mask = np.zeros((height, columns), np.uint8)
    for top, bottom, column, width in places:
        mask[top : bottom + 1, np.arange(column, column + width) % columns] = 1
    return mask


def judge(masks, truths):
    return judge_reports(masks, truths, {well: -0.05 * truth for well, truth in truths.items()})


def test_a_groove_found_where_it_is_has_no_error_and_a_well_without_any_has_none():
    masks = {3: ribbon((20, 80, 34, 4)), 9: ribbon()}
    counts, errors = judge(masks, masks)
    assert counts.loc[3].to_dict() == {"true": 1, "found": 1, "hit": 1, "right": 1, "broken": 0, "merged": 0}
    assert (counts.loc[9] == 0).all() and list(errors.index) == [(3, 1)] and (errors == 0).all(axis=None)


def test_errors_are_found_minus_true_and_go_around_the_wrap():
    _, errors = judge({3: ribbon((25, 78, 34, 3))}, {3: ribbon((20, 80, 35, 3))})
    assert errors.loc[(3, 1), ["top_rows", "bottom_rows"]].tolist() == [5, -2]
    assert errors.loc[(3, 1), ["azimuth_deg", "width_deg"]].tolist() == pytest.approx([-10, 0])


def test_broken_merged_missed_and_false_grooves_are_counted():
    truth = ribbon((10, 90, 5, 3), (110, 130, 20, 3), (140, 160, 20, 3), (110, 160, 30, 3))
    mask = ribbon((10, 40, 5, 3), (50, 90, 5, 3), (110, 160, 20, 3), (10, 60, 15, 3))
    counts, errors = judge({3: mask}, {3: truth})
    assert counts.loc[3].to_dict() == {"true": 4, "found": 4, "hit": 3, "right": 3, "broken": 1, "merged": 1}
    assert len(errors) == 3 and errors.loc[(3, 1), "top_rows"] == 40  # against the longer of the two pieces
