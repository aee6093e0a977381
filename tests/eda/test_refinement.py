import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from helpers.eda.enhancement import (
    bilateral,
    clahe,
    compare_enhancements,
    groove_contrast,
    naive_uint8,
    to_uint8,
)
from helpers.eda.refinement import agreement_with_truth, close_symmetric, dilate_2x2, fill_holes

REFINEMENTS = pytest.mark.parametrize("refine", [fill_holes, dilate_2x2, close_symmetric])
ENHANCEMENTS = pytest.mark.parametrize("enhance", [clahe, bilateral])
some_masks = arrays(np.uint8, (2, 9, 11), elements=st.integers(0, 1))
some_thickness = st.floats(-0.5, 0.5, width=32)


def masks(*pictures: str) -> np.ndarray:
    """Masks drawn with # for groove and . for wall, rows separated by spaces."""
    return np.array([[[c == "#" for c in row] for row in p.split()] for p in pictures], np.uint8)


def grooved_patch(depth: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One patch of sound wall with noise, and a groove in its columns 10 to 13: image and mask."""
    image = np.random.default_rng(seed).normal(0, 0.005, (1, 36, 36)).astype(np.float32)
    mask = np.zeros((1, 36, 36), np.uint8)
    mask[:, :, 10:14] = 1
    return image - np.float32(depth) * mask, mask


# ---------------------------------------------------------------- masks


def test_an_enclosed_hole_is_filled():
    assert (
        fill_holes(masks("..... .###. .#.#. .###. .....")) == masks("..... .###. .###. .###. .....")
    ).all()


def test_a_hole_that_the_patch_border_cuts_open_stays():
    cut = masks("###.. #.#.. .##..", ".###. .#.#. .###.")
    expected = masks("###.. ###.. .##..", ".###. .###. .###.")
    assert (fill_holes(cut) == expected).all()
    open_above = masks("#.#.. #.#.. ###..")
    assert (fill_holes(open_above) == open_above).all()


def test_patches_of_a_stack_do_not_close_each_others_holes():
    notch, lid = "##### #...# #...# #.###", "##### ##### ##### #####"
    assert (fill_holes(masks(lid, notch, lid))[1] == masks(notch)[0]).all()


def test_2x2_dilation_does_not_wrap_at_the_patch_border():
    assert (dilate_2x2(masks("... ... ..#", "... ... ...")) == masks("... ... ..#", "... ... ...")).all()


@given(some_masks)
def test_2x2_dilation_is_opencvs_formula(drawn):
    # dst(x) = max over x' in {0, 1} of src(x + x' - anchor), anchor 1, in both directions
    padded = np.pad(drawn, ((0, 0), (1, 0), (1, 0)))
    shifted = [padded[:, r : r + 9, c : c + 11] for r in (0, 1) for c in (0, 1)]
    assert (dilate_2x2(drawn) == np.max(shifted, axis=0)).all()


@pytest.mark.parametrize("refine", [fill_holes, close_symmetric])
@given(drawn=some_masks)
def test_symmetric_operations_commute_with_flips(refine, drawn):
    for axis in (1, 2):
        assert (np.flip(refine(np.flip(drawn, axis)), axis) == refine(drawn)).all()


def test_closing_closes_a_slit_and_a_short_gap():
    slit = masks("#.# #.# #.# #.# #.#")
    assert close_symmetric(slit).all()
    gap = masks("..... .###. ..... ..... .###. .....")
    assert (close_symmetric(gap) == masks("..... .###. .###. .###. .###. .....")).all()
    longer = masks("..... .###. ..... ..... ..... .###. .....")
    assert (close_symmetric(longer) == longer).all()


def test_closing_does_not_eat_at_the_patch_border():
    corner = masks("##.. ##.. .... ....")
    assert (close_symmetric(corner) == corner).all()


@REFINEMENTS
@given(drawn=some_masks)
def test_refined_masks_are_uint8_of_0_and_1_and_lose_nothing(refine, drawn):
    refined = refine(drawn)
    assert refined.dtype == np.uint8 and refined.shape == drawn.shape
    assert refined.max() <= 1
    assert (refined >= drawn).all()


@REFINEMENTS
def test_masks_of_grey_values_are_refused(refine):
    with pytest.raises(ValueError, match="0 and 1.*0 to 255"):
        refine(masks("#.#") * 255)


@REFINEMENTS
def test_one_mask_without_its_stack_is_refused(refine):
    with pytest.raises(ValueError, match=r"\(N, H, W\)"):
        refine(masks("#.#")[0])


def test_agreement_counts_pixels_and_moved_borders():
    drawn = masks("..... .#... .#... .#... .....", "..... ..... ..... ..... .....")
    truth = masks("..... .##.. .##.. .##.. .....", "..... ..... ..... ..... .....")
    table = agreement_with_truth(drawn, truth, {"dilated": dilate_2x2})
    assert table.loc["as drawn"].to_dict() == pytest.approx(
        {
            "dice": 2 * 3 / (3 + 6),
            "mean_iou": (3 / 6 + 1) / 2,
            "corroded, %": 100 * 3 / 50,
            **{"right, %": 0, "left, %": 0, "down, %": 0, "up, %": 0},
        }
    )
    assert table.loc["dilated"].to_dict() == pytest.approx(
        {
            "dice": 2 * 6 / (8 + 6),
            "mean_iou": (6 / 8 + 1) / 2,
            "corroded, %": 100 * 8 / 50,
            **{"right, %": 100, "left, %": 0, "down, %": 100, "up, %": 0},
        }
    )


def test_steps_of_a_staircase_count_as_no_side():
    steps = masks("...... .##... ..##.. ...##. ......")
    moved = agreement_with_truth(steps, steps, {"dilated": dilate_2x2}).loc["dilated"]
    assert moved[["right, %", "left, %", "down, %", "up, %"]].tolist() == [100, 0, 100, 0]


def test_2x2_dilation_of_the_simulated_labels_costs_agreement_with_the_truth(simulated):
    _, labels, truth = (frame.to_numpy().reshape(-1, 36, 36) for frame in simulated)
    refinements = {"filled": fill_holes, "dilated": dilate_2x2, "closed": close_symmetric}
    dice = agreement_with_truth(labels, truth, refinements)["dice"]
    assert dice["dilated"] < dice["as drawn"] - 0.05
    assert dice["as drawn"] < min(dice["filled"], dice["closed"]) < dice["as drawn"] + 0.01


# ---------------------------------------------------------------- images


def test_8_bits_span_the_range_and_are_clipped_beyond_it():
    values = np.array([-999.25, -0.25, -0.07, 0.11, 0.47, 1.0])
    assert to_uint8(values, -0.25, 0.47).tolist() == [0, 0, 64, 128, 255, 255]


def test_naive_8_bits_wrap_around_below_zero():
    assert naive_uint8(np.array([0.05, 0.004, 0.0, -0.003, -0.004, -0.05])).tolist() == [
        *(12, 1, 0, 0, 255, 244)
    ]


def test_a_groove_is_brighter_than_the_wall_in_naive_8_bits_only():
    image, mask = grooved_patch()
    image += 0.02  # a wall above zero, so that only the groove wraps
    assert groove_contrast(to_uint8(image, -0.06, 0.06), mask) > 3
    assert groove_contrast(naive_uint8(image), mask) < -3


def test_a_scale_upside_down_is_refused():
    with pytest.raises(ValueError, match="low below high"):
        to_uint8(np.zeros(3), 0.06, -0.06)


@ENHANCEMENTS
def test_enhanced_patches_are_8_bits_of_the_same_shape(enhance):
    images = np.concatenate([grooved_patch(seed=seed)[0] for seed in range(3)])
    before = images.copy()
    pictures = enhance(images, -0.06, 0.06)
    assert pictures.dtype == np.uint8 and pictures.shape == images.shape
    assert (images == before).all()
    assert np.ptp(pictures) > 100  # the 8 bits are used, not 0 and 1


@ENHANCEMENTS
def test_a_groove_stays_darker_than_the_wall(enhance):
    image, mask = grooved_patch()
    assert groove_contrast(enhance(image, -0.06, 0.06), mask) > 0.5


@ENHANCEMENTS
def test_a_patch_of_one_value_stays_its_grey(enhance):
    flat = np.full((1, 36, 36), -0.03)
    assert (enhance(flat, -0.06, 0.06) == to_uint8(flat, -0.06, 0.06)).all()


def test_the_bilateral_filter_smooths_the_wall():
    image, _ = grooved_patch()
    plain, smooth = (f(image, -0.06, 0.06)[0, :, 18:] for f in (to_uint8, bilateral))
    assert smooth.std() < 0.7 * plain.std()


def test_no_black_frame_bleeds_into_the_bilateral_filter():
    image = grooved_patch(depth=0)[0] - 0.05  # nearly as dark as what lies outside by default
    plain, smooth = (f(image, -0.06, 0.06)[0].astype(float) for f in (to_uint8, bilateral))
    assert abs(smooth[:, -1].mean() - plain[:, -1].mean()) < 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "use",
    [
        lambda image: to_uint8(image, -0.06, 0.06),
        naive_uint8,
        lambda image: clahe(image, -0.06, 0.06),
        lambda image: bilateral(image, -0.06, 0.06),
        lambda image: groove_contrast(image, grooved_patch()[1]),
    ],
)
def test_missing_values_are_refused_with_a_remedy(use, bad):
    image, _ = grooved_patch()
    image[0, 3, 4] = bad
    with pytest.raises(ValueError, match="found 1 missing.*repair"):
        use(image)


# ---------------------------------------------------------------- contrast


def patch_by_hand() -> tuple[np.ndarray, np.ndarray]:
    """Wall 0, 1, 2, 3, 4 in equal parts (median 2, quartiles 1 and 3), 20 groove pixels of -4."""
    image = np.repeat(np.arange(5.0), 20).reshape(1, 10, 10)
    image = np.concatenate([image, np.full((1, 2, 10), -4.0)], axis=1)
    return image, (image < 0).astype(np.uint8)


def test_contrast_by_hand():
    assert groove_contrast(*patch_by_hand()) == pytest.approx((2 - -4) / (3 - 1))


def test_too_few_pixels_have_no_contrast():
    image, mask = patch_by_hand()
    mask[0, -1, -1] = 0  # 19 left
    assert np.isnan(groove_contrast(image, mask)).all()
    assert np.isnan(groove_contrast(image, np.ones_like(mask))).all()


def test_a_wall_of_one_value_has_no_contrast():
    image, mask = patch_by_hand()
    assert np.isnan(groove_contrast(np.where(mask, image, 0), mask)).all()


def test_compared_pictures_are_measured_against_thickness():
    depths = (0.02, 0.04, 0.06, 0.08)
    pairs = [grooved_patch(depth, seed) for seed, depth in enumerate(depths)]
    images, grooves = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    empty = np.zeros((1, 36, 36))
    images, grooves = np.concatenate([images, empty]), np.concatenate([grooves, empty.astype(np.uint8)])
    table = compare_enhancements(
        images, {"upside down": -images, "louder": 2 * images + 1, "halved": images + 0.01 * grooves}, grooves
    )
    assert table.index.name == "4 patches"
    assert table["depth kept"].tolist() == pytest.approx([1, -1, 1, 1])
    assert table.loc["upside down", "contrast"] == pytest.approx(-table.loc["thickness", "contrast"])
    assert table.loc["louder", "contrast"] == pytest.approx(table.loc["thickness", "contrast"], rel=1e-4)
    assert table["clearer, %"][["thickness", "upside down", "halved"]].tolist() == [0, 0, 0]


def test_a_patch_without_contrast_in_one_picture_is_compared_in_none():
    pairs = [grooved_patch(depth, seed) for seed, depth in enumerate((0.02, 0.04, 0.06))]
    images, grooves = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    dead = images.copy()
    dead[2] = 0
    assert compare_enhancements(images, {"dead": dead}, grooves).equals(
        compare_enhancements(images[:2], {"dead": dead[:2]}, grooves[:2])
    )
