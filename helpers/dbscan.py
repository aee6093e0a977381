"""DBSCAN with scikit-learn's result in a fraction of its memory, for patches that nearly all lie together."""

import numpy as np
from sklearn import config_context
from sklearn.metrics import pairwise_distances, pairwise_distances_chunked


def dbscan(points: np.ndarray, eps: float, min_samples: int) -> np.ndarray:
    """Cluster points as `sklearn.cluster.DBSCAN(eps=eps, min_samples=min_samples)` does.

    scikit-learn lists all neighbours of all points: 8 bytes for each of n squared pairs where all lie
    together. But two points within eps / 2 of the mean are within eps of each other, wherever they lie. So
    only the others' neighbours are looked for, and kept in a byte a pair.

    Source: Ester, Kriegel, Sander and Xu 1996, "A density-based algorithm for discovering clusters".

    Parameters
    ----------
    points : (n, d), finite.
    eps : Euclidean distance of neighbours.
    min_samples : neighbours, itself included, that make a point the core of a cluster.

    Returns
    -------
    (n,) int: cluster of each point, numbered by their first core points; -1 for noise.
    """
    if len(points) == 0:
        return np.zeros(0, int)
    # A hair less than eps / 2, so that no rounding turns the triangle inequality around
    mean = points.mean(axis=0, dtype=np.float64).astype(points.dtype)[np.newaxis]
    inner = pairwise_distances(points, mean)[:, 0] <= eps / 2 * (1 - 1e-5)
    outer = np.flatnonzero(~inner)
    near = np.empty((len(outer), len(points)), bool)  # near[i, j]: outer point i is within eps of point j
    with config_context(working_memory=16):
        chunks = pairwise_distances_chunked(points[outer], points) if len(outer) else ()
        start = 0
        for distances in chunks:
            near[start : start + len(distances)] = distances <= eps
            start += len(distances)
    neighbours = near.sum(axis=0)  # of inner points, the outer ones so far
    neighbours[inner] += inner.sum()
    neighbours[outer] = near.sum(axis=1)
    core = neighbours >= min_samples

    labels = np.full(len(points), -1)
    cluster = 0
    for seed in np.flatnonzero(core):
        if labels[seed] >= 0:
            continue
        frontier = np.zeros(len(points), bool)
        frontier[seed] = True
        while frontier.any():
            labels[frontier] = cluster
            reached = near[frontier[outer] & core[outer]].any(axis=0)
            if (frontier & inner & core).any():
                reached |= inner
                reached[outer] |= near[:, frontier & inner & core].any(axis=1)
            frontier = reached & (labels < 0)
        cluster += 1
    return labels
