"""Cleaning: what is repaired, what is dropped, and what is left alone."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.config import Config
from helpers.data import COLUMNS
from helpers.data.preprocess import (
    CLUSTER,
    SPE,
    UNUSABLE,
    PreprocessData,
    dbscan_outliers,
    repair_pixels,
    spe_outliers,
)
from helpers.data.wells import patch_name
from helpers.files import DataError
from helpers.whole_wells.sections import assemble_wells

SENTINEL = np.float32(-999.25)


def make_frames(pixels: np.ndarray, well: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Masks and images of patches 0, 1, ... of one well; the mask of patch p has p corroded pixels."""
    index = pd.Index([patch_name(well, patch) for patch in range(len(pixels))], name="patch")
    masks = (np.arange(1296) < np.arange(len(pixels))[:, None]).astype(np.uint8)
    return pd.DataFrame(masks, index, COLUMNS), pd.DataFrame(pixels.astype(np.float32), index, COLUMNS)


def noise(patches: int, seed: int = 0) -> np.ndarray:
    """Patches as alike as those of a quiet well: 0.5 from each other, well inside DBSCAN's 1.5."""
    return np.random.default_rng(seed).normal(0, 0.01, (patches, 1296)).astype(np.float32)


def with_odd_patch(patches: int = 40, value: float = 0.15) -> np.ndarray:
    """Quiet patches, and as patch 5 one whose wall is thicker everywhere."""
    pixels = noise(patches)
    pixels[5] += value
    return pixels


@pytest.mark.parametrize(
    "unusable", [np.nan, np.inf, -np.inf, -999.25, -999.0, -0.2501, 0.5001, 999.25, 1e25, 1e38]
)
def test_only_unusable_pixels_change_and_get_the_median_of_the_usable(unusable):
    """Not the whole row, as DataFrame.mask fills it, and not all pixels but the last."""
    pixels = noise(3)
    pixels[1, [0, 700, 1295]] = unusable
    repaired, counts = repair_pixels(pixels)
    usable = np.setdiff1d(np.arange(1296), [0, 700, 1295])
    assert (repaired[1, [0, 700, 1295]] == np.median(pixels[1, usable])).all()
    np.testing.assert_array_equal(repaired[1, usable], pixels[1, usable])
    np.testing.assert_array_equal(repaired[[0, 2]], pixels[[0, 2]])
    assert counts.sum(axis=1).tolist() == [0, 3, 0]
    square = repair_pixels(pixels.reshape(3, 36, 36))  # patches of any shape
    np.testing.assert_array_equal(square[0], repaired.reshape(3, 36, 36))
    pd.testing.assert_frame_equal(square[1], counts)


def test_thresholds_themselves_are_usable_and_come_from_the_config():
    pixels = np.array([[-0.25, -0.2, 0.0, 0.1, 0.5]], np.float32)
    np.testing.assert_array_equal(repair_pixels(pixels)[0], pixels)
    _, counts = repair_pixels(pixels, Config(outlier_threshold=-0.1, upper_outlier_threshold=0.2))
    assert counts.iloc[0].to_dict() == {"missing": 0, "below": 2, "above": 1}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ruined_pixels", [200, 5000])
def test_patch_without_usable_pixel_becomes_zero_and_is_dropped(ruined_pixels):
    repaired, counts = repair_pixels(np.array([[np.nan, np.nan], [np.nan, SENTINEL]], np.float32))
    assert (repaired == 0).all()
    assert counts.to_dict("list") == {"missing": [2, 1], "below": [0, 1], "above": [0, 0]}
    pixels = noise(4)
    pixels[1] = np.nan
    cleaner = PreprocessData(Config(ruined_pixels=ruined_pixels))
    cleaner.transform(*make_frames(pixels))
    assert cleaner.dropped_ == ["well_1_patch_1"]
    assert cleaner.report_.loc["well_1_patch_1", "missing"] == 1296


