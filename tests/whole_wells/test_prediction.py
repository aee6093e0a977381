"""Inference on whole wells, in memory and from files."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from helpers.config import Config
from helpers.data.wells import assemble_well, frame_from_well
from helpers.files import DataError
from helpers.models import build_model
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import (
    groove_mask,
    mask_patches,
    predict_patches,
    predict_rows,
    predict_well,
    predict_well_by_patches,
    predict_well_file,
)
from helpers.whole_wells.well_files import open_well, save_well


class Pointwise(nn.Module):
    """A model without context: whatever the window, a pixel gets the same answer."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(0.5))

    def forward(self, images):
        return images + self.bias


@pytest.fixture
def well() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.02, (500, 36)).astype(np.float32)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("rows", [1000, 500, 144, 126, 7, 1])
def test_windows_put_each_pixel_back_in_its_place(well, rows):
    found = predict_well(Pointwise(), well, rows, scales=(1,))
    assert found.shape == well.shape and found.dtype == np.float32
    assert max(len(piece) for piece in predict_rows(Pointwise(), well, rows)) <= rows
    np.testing.assert_allclose(found, sigmoid(well / 0.02 + 0.5), rtol=1e-5)


@pytest.mark.parametrize("height", [500, 144, 20, 1])
def test_every_scale_finds_a_pixel_at_its_own_depth_and_sees_as_many_rows(height):
    class CountsRows(Pointwise):
        def forward(self, images):
            seen.append(images.shape[2])
            return super().forward(images)

    well = 0.02 * np.sin(np.arange(height)[:, None] / 30 + np.arange(36)).astype(np.float32)
    answers = []
    for scale in (0.5, 0.75, 1.5):
        seen = []
        answers.append(predict_well(CountsRows(), well, 144, scales=(scale,)))
        np.testing.assert_allclose(answers[-1], sigmoid(well / 0.02 + 0.5), atol=0.02)
        assert max(seen) == min(144, max(1, round(scale * height)))
    together = predict_well(Pointwise(), well, 144, scales=(0.5, 0.75, 1.5))
    np.testing.assert_allclose(together, np.mean(answers, axis=0), rtol=1e-6)


def test_windows_fade_into_each_other():
    class Alternates(Pointwise):
        sign = -1

        def forward(self, images):
            self.sign *= -1
            return torch.full_like(images, 20.0 * self.sign)

    found = predict_well(Alternates(), np.zeros((60, 36), np.float32), 36, scales=(1,))[:, 0]
    np.testing.assert_allclose(found, np.r_[[1] * 27, np.linspace(0.9, 0.1, 9), [0] * 24], atol=1e-6)


def test_the_network_goes_around_the_pipe():
    """Rolled by what its strides keep, the well gives the same answer, rolled."""
    torch.manual_seed(0)
    model = build_model("well_resunet", width=4)
    well = np.random.default_rng(0).normal(0, 0.02, (144, 36)).astype(np.float32)
    rolled = predict_well(model, np.roll(well, 8, axis=1))
    np.testing.assert_allclose(rolled, np.roll(predict_well(model, well), 8, axis=1), atol=1e-5)


def test_a_groove_is_kept_whole_around_the_pipe_and_a_faint_speck_goes():
    probability = np.zeros((40, 36), np.float32)
    probability[5:15, 35] = probability[15:30, 0] = 0.25  # one groove, over the corner of the wrap,
    probability[7, 35] = 0.875  # sure in one pixel
    probability[5:30, 20] = 0.75
    config = Config(likely=0.25, sure=0.875)  # whoever reaches them is
    found = groove_mask(probability, config)
    assert found.dtype == bool and found[5:15, 35].all() and found[15:30, 0].all() and found.sum() == 25
    assert groove_mask(probability, replace(config, sure=0.75)).sum() == 50
    assert not groove_mask(0 * probability, config).any()
    noise = np.random.default_rng(0).random((50, 72))  # two equal thresholds decide by pixels
    np.testing.assert_array_equal(groove_mask(noise, Config(likely=0.5, sure=0.5)), noise >= 0.5)


def test_patches_are_searched_by_the_scale_thresholds_and_width_that_are_given():
    """Which the defaults are not. The same in every row, the well is the same at every depth scale."""
    well = np.tile(np.random.default_rng(0).normal(0, 0.02, (1, 72)), (36, 1)).astype(np.float32)
    images = frame_from_well(well, 16)
    config = Config(value_mean=0.01, value_std=0.05, likely=0.6, sure=0.6)
    expected = sigmoid((well - 0.01) / 0.05 + 0.5)
    found = predict_patches(Pointwise(), images, config, columns=72)[:, 0].numpy()
    np.testing.assert_allclose(assemble_well(found, 72), expected, rtol=1e-5)
    masks = mask_patches(Pointwise(), images, config, columns=72)[:, 0].numpy()
    np.testing.assert_array_equal(assemble_well(masks, 72), expected >= 0.6)
    assert 0 < masks.mean() < 1


