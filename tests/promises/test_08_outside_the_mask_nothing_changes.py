"""Outside M* not one byte changes; p = 0 is the identity."""

import numpy as np
import pytest
from helpers.pairs import RECIPES, bowl
from hypothesis import given, settings
from hypothesis import strategies as st

from das3d_aug import Recipe, synthesize
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly


def arrays(seed, height, width, colours, depths):
    rng = np.random.default_rng(seed)
    depth, _ = bowl(height, width, tilt=rng.uniform(0, 0.3), noise=2e-4, seed=seed)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    rgb = rgb if colours is np.uint8 else (rgb / 255).astype(np.float32)
    return rgb, (np.rint(depth * 10_000) if depths is np.uint16 else depth).astype(depths)


def test_outside_the_mask(record_property):
    outside = []

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(
        name=st.sampled_from(sorted(RECIPES)),
        size=st.tuples(st.integers(16, 90), st.integers(16, 90)),
        seed=st.integers(0, 2**32),
        colours=st.sampled_from([np.uint8, np.float32]),
        depths=st.sampled_from([np.uint16, np.float32, np.float64]),
    )
    def compare(name, size, seed, colours, depths):
        rgb, depth = arrays(seed, *size, colours, depths)
        result = synthesize(rgb, depth, recipe=RECIPES[name], seed=seed, foreground="all")
        for before, after in ((rgb, result.rgb), (depth, result.depth)):
            assert after[~result.mask].tobytes() == before[~result.mask].tobytes()
        np.testing.assert_array_equal(result.mask, result.rgb_changed | result.depth_changed)
        outside.append((~result.mask).sum())

    compare()
    record_property("figure", f"{len(outside)} results of {len(RECIPES)} recipes, {sum(outside):,} pixels outside M*")


@pytest.mark.parametrize("recipe", [Recipe(dropout=0, magnitude=(0, 0)), Recipe(dropout=1.0)], ids=["zero", "never"])
def test_magnitude_zero_is_the_identity(recipe):
    rgb, depth = arrays(0, 96, 120, np.uint8, np.float32)
    for index in range(20):
        result = synthesize(rgb, depth, recipe=recipe, seed=3, index=index)
        assert not result.mask.any()
        assert (result.rgb.tobytes(), result.depth.tobytes()) == (rgb.tobytes(), depth.tobytes())


@pytest.mark.parametrize("kind", [DAS3DAnomaly, DepthAnomaly, TextureAnomaly])
def test_probability_zero_is_the_identity(kind):
    rgb, depth = arrays(0, 96, 120, np.uint8, np.float32)
    given_ = {"image": rgb, "depth": depth, "mask": np.zeros(depth.shape, np.uint8)}
    made = kind(p=0.0)(**given_)
    assert {name: array.tobytes() for name, array in made.items()} == {
        name: array.tobytes() for name, array in given_.items()
    }
