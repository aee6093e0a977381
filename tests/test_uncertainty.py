import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.uncertainty import bootstrap, depth_blocks


def test_neighbours_and_twins_share_a_block_and_wells_do_not():
    names = [f"well_3_patch_{patch}" for patch in (0, 1, 4)]  # 36 columns: one patch below the other
    names += [f"well_1_patch_{patch}" for patch in (0, 1, 2, 3, 4)]  # 72 columns: 2k and 2k + 1 are twins
    assert list(depth_blocks(names, size=2)) == [0, 0, 1, 2, 2, 2, 2, 3]


def test_an_interval_holds_the_score():
    counts = torch.randint(0, 50, (200, 3), generator=torch.Generator().manual_seed(0))
    table = bootstrap(counts, np.arange(200) // 10)
    assert (table["low"] < table["score"]).all() and (table["score"] < table["high"]).all()


def test_one_block_has_no_spread():
    counts = torch.tensor([[5, 1, 2], [3, 0, 0]])
    table = bootstrap(counts, np.zeros(2, int), draws=20)
    assert table["low"].tolist() == table["high"].tolist() == pytest.approx(table["score"].tolist())


def test_copies_of_a_patch_do_not_narrow_the_interval():
    """Ten patches that say the same are one observation: they belong into one block."""
    counts = torch.randint(0, 50, (40, 3), generator=torch.Generator().manual_seed(1))
    single = bootstrap(counts, np.arange(40))
    copied = bootstrap(counts.repeat_interleave(10, 0), np.arange(400) // 10)
    torch.testing.assert_close(torch.tensor(single.values), torch.tensor(copied.values))
    narrow = bootstrap(counts.repeat_interleave(10, 0), np.arange(400))
    assert ((narrow["high"] - narrow["low"]) < 0.6 * (copied["high"] - copied["low"])).all()


@given(st.integers(0, 100))
def test_the_same_seed_gives_the_same_interval(seed):
    counts = torch.tensor([[5, 1, 2], [3, 0, 9], [4, 4, 4]])
    first, second = (bootstrap(counts, np.arange(3), draws=10, seed=seed) for _ in range(2))
    assert first.equals(second)


def test_counts_without_blocks_are_refused():
    with pytest.raises(ValueError, match="2 blocks and 3 counts"):
        bootstrap(torch.zeros(3, 3), np.zeros(2, int))


def test_no_counts_are_refused():
    with pytest.raises(ValueError, match="empty"):
        bootstrap(torch.zeros(0, 3), np.zeros(0, int))
