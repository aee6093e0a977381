import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from helpers.data.synthetic import RECIPES
from helpers.data.wells import parse_name, patch_name
from helpers.metrics import dice_from_counts, iou_from_counts
from helpers.studies.uncertainty import bootstrap, depth_blocks


def patches(well: int, *numbers: int) -> list[str]:
    return [patch_name(well, number) for number in numbers]


def test_neighbours_and_twins_share_a_block_and_wells_do_not():
    names = patches(3, 0, 1, 4)  # 36 columns: one patch below the other
    names += patches(1, 0, 1, 2, 3, 4)  # 72 columns: 2k and 2k + 1 are twins
    assert list(depth_blocks(names, size=2)) == [0, 0, 1, 2, 2, 2, 2, 3]


def test_the_standard_error_is_that_of_a_mean_and_the_margin_is_of_students_t():
    """Ten blocks of a patch each: the mean IoU has the standard error s / sqrt(10); t(0.975, 9) is 2.262."""
    counts = torch.randint(5, 50, (10, 3), generator=torch.Generator().manual_seed(2))
    row = bootstrap(counts, patches(3, *range(0, 100, 10)), draws=20_000).loc["mean_iou"]
    error = iou_from_counts(counts.double()).std().item() / np.sqrt(10)
    odds = logit(row[["score", "low", "high"]].astype(float))
    margin = 2.262 * error / (row["score"] * (1 - row["score"]))
    assert odds["high"] - odds["score"] == pytest.approx(margin, rel=0.03)
    assert odds["score"] - odds["low"] == pytest.approx(margin, rel=0.03)


def test_a_well_of_two_blocks_counts_as_much_as_its_patches():
    """Each draw has one block less of a well than there are, so those drawn count n / (n - 1) times: else a
    small well's spread would count too little. Two blocks of IoU 0.1 and 0.5 among twelve: the standard error
    of the mean is (2 / 12) * (0.4 / sqrt(2)) / sqrt(2); t(0.975, 10) is 2.228."""
    counts = torch.tensor([[10, 40, 50], [50, 20, 30]] + [[30, 40, 30]] * 10)
    row = bootstrap(counts, patches(3, 0, 10) + patches(4, *range(0, 100, 10)), draws=4000).loc["mean_iou"]
    odds = logit(row[["score", "low", "high"]].astype(float))
    margin = 2.228 * (0.4 / 12) / (row["score"] * (1 - row["score"]))
    assert odds["high"] - odds["score"] == pytest.approx(margin, rel=0.03)
    assert odds["score"] - odds["low"] == pytest.approx(margin, rel=0.03)


def test_how_wells_differ_is_no_part_of_the_interval():
    """Blocks are drawn within each well: where those of a well are alike, nothing varies."""
    names = patches(3, *range(40)) + patches(4, *range(30))
    counts = torch.tensor([[90, 5, 5]] * 40 + [[10, 50, 50]] * 30)
    table = bootstrap(counts, names)
    for column in ("low", "high"):
        assert table[column].tolist() == pytest.approx(table["score"].tolist())


@pytest.mark.parametrize("lone", [patches(3, 0), patches(3, 0) + patches(11, 0)])
def test_a_well_of_one_block_is_not_taken_for_certain(lone):
    """Its block says nothing of its own spread, so it is drawn with another well's."""
    names = lone + patches(4, *range(0, 100, 10))
    counts = [[90, 5, 5], [50, 30, 30]][: len(lone)] + [[10, 50, 50]] * 10
    table = bootstrap(torch.tensor(counts), names)
    assert (table["high"] - table["low"] > 0.02).all()


@pytest.mark.parametrize(("names", "blocks"), [(patches(3, 0, 1), 1), (patches(3, 0) + patches(4, 0), 2)])
def test_wells_of_one_block_say_nothing_of_the_spread(names, blocks):
    table = bootstrap(torch.tensor([[5, 1, 2], [3, 0, 0]]), names)
    assert table[["low", "high"]].isna().all(axis=None) and table["score"].notna().all()
    assert table["blocks"].tolist() == [blocks] * 2


@pytest.mark.parametrize(("counts", "score"), [([9, 0, 0], 1), ([0, 0, 0], 1), ([0, 4, 5], 0)])
def test_scores_of_zero_and_one_have_intervals_too(counts, score):
    table = bootstrap(torch.tensor([counts] * 30), patches(3, *range(30)))
    assert (table[["score", "low", "high"]] == score).all(axis=None)


def test_copies_of_a_patch_do_not_narrow_the_interval():
    """Ten patches that say the same are one observation: they belong into one block."""
    counts = torch.randint(0, 50, (40, 3), generator=torch.Generator().manual_seed(1))
    single = bootstrap(counts, patches(3, *range(0, 400, 10)))
    copied = bootstrap(counts.repeat_interleave(10, 0), patches(3, *range(400)))
    torch.testing.assert_close(torch.tensor(single.values), torch.tensor(copied.values))


def test_counts_without_names_are_refused():
    with pytest.raises(ValueError, match="2 names and 3 counts"):
        bootstrap(torch.zeros(3, 3), patches(3, 0, 1))


ALIKE = {well: (1.5, 0.7) for well in (2, 4, 5, 15)}
UNLIKE = {2: (2.0, 0.9), 4: (0.0, 0.75), 5: (1.0, 0.25), 15: (3.0, 0.6)}
VALIDATION = {3: (-1.0, 0.84), 9: (0.0, 1e-9)}


def simulated_counts(
    wells: dict[int, tuple[float, float]], names: list[str], spread: float, rng: np.random.Generator, n: int
) -> torch.Tensor:
    """Counts of patches, (n, N, 3), whose errors vary by block and by patch."""
    blocks = depth_blocks(names)
    hard, share = np.array([wells[parse_name(name)[0]] for name in names]).T
    block = rng.normal(0, spread, (3, n, blocks.max() + 1))[:, :, blocks]
    patch = rng.normal(0, 0.5, (2, n, len(blocks)))
    grooved = rng.random((n, len(blocks))) < expit(logit(share) + block[0])
    true = np.where(grooved, rng.integers(60, 140, grooved.shape), 0)
    tp = rng.binomial(true, expit(hard + block[1] + patch[0]))
    fp = rng.binomial(1296 - true, np.minimum(0.012 * np.exp(0.8 * block[2] + patch[1]), 1))
    return torch.from_numpy(np.stack([tp, fp, true - tp], axis=-1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wells", "spread", "blocks"),
    [(ALIKE, 1.0, 8), (UNLIKE, 1.0, 8), (VALIDATION, 1.0, 19)],
)
def test_an_interval_of_95_percent_holds_the_true_score_that_often(wells, spread, blocks):
    """At the sizes of notebook 04, on simulated wells."""
    rng = np.random.default_rng(0)
    names = [name for well in wells for name in patches(well, *range(RECIPES[well].patches))]
    many = simulated_counts(wells, names, spread, rng, 10_000)
    true = {"dice": dice_from_counts(many.sum((0, 1)).double()).item()}
    true["mean_iou"] = iou_from_counts(many.double()).mean().item()
    held = {score: 0 for score in true}
    samples = simulated_counts(wells, names, spread, rng, 1000)
    for counts in samples:
        table = bootstrap(counts, names, draws=200)
        assert table.loc["dice", "blocks"] == blocks
        for score, value in true.items():
            held[score] += table.loc[score, "low"] <= value <= table.loc[score, "high"]
    assert min(held.values()) / len(samples) >= 0.93
    assert held["dice"] / len(samples) <= 0.98  # nor so wide that it says nothing
