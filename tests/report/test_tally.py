"""A joint tally shows what the network misses: uniform loss, pits, patches of corrosion."""

import numpy as np
import pytest

from groove_report import tally
from groove_report.tally import find_collars, joint_tally
from helpers.whole_wells.simulation import simulate_sound_wall

NOMINAL = 0.42  # inches
COLLARS = 130, 430, 730, 1030


@pytest.fixture
def wall():
    """Five joints: sound, 40 % lost all over, two pits, a patch of corrosion, sound."""
    rng, (rows, columns) = np.random.default_rng(0), np.indices((1200, 36))
    wall = NOMINAL + rng.normal(0, 0.003, (1200, 36))
    wall[130:430] -= 0.4 * NOMINAL
    for row, column, depth in ((500, 4, 0.55), (650, 35, 0.7)):
        around = (columns - column + 18) % 36 - 18
        wall -= depth * NOMINAL * np.exp(-0.5 * (((rows - row) / 1.5) ** 2 + (around / 0.8) ** 2))
    wall -= 0.48 * NOMINAL * (((rows - 850) / 40) ** 2 + ((columns - 20) / 6) ** 2 < 1)
    for collar in COLLARS:
        wall[collar : collar + 5] += rng.normal(0, 0.06, (5, 36))
    wall[1100:1150, :18] = np.nan
    wall[60, 7] = 0.05  # a false echo
    return wall


def test_uniform_loss_pits_and_a_patch_are_told_joint_by_joint(wall):
    depth = 1500 + 0.04 * np.arange(len(wall))
    table, nominal, said = joint_tally(wall, depth, NOMINAL)
    assert nominal == NOMINAL and "told apart by their collars" in said
    assert table["top_m"].tolist() == pytest.approx(
        [1500] + [1500.2 + 0.04 * row for row in COLLARS], abs=0.13
    )
    assert table["length_m"].sum() == pytest.approx(48, abs=1.5)
    assert table["mean_wall_mm"].tolist()[:2] == pytest.approx([10.67, 6.4], abs=0.05)
    assert table["penetration_pct"].tolist() == pytest.approx([2, 42, 66, 50, 2], abs=4)
    assert table["class_pct"].tolist() == ["0–20", "40–60", "over 60", "40–60", "0–20"]
    assert table["unmeasured_pct"].tolist() == pytest.approx([0, 0, 0, 0, 15], abs=1)
    third = table.loc[3]
    assert (third["least_at_m"], third["least_azimuth_deg"]) == (pytest.approx(1526, abs=0.05), 355)
    in_rows, _, _ = joint_tally(wall, None, NOMINAL)
    assert in_rows["top_row"].tolist() == pytest.approx([0] + [row + 5 for row in COLLARS], abs=3)
    assert in_rows["penetration_pct"].tolist() == table["penetration_pct"].tolist()


def test_the_nominal_wall_is_estimated_and_without_collars_joints_are_stretches(wall, monkeypatch):
    _, nominal, said = joint_tally(wall)
    assert nominal == pytest.approx(NOMINAL, rel=0.01) and "nominal wall is not known: 10.6" in said
    table, _, said = joint_tally(wall[140:420], 0.04 * np.arange(280))
    assert table["length_m"].tolist() == pytest.approx([11.2]) and "No collar was seen" in said
    nothing, nominal, _ = joint_tally(np.full((400, 36), np.nan))
    assert nothing.empty and nominal is None and list(nothing) == list(joint_tally(wall)[0])
    whole = find_collars(wall)
    monkeypatch.setattr(tally, "PIECE", 100)
    assert find_collars(wall) == whole


def test_collars_of_simulated_wells_are_found_and_little_else():
    for well in (9, 3):
        deviation = simulate_sound_wall(3000, well)
        found = [(place.start + place.stop) / 2 for place in find_collars(deviation)]
        lengths = np.diff(found)  # 165 and 330 rows, give or take 3 %
        expected = {9: 165, 3: 330}[well]
        assert np.median(lengths) == pytest.approx(expected, rel=0.05)
        assert (np.abs(lengths / expected - 1) < 0.15).mean() >= 0.8
