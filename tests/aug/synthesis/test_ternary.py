import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from scipy import ndimage

from benchmarks.straight import area_threshold
from das3d_aug.synthesis.noise import fill_noise, lattice_grid, noise_buffer
from das3d_aug.synthesis.ternary import CURVATURE, ternarise


def _part(shape, key, share):
    """A foreground of blobs with holes, some rows of which are empty; its first and last column in each row."""
    rng = np.random.default_rng(key)
    level = ndimage.gaussian_filter(rng.normal(size=shape), 12)
    inside = (level >= np.quantile(level, 1 - share)) & (rng.random(shape) < 0.98)
    inside[rng.integers(0, shape[0], 3)] = False
    first = np.where(inside.any(1), inside.argmax(1), 0).astype(np.int32)
    last = np.where(inside.any(1), shape[1] - inside[:, ::-1].argmax(1), 0).astype(np.int32)
    return inside, first, last


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    resolution=st.tuples(*2 * (st.sampled_from([1, 2, 4, 8, 16, 32, 128]),)),
    rotation=st.floats(-90, 90),
    key=st.integers(0, 2**32),
    share=st.floats(0.02, 1),
    limit=st.one_of(st.tuples(st.just("area"), st.floats(0.001, 0.5)), st.tuples(st.just(""), st.floats(0, 0.9))),
)
def test_equals_the_noise_of_all_pixels_cut_at_the_threshold(shape, resolution, rotation, key, share, limit):
    inside, first, last = _part(shape, key, share)
    grid = lattice_grid(shape, resolution, rotation)
    noise = noise_buffer(shape)
    noise[:] = np.nan
    fill_noise(noise, first, last, np.uint64(key), *grid)
    noise = noise[:, : shape[1]]
    threshold = np.float32(area_threshold(noise, inside, limit[1]) if limit[0] else limit[1])
    expected = inside * ((noise > threshold).astype(np.int8) - (noise < -threshold))
    mask = inside.view(np.uint8).copy()
    area = limit[1] if limit[0] else math.nan
    y0, y1, x0, x1 = ternarise(mask, first, last, np.uint64(key), limit[1], area, *grid)
    np.testing.assert_array_equal(mask.view(np.int8), expected)
    rows, columns = np.nonzero(expected)
    if rows.size:
        assert (y0, y1, x0, x1) == (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
    else:
        assert y1 <= y0


def test_noise_bends_no_more_than_the_bound():
    # Noise is the sum over a cell's corners (i, j) of w_i(a) w_j(b) (g · (a - i, b - j)): its second derivative along
    # (p, q) is linear in each gradient g, so it is greatest where every g points as that corner's coefficients do.
    fade = np.array([0, 0, 0, 10, -15, 6.0])
    weights = [polynomial.polysub([1.0], fade), fade]
    t = np.linspace(0, 1, 101)

    def values(coefficients, order):
        return polynomial.polyval(t, polynomial.polyder(coefficients, order))

    def bend(along, across, p, q):
        return (
            p * p * np.outer(values(along, 2), values(across, 0))
            + 2 * p * q * np.outer(values(along, 1), values(across, 1))
            + q * q * np.outer(values(along, 0), values(across, 2))
        )

    most = 0.0
    for angle in np.linspace(0, math.pi, 61):
        total = np.zeros((t.size, t.size))
        for i, first in enumerate(weights):
            for j, second in enumerate(weights):
                down = bend(polynomial.polymul(first, [-i, 1]), second, math.cos(angle), math.sin(angle))
                right = bend(first, polynomial.polymul(second, [-j, 1]), math.cos(angle), math.sin(angle))
                total += np.hypot(down, right)
        most = max(most, math.sqrt(2) * total.max())
    assert 0.99 * CURVATURE < most <= CURVATURE
