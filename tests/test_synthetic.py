"""The simulated wells hold to what was measured on the real ones."""

import hashlib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from helpers.data import load_data, read_labels, synthetic
from helpers.data.load import PATCHES
from helpers.data.synthetic import RECIPES, Recipe, ensure_simulated, simulate
from helpers.data.wells import WIDE_WELLS, well_from_frame, wells_of


def usable(images):
    return images.where(images >= -0.25)


def test_each_well_has_a_tenth_of_the_real_patches(simulated):
    images, _, _ = simulated
    counts = np.bincount(wells_of(images))[1:]
    assert len(images) == 968
    assert np.all(np.abs(counts - np.array(list(PATCHES.values())) / 10) <= 1)
    assert {well for well, recipe in RECIPES.items() if recipe.columns == 72} == WIDE_WELLS


def test_the_same_seed_gives_the_same_bytes_on_every_machine(simulated):
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(frame.to_numpy()).tobytes() for frame in simulated))
    assert digest.hexdigest() == "c1fb17658b80d1019488843b082af60812ac6e4faa34124ea8c81d2b4819875b"


def test_files_are_read_back_by_load_data(tmp_path, simulated):
    images, labels, truth = simulated
    y_read, images_read = load_data(folder := ensure_simulated(tmp_path / "simulated"))
    assert y_read.equals(labels) and read_labels(folder / "y_clean.csv").equals(truth)
    np.testing.assert_array_equal(images_read.to_numpy(), images.to_numpy())


@pytest.fixture
def few_wells():
    """Two small wells instead of fifteen, to be quick."""
    with patch.dict(RECIPES, {4: RECIPES[4], 8: RECIPES[8]}, clear=True):
        yield


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("change", ["synthetic.py", "wells.py", "numpy", "scipy", "recipe"])
def test_wells_that_were_made_by_something_else_are_neither_read_nor_touched(tmp_path, few_wells, change):
    first = ensure_simulated(tmp_path)
    with patch.object(synthetic, "simulate_patches", side_effect=AssertionError("made again")):
        assert ensure_simulated(tmp_path) == first
    before, read = all_files(first), Path.read_text
    source = lambda path: read(path) + ("# changed" if path.name == change else "")  # noqa: E731
    with (
        patch.object(Path, "read_text", source),
        patch(f"{change}.__version__", "0.1") if change in ("numpy", "scipy") else nullcontext(),
        patch.dict(RECIPES, {4: replace(RECIPES[4], noise=0.5)} if change == "recipe" else {}),
    ):
        second = ensure_simulated(tmp_path)
    assert second != first != ensure_simulated(tmp_path, seed=1) and second.parent == tmp_path
    assert all_files(first) == before


def test_quantiles_are_near_the_real_ones(simulated):
    images, _, _ = simulated
    quantiles = np.quantile(images.fillna(0).to_numpy(), [0.0025, 0.005, 0.25, 0.5, 0.75, 0.995])
    assert quantiles[0] == -999.25
    real, tolerance = [-0.151, -0.008, 0.001, 0.010, 0.040], [0.04, 0.002, 0.001, 0.002, 0.006]
    assert np.all(np.abs(quantiles[1:] - real) <= tolerance), quantiles
    values = usable(images).to_numpy()
    assert -0.25 < np.nanmin(values) and np.nanmax(values) <= 0.47 + 1e-6


def test_corroded_shares_are_near_the_published_ones(simulated):
    _, labels, truth = simulated
    assert labels.to_numpy().mean() == pytest.approx(0.0715, abs=0.01)
    assert labels.to_numpy().any(axis=1).mean() == pytest.approx(0.793, abs=0.03)
    published = np.array([5.2, 6.3, 10.2, 6.7, 1.5, 5.6, 4.9, 1.7, 0, 0, 5.6, 7.2, 10.3, 8.1, 7.3])
    ratios = 100 * truth.mean(axis=1).groupby(wells_of(truth)).mean()
    np.testing.assert_allclose(ratios, published, atol=2.0)
    assert list(ratios.index[ratios == 0]) == [9, 10]
    assert not labels[np.isin(wells_of(labels), (9, 10))].any(axis=None)


def test_outliers_are_as_frequent_as_in_the_real_files(simulated):
    images, _, _ = simulated
    outliers = (images < -0.25).sum(axis=1)
    assert outliers.sum() / images.size == pytest.approx(0.00465, abs=0.0005)
    assert (outliers > 0).mean() == pytest.approx(0.0351, abs=0.005)
    assert 0.2 < (outliers[outliers > 0] <= 2).mean() < 0.5
    assert (outliers >= 200).sum() == 6 and (outliers == 1296).sum() == 2
    missing = images.isna().sum(axis=1)
    assert sorted(missing[missing > 0]) == [11, 683] and set(wells_of(images[missing > 0])) == {15}


def test_twins_are_as_alike_as_the_real_ones(simulated):
    images = usable(simulated[0])
    for well, patches in images.groupby(wells_of(images)):
        first, second = (patches.iloc[start::2].reset_index(drop=True) for start in (0, 1))
        alike = first.corrwith(second, axis=1).median()
        assert 0.85 < alike < 0.97 if well in WIDE_WELLS else alike < 0.7


def test_labels_are_the_truth_with_slips(simulated):
    _, labels, truth = (frame.to_numpy().astype(bool) for frame in simulated)
    dice = 2 * (labels & truth).sum() / (labels.sum() + truth.sum())
    assert 0.85 < dice < 0.93
    well = well_from_frame(simulated[2], 14).astype(bool)
    assert (well[:, 0] & well[:, -1]).any()  # a groove crosses the wrap of the azimuth


@pytest.mark.parametrize("width", range(2, 10))
@pytest.mark.parametrize("well", [well for well, recipe in RECIPES.items() if recipe.groove_share])
def test_the_truth_lies_on_the_loss_of_metal(well, width):
    """Without noise, the truth's middle is the loss's, and no column outside lost more than one inside."""
    recipe = RECIPES[well]
    clean = Recipe(0, recipe.columns, 10**9, 0.0, 0.0, recipe.contrast, width / recipe.scale, 0.95)
    clean = replace(clean, drift=recipe.drift, wander=recipe.wander)
    simulated = simulate(clean, 1800, np.random.default_rng(well))
    rows = simulated.truth.any(axis=1)
    loss, truth = -simulated.thickness[rows], simulated.truth[rows]
    assert set(truth.sum(axis=1)) == {width}
    assert abs(off_centre(truth, loss - loss.min(axis=1, keepdims=True)).mean()) < 0.1
    inside, outside = (np.where(truth == part, loss, np.nan) for part in (1, 0))
    assert (np.nanmin(inside, axis=1) >= np.nanmax(outside, axis=1) - 2e-4).mean() > 0.99  # but where it ends


def off_centre(masks, loss):
    """Columns from the middle of the loss of metal to that of the mask, the short way around, (rows,)."""
    columns = masks.shape[1]
    turns = np.exp(2j * np.pi * np.arange(columns) / columns)
    return np.angle((masks @ turns) / (loss @ turns)) * columns / (2 * np.pi)
