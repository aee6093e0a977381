import numpy as np
import pandas as pd
import pytest

from helpers.data import COLUMNS
from helpers.data.wells import well_from_frame
from helpers.eda.tables import (
    corroded_ratios_per_well,
    patch_statistics,
    published_and_here,
    thickness_per_well,
    twin_correlations,
    well_features,
)


def frame(patches: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame([patch.ravel() for patch in patches.values()], list(patches), COLUMNS)


def patch(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.01, (36, 36)).astype(np.float32)


def test_corroded_ratios_are_per_cent_per_well():
    half, none = np.zeros((36, 36)), np.zeros((36, 36))
    half[:18] = 1
    table = corroded_ratios_per_well(
        frame({"well_2_patch_0": half, "well_2_patch_1": none, "well_9_patch_0": none})
    )
    assert table.loc[2].tolist() == [25.0, 50.0]
    assert table.loc[9].tolist() == [0.0, 0.0]


def test_statistics_leave_unusable_pixels_out():
    pixels = patch(0)
    pixels[0, :4] = [np.nan, -999.25, -0.3, 999.25]
    row = patch_statistics(frame({"well_1_patch_0": pixels})).iloc[0]
    usable = pixels.ravel()[4:]
    assert (row["well"], row["missing"], row["below"], row["above"]) == (1, 1, 2, 1)
    assert row["min"] == usable.min() and row["max"] == usable.max()
    assert row["median"] == pytest.approx(np.median(usable))


def test_twins_are_pairs_of_an_even_and_the_next_patch():
    first = patch(0)
    table = twin_correlations(
        frame(
            {
                "well_1_patch_1": first + 0.001,
                "well_1_patch_0": first,
                "well_3_patch_1": first,
                "well_3_patch_2": first,
            }
        )
    )
    assert table[["well", "pair", "twins"]].values.tolist() == [[1, 0, True]]
    assert table["correlation"].item() == pytest.approx(1)


def test_sentinels_do_not_make_twins():
    a, b = patch(0), patch(1)
    a[:10] = b[:10] = -999.25
    correlation = twin_correlations(frame({"well_1_patch_0": a, "well_1_patch_1": b}))["correlation"].item()
    assert abs(correlation) < 0.2


def test_a_well_is_assembled_from_any_order_of_patches():
    a, b = patch(0), patch(1)
    image = well_from_frame(frame({"well_3_patch_1": b, "well_1_patch_0": a, "well_3_patch_0": a}), 3)
    np.testing.assert_array_equal(image, np.vstack([a, b]))


def test_a_missing_patch_is_a_gap():
    image = well_from_frame(frame({"well_3_patch_0": patch(0), "well_3_patch_2": patch(2)}), 3)
    assert image.shape == (108, 36)
    assert np.isnan(image[36:72]).all() and np.isfinite(image[:36]).all()


def test_a_missing_twin_leaves_its_columns_empty():
    image = well_from_frame(frame({"well_1_patch_0": patch(0)}), 1)
    assert image.shape == (36, 72)
    assert np.isfinite(image[:, 0::2]).all() and np.isnan(image[:, 1::2]).all()


def test_a_well_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="well 4"):
        well_from_frame(frame({"well_3_patch_0": patch(0)}), 4)


def test_published_figures_stand_beside_ours():
    table = published_and_here({"patches": 968, "corroded pixels, %": 6.5580001})
    assert table.loc["patches"].tolist() == ["9,674", "968"]
    assert table.loc["corroded pixels, %"].tolist() == ["7.154", "6.558"]


def test_a_figure_that_was_not_published_is_refused():
    with pytest.raises(KeyError, match="colour"):
        published_and_here({"colour": 1})


def test_features_of_a_well_one_can_check():
    wall = patch(0)
    groove = np.zeros((36, 36), np.uint8)
    groove[:18, 10:14] = 1
    images = frame({"well_3_patch_0": wall - 0.05 * groove, "well_9_patch_0": wall, "well_9_patch_1": wall})
    empty = np.zeros((36, 36), np.uint8)
    masks = frame({"well_3_patch_0": groove, "well_9_patch_0": empty, "well_9_patch_1": empty})
    image_features, mask_features = well_features(masks, images)
    assert mask_features.loc[3].tolist()[:3] == pytest.approx([100 * 18 * 4 / 1296, 50, 4])
    assert mask_features.loc[3, "groove contrast"] == pytest.approx(0.05, abs=0.006)
    assert mask_features.loc[9].tolist() == [0, 0, 0, 0]
    assert image_features.loc[3, "IQR"] == pytest.approx(1.35 * 0.01, rel=0.15)
    assert image_features.loc[9, "column correlation"] == pytest.approx(0.5, abs=0.1)  # twins are equal here


def test_thickness_per_well_leaves_unusable_pixels_out_and_counts_them():
    pixels = np.linspace(-0.1, 0.1, 1296).reshape(36, 36)
    pixels[:9] = [[-999.25] * 36] * 2 + [[999.25] * 36] * 2 + [[np.nan] * 36] * 5
    row = thickness_per_well(frame({"well_5_patch_0": pixels, "well_5_patch_1": pixels})).loc[5]
    assert row["patches"] == 2 and row["unusable, %"] == 25
    assert row["median"] == pytest.approx(np.median(pixels[9:]))
    assert row["0.5 %"] > -0.1 and row["99.5 %"] < 0.1
