"""Invalid depth (0, NaN, ±inf, negative) stays invalid and never spreads."""

import itertools

import numpy as np
import pytest
from helpers.pairs import RECIPES, pair

from das3d_aug import synthesize
from das3d_aug.datasets import Sample
from das3d_aug.preparation import resize_sample

HOLES = ("kind hole", "kind missing")  # these lose measurements on purpose, inside the mask
BAD = (0.0, -0.0, np.nan, np.inf, -np.inf, -2.0)


def valid(depth):
    return np.isfinite(depth) & (depth > 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_through_the_synthesis(dtype, record_property):
    rgb, depth = pair()
    depth = (np.rint(depth * 10_000) if dtype is np.uint16 else depth).astype(dtype)
    rng = np.random.default_rng(1)
    holes = rng.random(depth.shape) < 0.2
    depth[holes] = 0 if dtype is np.uint16 else rng.choice(BAD, holes.sum())
    lost = changed = 0
    for (name, recipe), index in itertools.product(RECIPES.items(), range(4)):
        result = synthesize(rgb, depth, recipe=recipe, seed=7, index=index, foreground="all")
        assert result.depth[holes].tobytes() == depth[holes].tobytes(), name
        assert not result.depth_changed[holes].any(), name
        new = ~valid(result.depth) & ~holes
        assert not (new & ~result.mask).any(), name
        assert np.isfinite(result.delta).all(), name
        if not recipe.kinds:
            assert not new.any(), name
        lost, changed = lost + int(new.sum()), changed + int(result.depth_changed.sum())
    assert changed > 10_000
    record_property("figure", f"{len(RECIPES) * 4} results a dtype, 20 % invalid: not a byte of it moved")


def test_through_resizing():
    rgb, depth = pair()
    depth[:, 60:] = np.nan
    small = resize_sample(Sample.from_arrays(rgb=rgb, depth=depth, unit="m"), (48, 50))
    assert valid(small.depth[:, :24]).all()
    assert not valid(small.depth[:, 26:]).any()
    known = depth[valid(depth)]
    assert small.depth[valid(small.depth)].min() >= known.min()