@pytest.mark.filterwarnings("error")  # pandas' SettingWithCopyWarning
@pytest.mark.parametrize("clean", ["fit_transform", "transform"])
def test_patch_is_ruined_from_the_configs_number_of_unusable_pixels_and_the_input_stays(clean):
    pixels = noise(10)
    pixels[3, :199] = SENTINEL  # one less than ruined_pixels
    pixels[4, :200] = SENTINEL
    pixels[6, -150:], pixels[6, :50] = np.nan, SENTINEL  # 200 of both kinds together
    cleaner = PreprocessData()
    given = make_frames(pixels)
    y, images = getattr(cleaner, clean)(*given)
    assert cleaner.dropped_ == ["well_1_patch_4", "well_1_patch_6"]
    assert len(images) == 8
    assert np.isfinite(images.to_numpy()).all()
    assert cleaner.report_["action"].tolist() == ["filled", "dropped", "dropped"]
    assert cleaner.report_["reason"].tolist() == ["outliers below the range"] * 2 + ["missing values"]
    y.iloc[:], images.iloc[:] = 7, 7
    for frame, before in zip(given, make_frames(pixels), strict=True):
        pd.testing.assert_frame_equal(frame, before)


def test_spe_flags_the_odd_patch_only_and_the_same_on_every_run():
    assert np.flatnonzero(spe_outliers(with_odd_patch())).tolist() == [5]
    assert not spe_outliers(with_odd_patch(), Config(spe_std=20)).any()
    pixels = noise(600) + np.random.default_rng(1).standard_t(2, (600, 1)).astype(np.float32) * 0.01
    found = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002 - of no consequence
        found.append(spe_outliers(pixels).tolist())
    assert found[0] == found[1] and any(found[0])


@pytest.mark.filterwarnings("error")
def test_identical_patches_are_not_flagged():
    assert not spe_outliers(np.full((5, 1296), 0.1, np.float32)).any()
    assert not dbscan_outliers(np.full((5, 1296), 0.1, np.float32)).any()


@pytest.mark.parametrize("patches", [1, 2])
def test_too_few_patches_for_an_ellipse(patches):
    with pytest.raises(DataError, match=f"at least 3 patches, found {patches}"):
        PreprocessData().fit_transform(*make_frames(noise(patches)))


def test_dbscan_keeps_the_largest_cluster_even_if_it_is_not_the_first():
    pixels = noise(12)
    pixels[:2] += 0.1  # the first cluster, of two patches, 3.6 from the rest
    pixels[7] -= 0.1  # noise
    assert np.flatnonzero(dbscan_outliers(pixels)).tolist() == [0, 1, 7]
    assert not dbscan_outliers(pixels, Config(dbscan_eps=5.0)).any()
    assert dbscan_outliers(pixels, Config(dbscan_min_samples=13)).all()


def test_dbscan_judges_what_spe_left():
    pixels = noise(200)
    pixels[::2, :400] += 0.06  # two patterns, each 1.2 strong, span the plane that SPE looks at ...
    pixels[::3, 400:800] += 0.06
    pixels[9, 800:] += 0.1  # ... and this patch leaves it sideways, 2.2 from the rest
    pixels[20:22] += 0.2  # two odd patches, which SPE takes before they can form a cluster
    cleaner = PreprocessData()
    cleaner.fit_transform(*make_frames(pixels))
    reasons = {"well_1_patch_9": CLUSTER, "well_1_patch_20": SPE, "well_1_patch_21": SPE}
    assert cleaner.report_["reason"].to_dict() == reasons


