import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from helpers.data.wells import label_grooves


def test_a_groove_goes_on_around_the_pipe():
    mask = np.zeros((4, 6), int)
    mask[1, 5] = mask[2, 0] = 1  # diagonal neighbours across the wrap
    mask[0, 2] = 1
    assert label_grooves(mask).max() == 2
    assert label_grooves(mask)[1, 5] == label_grooves(mask)[2, 0] != 0


def test_two_pieces_joined_twice_are_one():
    mask = np.zeros((5, 6), int)
    mask[0, 5] = mask[0, 0] = 1
    mask[4, 5] = mask[4, 0] = 1
    mask[:, 5] = 1
    assert label_grooves(mask).max() == 1


@given(arrays(bool, (7, 8)), st.integers(0, 7))
def test_rolling_around_the_pipe_changes_no_groove(mask, columns):
    rolled = np.roll(label_grooves(mask), columns, axis=1)
    again = label_grooves(np.roll(mask, columns, axis=1))
    assert (again > 0).tolist() == (rolled > 0).tolist()
    pairs = set(zip(rolled.ravel().tolist(), again.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_numbers_have_no_gaps():
    mask = np.zeros((5, 6), int)
    mask[0, 5] = mask[0, 0] = mask[2, 2] = mask[4, 4] = 1
    assert np.unique(label_grooves(mask)).tolist() == [0, 1, 2, 3]


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 3, 3\)"):
        label_grooves(np.zeros((1, 3, 3)))
