import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from helpers.data.wells import frame_from_well
from helpers.labels.errors import confusion, groove_cases


def block(*grooves: tuple[slice, slice], shape=(36, 36)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for place in grooves:
        mask[place] = 1
    return mask


ROWS = slice(3, 33)  # 30 of them
GROOVE = block((ROWS, slice(10, 14)))  # 4 columns wide
FLAT = np.zeros((36, 36))


def kind_of(prediction: np.ndarray, truth: np.ndarray = GROOVE) -> list[str]:
    return confusion(truth, prediction, FLAT)["kind"].tolist()


@pytest.mark.parametrize(
    ("kind", "rows", "columns"),
    [  # a third of 4 columns is 1.3; a quarter of 30 rows 7.5, nine tenths 27; 6 columns are too wide
        ("found", ROWS, slice(10, 14)), ("found", ROWS, slice(11, 15)), ("found", ROWS, slice(9, 14)),
        ("found", ROWS, slice(11, 14)), ("found", slice(3, 30), slice(10, 14)),
        ("missed", slice(3, 10), slice(10, 14)), ("broken", slice(3, 11), slice(10, 14)),
        ("broken", slice(3, 29), slice(10, 14)), ("shifted", ROWS, slice(12, 16)),
        ("shifted", ROWS, slice(8, 12)), ("too wide", ROWS, slice(9, 15)),
        ("too narrow", ROWS, slice(11, 13)),
    ],
)  # fmt: skip
def test_a_groove_gets_the_name_of_its_rule(kind, rows, columns):
    assert kind_of(block((rows, columns))) == [kind]


def test_a_prediction_outside_all_zones_is_a_false_groove():
    assert kind_of(block((ROWS, slice(25, 28)))) == ["missed", "false"]
    assert kind_of(block((ROWS, slice(16, 17)))) == ["shifted"]
    assert kind_of(block((ROWS, slice(18, 19)))) == ["missed", "false"]  # just outside
    cases = confusion(FLAT, FLAT, FLAT)
    assert len(cases) == 0 and "kind" in cases


@given(st.integers(0, 35), st.sampled_from([slice(10, 14), slice(12, 16), slice(9, 15), slice(25, 28)]))
def test_the_azimuth_has_no_first_column(turn, columns):
    prediction = block((ROWS, columns))
    turned = confusion(np.roll(GROOVE, turn, 1), np.roll(prediction, turn, 1), FLAT)
    plain = confusion(GROOVE, prediction, FLAT)
    compared = ["kind", "rows", "width", "covered", "offset", "width_ratio"]
    pd.testing.assert_frame_equal(turned[compared], plain[compared])


def test_measures_of_a_groove():
    thickness = np.full((36, 36), 0.01)
    thickness[ROWS, 10:14] = -0.03
    thickness[:, 22:] = thickness[:, :2] = 0.5  # what is far away has no say
    case = confusion(GROOVE, block((ROWS, slice(10, 12))), thickness).iloc[0]
    assert (case["first_row"], case["rows"], case["width"]) == (3, 30, 4)
    assert case["contrast"] == pytest.approx(0.04)
    assert (case["covered"], case["offset"], case["width_ratio"]) == (1.0, -1.0, 0.5)


def test_cases_of_a_wide_well_are_counted_once_for_both_twins_in_columns_of_36():
    truth, found = np.zeros((72, 72), np.uint8), np.zeros((72, 72), np.uint8)
    truth[:, 20:26] = 1
    found[36:, 20:26] = 1
    thickness = np.zeros((72, 72), np.float32)
    cases = groove_cases(frame_from_well(truth, 2), frame_from_well(found, 2), frame_from_well(thickness, 2))
    assert cases["kind"].tolist() == ["missed", "found"]
    assert cases["block"].tolist() == [0, 1] and cases["first_row"].tolist() == [0, 36]
    assert cases["width"].tolist() == [3, 3]
    left = [
        frame_from_well(mask, 2).iloc[2:] for mask in (truth, found, thickness)
    ]  # dropped patches have no case
    assert groove_cases(*left)["block"].tolist() == [1]