@pytest.mark.filterwarnings("error")  # pandas' SettingWithCopyWarning too
def test_odd_patch_is_left_out_of_training_but_not_out_of_judging(capfd):
    pixels = with_odd_patch()
    pixels[2, :300] = np.nan
    pixels[20, :3] = [999.25, 1e25, 1e38]  # neither stretch the ellipse nor hide the odd patch
    y_before, images_before = make_frames(pixels)
    cleaner = PreprocessData()
    y, images = cleaner.fit_transform(y_before, images_before)
    assert cleaner.dropped_ == ["well_1_patch_2", "well_1_patch_5"]
    odd = cleaner.report_.loc["well_1_patch_5"].tolist()
    assert odd == [1, 0, 0, 0, "dropped", "outside the SPE/DmodX ellipse"]
    kept = [name for name in y_before.index if name not in cleaner.dropped_]
    pd.testing.assert_frame_equal(y, y_before.loc[kept])
    unharmed = [name for name in kept if name != "well_1_patch_20"]
    pd.testing.assert_frame_equal(images.loc[unharmed], images_before.loc[unharmed])
    assert list(images.index) == kept and images.loc["well_1_patch_20"].abs().max() < 0.1
    assert "well_1_patch_5" in cleaner.transform(y_before, images_before)[1].index
    assert cleaner.dropped_ == ["well_1_patch_2"]
    assert capfd.readouterr() == ("", "")
    arrays = [row.reshape(36, 36) for row in pixels]  # in the order of the masks as good as a frame
    for one, other in zip((y, images), PreprocessData().fit_transform(y_before, arrays), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_summary_follows_the_patches_from_step_to_step():
    pixels = with_odd_patch()
    pixels[1, :11] = np.nan
    pixels[2, :300] = np.nan
    pixels[3, :300] = SENTINEL
    pixels[4, :2], pixels[4, 5] = SENTINEL, np.nan  # touched in both steps
    pixels[7, 800] = SENTINEL
    pixels[8, 3] = 999.25
    pixels[9, :250] = 1e38
    cleaner = PreprocessData()
    cleaner.fit_transform(*make_frames(pixels))
    assert cleaner.summary_.index.tolist() == ["loaded", *UNUSABLE.values(), SPE, CLUSTER]
    assert cleaner.summary_["touched"].tolist() == [0, 3, 3, 2, 1, 0]
    assert cleaner.summary_["dropped"].tolist() == [0, 1, 1, 1, 1, 0]
    assert cleaner.summary_["left"].tolist() == [40, 39, 38, 37, 36, 36]
    assert cleaner.report_.index.tolist() == [patch_name(1, patch) for patch in (1, 2, 3, 4, 5, 7, 8, 9)]
    assert cleaner.report_["missing"].tolist() == [11, 300, 0, 1, 0, 0, 0, 0]
    assert cleaner.report_["below"].tolist() == [0, 0, 300, 2, 0, 1, 0, 0]
    assert cleaner.report_["above"].tolist() == [0, 0, 0, 0, 0, 0, 1, 250]
    assert cleaner.report_.loc["well_1_patch_9", "reason"] == "outliers above the range"


def test_nothing_left_is_an_error_that_says_at_which_step():
    for pixels, said in (
        (noise(4), r"4 patches:(.|\n)*DBSCAN cluster +4 +4 +0\n"),
        (np.full((4, 1296), np.nan), r"4 patches:(.|\n)*missing values +4 +4 +0\n"),
        (noise(0), "0 patches"),
    ):
        with pytest.raises(DataError, match=f"left none of {said}"):
            PreprocessData(Config(dbscan_eps=1e-6)).fit_transform(*make_frames(pixels))


SQUARE = np.zeros((36, 36))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda y, x: (y.iloc[[0, 1, 2, 4]], x), "(?i)images without label: well_1_patch_3"),
        (lambda y, x: (y, x.iloc[1:]), "(?i)labels without image: well_1_patch_0"),
        (lambda y, x: (y.iloc[[0, 2, 1, 3, 4]], x), "Row 1 is well_1_patch_2 in the masks, well_1_patch_1"),
        (lambda *both: (f.iloc[[0, 1, 1]] for f in both), "1 patches appear twice .* first well_1_patch_1"),
        (lambda y, x: (y.iloc[:, :-1], x), "Expected 1296 columns of masks, one per pixel, found 1295"),
        (lambda y, x: (y, x.iloc[:, :-1]), "Expected 1296 columns of images, one per pixel, found 1295"),
        (lambda y, x: (y, [SQUARE] * 4), "one image for each of 5 masks, found 4"),
        (lambda y, x: (y, [SQUARE] * 3 + [SQUARE[1:]] * 2), r"36 x 36.*found \(35, 36\) for well_1_patch_3"),
        (lambda *both: (f.rename(index={"well_1_patch_2": "x"}) for f in both), "'x' is not a patch"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(change, said):
    with pytest.raises(ValueError, match=said):  # which a DataError is
        PreprocessData().transform(*change(*make_frames(noise(5))))


@pytest.mark.filterwarnings("error")  # of an overflow
@pytest.mark.parametrize("impossible", [-999.25, 0.6, 999.25, 1e38, 1e39, -1e308])
def test_impossible_values_tell_nothing_of_a_whole_well(impossible):
    y, images = make_frames(noise(2), well=3)
    images = images.astype(np.float64)
    images.iloc[0, [40, 500]] = impossible
    thickness, mask = assemble_wells(y, images, [3], columns=36)[3]
    assert torch.isfinite(thickness).all()
    assert thickness[1, 4] == 0 and mask.isnan().sum() == 2
    _, cleaned = PreprocessData().transform(y, images)
    assert set(cleaned.dtypes) == {np.dtype(np.float32)} and np.abs(cleaned.to_numpy()).max() < 0.1
