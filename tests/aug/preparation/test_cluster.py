"""The largest cluster against DBSCAN as it is defined."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from das3d_aug.preparation.cluster import largest_cluster


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 120),
    distance=st.sampled_from([0.02, 0.1, 0.3, 5.0]),
    points=st.integers(1, 12),
)
def test_the_largest_cluster_is_dbscan(seed: int, count: int, distance: float, points: int) -> None:
    rng = np.random.default_rng(seed)
    cloud = (rng.integers(0, 4, (count, 3)) * 0.3 + rng.normal(0, 0.05, (count, 3))).astype(np.float32)
    inside = rng.random(count) < 0.9
    kept = largest_cluster(cloud[None], inside[None], distance=distance, points=points)[0]
    assert not kept[~inside].any()
    near = np.linalg.norm(cloud[:, None].astype(float) - cloud[None], axis=2) <= distance
    near &= inside[:, None] & inside[None]
    core = near.sum(axis=1) >= points
    number, label = connected_components(near & core[:, None] & core[None])
    mine = [core & (label == k) for k in range(number)]
    if not core.any():
        assert not kept.any()
        return
    (cluster,) = {int(k) for k in label[kept & core]}
    np.testing.assert_array_equal(kept & core, mine[cluster])
    reached = np.array([(near & part[None]).any(axis=1) for part in mine])
    # a point near several clusters may be in any of them
    assert not (kept & ~reached[cluster]).any()
    assert kept[reached[cluster] & (reached.sum(axis=0) == 1)].all()
    assert kept.sum() >= max((own & (reached.sum(axis=0) == 1)).sum() for own in reached)


def test_a_far_away_point_costs_no_cluster() -> None:
    cloud = np.random.default_rng(0).normal(0, 0.01, (50, 3)).astype(np.float32)
    cloud[7] = 1e30
    kept = largest_cluster(cloud[None], np.ones((1, 50), bool), distance=0.1, points=3)
    assert kept.sum() == 49
