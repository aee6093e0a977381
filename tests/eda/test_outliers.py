import numpy as np
import pytest
from sklearn.decomposition import PCA

from helpers.data.preprocess import spe_outliers
from helpers.eda.outliers import compare_detectors, hotelling_t2_and_q


def plane_of_patches(patches: int = 200) -> np.ndarray:
    """Patches that are mixtures of two patterns, with a little noise; the last two are odd.

    The last but one lies far out in the plane of the patterns, the last beside the plane.
    """
    rng = np.random.default_rng(0)
    patterns = rng.normal(0, 1, (2, 1296)) / 36
    pixels = rng.normal(0, 0.1, (patches, 2)) @ patterns + rng.normal(0, 1e-4, (patches, 1296))
    pixels[-2] = 1.5 * patterns[0]
    pixels[-1] += 0.1 * rng.normal(0, 1, 1296) / 36
    return pixels.astype(np.float32)


def test_t2_sees_what_is_far_out_in_the_plane_and_q_what_is_beside_it():
    t2, q = hotelling_t2_and_q(plane_of_patches(), variance=0.9)
    assert t2.argmax() == 198
    assert q.argmax() == 199


def test_t2_and_q_add_up_to_the_distance_from_the_mean():
    pixels = plane_of_patches().astype(np.float64)
    t2, q = hotelling_t2_and_q(pixels, variance=0.5)
    model = PCA(0.5, svd_solver="full").fit(pixels)
    assert model.n_components_ == 1
    distance = ((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1)
    np.testing.assert_allclose(t2 * model.explained_variance_[0] + q, distance, rtol=1e-6)


@pytest.fixture(scope="module")
def flags():
    return compare_detectors(plane_of_patches())


def test_all_detectors_flag_as_many_as_spe_but_dbscan_adds_to_it(flags):
    counts = flags.sum()
    spe = spe_outliers(plane_of_patches()).sum()
    assert spe > 0
    assert (counts.drop("SPE/DmodX, DBSCAN") == spe).all()
    assert (flags["SPE/DmodX, DBSCAN"] | ~flags["SPE/DmodX"]).all()
