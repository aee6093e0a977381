"""A groove report against the known grooves."""

import numpy as np
import pytest

from helpers.report.judging import judge_report, judge_reports, match_grooves


def ribbon(*places, height=200, columns=36):
    mask = np.zeros((height, columns), np.uint8)
    for top, bottom, column, width in places:
        mask[top : bottom + 1, np.arange(column, column + width) % columns] = 1
    return mask


FLAT = np.zeros((200, 36))


def test_a_groove_found_where_it_is_has_no_error():
    mask = ribbon((20, 80, 34, 4))
    counts, errors = judge_report(mask, mask, FLAT - 0.05 * mask)
    assert counts == {"true": 1, "found": 1, "hit": 1, "right": 1, "broken": 0, "merged": 0}
    assert (errors == 0).all(axis=None)


def test_errors_are_found_minus_true_and_go_around_the_wrap():
    truth, mask = ribbon((20, 80, 35, 3)), ribbon((25, 78, 34, 3))
    _, errors = judge_report(mask, truth, FLAT - 0.05 * truth)
    assert errors.loc[1, ["top_rows", "bottom_rows"]].tolist() == [5, -2]
    assert errors.loc[1, "azimuth_deg"] == pytest.approx(-10)
    assert errors.loc[1, "width_deg"] == pytest.approx(0)


def test_broken_merged_missed_and_false_grooves_are_counted():
    truth = ribbon((10, 90, 5, 3), (110, 130, 20, 3), (140, 160, 20, 3), (110, 160, 30, 3))
    mask = ribbon((10, 40, 5, 3), (50, 90, 5, 3), (110, 160, 20, 3), (10, 60, 15, 3))
    counts, errors = judge_report(mask, truth, FLAT)
    assert counts == {"true": 4, "found": 4, "hit": 3, "right": 3, "broken": 1, "merged": 1}
    assert len(errors) == 3 and errors.loc[1, "top_rows"] == 40  # against the longer of the two pieces


def test_overlaps_are_counted_in_pixels():
    pairs = match_grooves(np.array([[1, 1, 2, 0]]), np.array([[0, 1, 1, 1]]))
    assert pairs.to_dict("list") == {"true": [1, 1], "found": [1, 2], "pixels": [1, 1]}


def test_wells_are_judged_together():
    truths = {3: ribbon((20, 80, 5, 3)), 9: ribbon()}
    masks = {3: ribbon((30, 80, 5, 3)), 9: ribbon((20, 40, 5, 3))}
    counts, errors = judge_reports(masks, truths, {3: FLAT, 9: FLAT})
    assert (counts["recall"], counts["precision"]) == (1, 0.5)
    assert errors.loc["top_rows", "median"] == 10


def test_wells_without_any_groove_have_neither():
    counts, errors = judge_reports({9: ribbon()}, {9: ribbon()}, {9: FLAT})
    assert np.isnan(counts["recall"]) and np.isnan(counts["precision"]) and errors.isna().all(axis=None)
