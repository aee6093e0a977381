import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from helpers.preprocess import dbscan


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 60),
    dimensions=st.integers(1, 4),
    eps=st.floats(0.1, 4.0),
    min_samples=st.integers(1, 6),
)
@settings(deadline=None, max_examples=300)
def test_it_finds_what_scikit_learn_finds(seed, n, dimensions, eps, min_samples):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2, (3, dimensions))
    points = centres[rng.integers(3, size=n)] + rng.normal(0, rng.uniform(0.1, 1), (n, dimensions))
    expected = DBSCAN(eps=eps, min_samples=min_samples).fit_predict(points)
    np.testing.assert_array_equal(dbscan(points, eps, min_samples), expected)


def test_points_that_all_lie_together_need_no_distances():
    points = np.random.default_rng(0).normal(0, 0.01, (500, 8))
    assert (dbscan(points, 1.5, 2) == 0).all()


def test_no_points_have_no_clusters():
    assert len(dbscan(np.zeros((0, 3)), 1.0, 2)) == 0


def test_patches_of_float32_as_scikit_learn(simulated):
    images, _, _ = simulated
    points = images.to_numpy().clip(-0.3, 0.5)
    points = points[np.isfinite(points).all(axis=1)]
    for eps in (0.4, 0.8, 1.5):
        expected = DBSCAN(eps=eps, min_samples=2).fit_predict(points)
        np.testing.assert_array_equal(dbscan(points, eps, 2), expected)
