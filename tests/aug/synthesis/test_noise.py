import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.straight import perlin
from das3d_aug import ParameterError, perlin_noise

SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 70))
RESOLUTIONS = st.tuples(*2 * (st.sampled_from([1, 2, 3, 4, 8, 16, 32, 64]),))


@settings(deadline=None, max_examples=80)
@given(shape=SHAPES, resolution=RESOLUTIONS, rotation=st.floats(-180, 180), key=st.integers(0, 2**32))
def test_equals_the_straight_version(shape, resolution, rotation, key):
    noise = perlin_noise(shape, resolution, rng=np.random.default_rng(key), rotation=rotation)
    seed = int(np.random.default_rng(key).integers(0, 2**64, dtype=np.uint64))
    np.testing.assert_allclose(noise, perlin(shape, resolution, rotation, seed), atol=1e-5)
    assert noise.dtype == np.float32


def test_is_zero_on_lattice_points_and_reaches_into_both_signs():
    # 5 pixels over 10 cells: every pixel's centre lies on a lattice point.
    assert not perlin_noise((5, 5), (10, 10), rng=np.random.default_rng(0)).any()
    noise = perlin_noise((256, 256), (16, 16), rng=np.random.default_rng(0))
    assert -1 <= noise.min() < -0.5
    assert 0.5 < noise.max() <= 1
    assert abs(noise.mean()) < 0.05


@pytest.mark.parametrize("rotation", [0.0, 41.0])
def test_same_pattern_at_any_size(rotation):
    small = perlin_noise((64, 64), (4, 8), rng=np.random.default_rng(3), rotation=rotation)
    large = perlin_noise((192, 192), (4, 8), rng=np.random.default_rng(3), rotation=rotation)
    # The centre of every small pixel is the centre of the middle pixel of its 3 x 3 block.
    np.testing.assert_allclose(small, large[1::3, 1::3], atol=1e-5)


def test_rotation_turns_the_pattern_about_the_centre():
    straight = perlin_noise((65, 65), (4, 4), rng=np.random.default_rng(1))
    turned = perlin_noise((65, 65), (4, 4), rng=np.random.default_rng(1), rotation=90)
    assert not np.allclose(straight, turned, atol=0.1)
    again = perlin_noise((65, 65), (4, 4), rng=np.random.default_rng(1), rotation=360)
    np.testing.assert_allclose(again, straight, atol=1e-4)
    # 90°: lattice row = centre - column offset, lattice column = centre + row offset.
    np.testing.assert_allclose(turned, np.rot90(straight, k=-1), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"shape": (0, 4)}, "shape must be two integers >= 1"),
        ({"shape": 4}, "shape must be two integers"),
        ({"resolution": (1.5, 2)}, "resolution must be two integers"),
        ({"resolution": (8192, 1)}, "at most 4096"),
        ({"rotation": math.nan}, "rotation must be a finite angle"),
    ],
)
def test_bad_arguments(arguments, said):
    good = {"shape": (4, 4), "resolution": (2, 2), "rotation": 0.0} | arguments
    with pytest.raises(ParameterError, match=said):
        perlin_noise(good.pop("shape"), good.pop("resolution"), rng=np.random.default_rng(0), **good)