def test_nan_probabilities_are_an_error_and_not_a_sound_well(well):
    model = Pointwise()
    model.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN for"):
        predict_well(model, well)


@pytest.mark.parametrize("options", [{"rows": 0}, {"scales": ()}, {"scales": (0, 1)}])
def test_impossible_windows_and_scales_are_refused_and_leave_no_file(well, tmp_path, options):
    save_well(well, tmp_path / "well.npy")
    for predict in (
        lambda: predict_well(Pointwise(), well, **options),
        lambda: predict_well_file(Pointwise(), tmp_path / "well.npy", tmp_path / "found.npy", **options),
    ):
        with pytest.raises(ValueError, match="at least 1 row and scales above 0"):
            predict()
    assert [path.name for path in tmp_path.iterdir()] == ["well.npy"]


@pytest.mark.parametrize("shape", [(0, 36), (36, 0), (36, 1), (36,), (2, 36, 36)])
def test_what_cannot_be_a_well_is_refused(shape, tmp_path):
    odd, path = np.zeros(shape, np.float32), tmp_path / "well.npy"
    np.save(path, odd)
    for predict in (
        lambda: predict_well(Pointwise(), odd),
        lambda: predict_well_by_patches(Pointwise(), odd),
        lambda: save_well(odd, path),
        lambda: open_well(path),
    ):
        with pytest.raises(ValueError, match=re.escape(f"found shape {shape}")):
            predict()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e300, -1e300, 1e39, np.inf, -np.inf, np.nan, -999.25])
def test_a_float64_well_may_hold_anything(well, value):
    """A number that float32 cannot hold is no measurement, and no reason for a warning."""
    odd = well[:36].astype(np.float64)
    odd[3, 4] = value
    found = predict_well(Pointwise(), odd, scales=(1,))
    assert np.isfinite(found).all() and found[3, 4] == pytest.approx(sigmoid(0.5))
    found = predict_well_by_patches(Pointwise(), odd)
    others = np.delete(odd.ravel(), 3 * 36 + 4)
    assert found[3, 4] == pytest.approx(sigmoid(np.median(others) / 0.02 + 0.5), rel=1e-5)


def test_a_saved_well_is_read_back_byte_for_byte_without_being_loaded(well, tmp_path):
    well[0, 0] = np.nan
    save_well(well, tmp_path / "well.npy")
    again = open_well(tmp_path / "well.npy")
    assert isinstance(again, np.memmap)
    assert again.tobytes() == well.tobytes()
    torch.manual_seed(0)
    model = build_model("well_resunet", width=2)
    predict_well_file(model, tmp_path / "well.npy", tmp_path / "found.npy", rows=100)
    np.testing.assert_array_equal(open_well(tmp_path / "found.npy"), predict_well(model, well, 100))


def test_a_file_that_is_no_well_is_named(tmp_path):
    """One that holds objects is refused in tests/test_data.py."""
    path = tmp_path / "other.npy"
    for make, found in (
        (lambda: None, ""),
        (lambda: path.write_bytes(b"\x93NUMPY\x01\x00"), ""),
        (lambda: np.save(path, np.zeros((36, 36), int)), "found int64 of shape"),
    ):
        make()
        with pytest.raises(DataError, match=f"other.npy: expected a .npy file of one well.*{found}"):
            open_well(path)


def test_patches_of_wells_are_those_asked_for_in_their_order():
    patches = {well: np.random.default_rng(well).normal(size=(4, 36, 36)) for well in (1, 3)}
    wells = {well: assemble_well(images, 72 if well == 1 else 36) for well, images in patches.items()}
    found = patches_of_wells(wells, ["well_3_patch_2", "well_1_patch_3", "well_1_patch_0"])
    np.testing.assert_array_equal(found, [patches[3][2], patches[1][3], patches[1][0]])
    for name in ("well_1_patch_4", "well_2_patch_0"):
        with pytest.raises(ValueError, match=f"{name} is not among the wells given"):
            patches_of_wells(wells, [name])


@pytest.mark.parametrize(("well", "shape"), [(3, (108, 36)), (1, (72, 72))])
def test_patch_models_judge_each_patch_by_itself(well, shape):
    """A patch's answer depends on its own mean here, so that another's pixels would show."""

    class MeanOfPatch(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images):
            return images.mean(dim=(2, 3), keepdim=True).expand_as(images) * self.scale

    rng = np.random.default_rng(0)
    image = (rng.normal(0, 0.02, shape) + 0.02 * rng.normal(size=(1, shape[1]))).astype(np.float32)
    found = predict_well_by_patches(MeanOfPatch(), image)
    rows = slice(36, 72)
    part = image[rows, 1::2] if well == 1 else image[rows]
    expected = sigmoid(part.mean() / 0.02)
    np.testing.assert_allclose(found[rows, 1::2] if well == 1 else found[rows], expected, rtol=1e-4)
