"""The shapes of kinds against slow twins, and the same shape at twice the resolution."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from das3d_aug.synthesis.kinds import Canvas
from das3d_aug.synthesis.kinds.shapes import blob, fractal, grain, path, smooth, strokes


def canvas(height=60, width=70, *, scale=1.0, angle=0.4, seed=5, radius=20.0, elongation=0.6):
    return Canvas(
        centre=(scale * (height * 0.45 + 0.5) - 0.5, scale * (width * 0.55 + 0.5) - 0.5),
        radius=radius * scale,
        elongation=elongation,
        angle=angle,
        seed=seed,
        inside=np.ones((round(height * scale), round(width * scale)), bool),
        relief=np.zeros((round(height * scale), round(width * scale)), np.float32),
    )


def naive_strokes(shape, curves):
    depth = np.full(shape, -1e3)
    for curve, half in curves:
        half = np.maximum(half, 0.5)
        for k in range(len(curve) - 1):
            reach = 2 * max(half[k], half[k + 1]) + 1
            for y in range(shape[0]):
                for x in range(shape[1]):
                    a, b, p = curve[k], curve[k + 1], np.array([y, x])
                    along = (b - a) @ (b - a)
                    t = 0.0 if along == 0 else min(max((p - a) @ (b - a) / along, 0), 1)
                    low, high = np.minimum(a, b) - reach, np.maximum(a, b) + reach
                    if (p < np.floor(low)).any() or (p > np.ceil(high) + 1).any():
                        continue
                    here = half[k] + t * (half[k + 1] - half[k])
                    depth[y, x] = max(depth[y, x], 1 - np.linalg.norm(p - a - t * (b - a)) / here)
    return depth


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), points=st.integers(1, 5), wide=st.floats(0.1, 4))
def test_strokes_equal_the_naive_twin(seed, points, wide):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 24)), int(rng.integers(1, 24)))
    curves = [
        (rng.uniform(-5, 28, (points + 1, 2)), rng.uniform(0, wide, points + 1)) for _ in range(rng.integers(1, 3))
    ]
    target = Canvas(
        centre=(0, 0), radius=5, elongation=1, angle=0, seed=0,
        inside=np.ones(shape, bool), relief=np.zeros(shape, np.float32),
    )  # fmt: skip
    fast, _ = strokes(target, curves)
    slow = naive_strokes(shape, curves)
    near = slow > 0  # what counts: inside a stroke
    np.testing.assert_allclose(fast[near], slow[near], atol=1e-5)
    assert ((fast > 1e-6) <= (slow > 0)).all()


def test_grain_is_gradient_noise_about_the_centre():
    """Zero on its lattice, which has a node at the centre; other labels are other noise."""
    here = canvas(64, 64, angle=0.0)
    here.centre = (30.0, 20.0)
    noise = grain(here, cell=8 / here.radius)
    np.testing.assert_allclose(noise[30 % 8 :: 8, 20 % 8 :: 8], 0, atol=1e-5)
    assert 0.3 < np.abs(noise).max() <= 1.01
    assert np.abs(np.corrcoef(noise.ravel(), grain(here, cell=8 / here.radius, label=1).ravel())[0, 1]) < 0.2
    long = grain(here, cell=8 / here.radius, stretch=4.0)
    assert np.abs(np.diff(long, axis=1)).mean() < 0.5 * np.abs(np.diff(long, axis=0)).mean()


def test_fractal_is_the_sum_of_its_octaves():
    here = canvas()
    total = fractal(here, cell=0.5, octaves=3, label=4, gain=0.5)
    parts = [np.float32(0.5**k) * grain(here, cell=0.5 / 2**k, label=4 + k) for k in range(3)]
    np.testing.assert_allclose(total, sum(parts), atol=1e-6)
    tiny = canvas(radius=4.0)
    np.testing.assert_array_equal(fractal(tiny, cell=0.6, octaves=5), grain(tiny, cell=0.6))  # none below two pixels


def test_a_blob_without_wobble_is_an_ellipse():
    here = canvas(80, 80, angle=0.0)
    deep = blob(here, wobble=0)
    y, x = np.mgrid[:80, :80].astype(float)
    row, column = here.centre
    slow = 1 - np.hypot((x - column) / here.radius, (y - row) / (here.radius * here.elongation))
    np.testing.assert_allclose(deep, slow, atol=1e-5)


@pytest.mark.parametrize("shape", [lambda c: blob(c, wobble=0.4), lambda c: fractal(c, cell=0.4)])
def test_twice_the_resolution_is_the_same_shape(shape):
    coarse, fine = shape(canvas()), shape(canvas(scale=2.0))
    back = (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) / 4
    agree = (back > 0) == (coarse > 0)
    assert agree.mean() > 0.97


def test_a_path_goes_from_end_to_end():
    here = canvas(angle=0.0)
    straight = path(here, bend=0, wander=0)
    np.testing.assert_allclose(straight.mean(axis=0), here.centre, atol=1e-6)
    np.testing.assert_allclose(straight[-1] - straight[0], (0, 2 * here.radius), atol=1e-6)
    half = path(here, bend=0, wander=0, half=True)
    np.testing.assert_allclose(half[0], here.centre)
    np.testing.assert_allclose(half[-1] - half[0], (0, here.radius), atol=1e-6)
    bent = path(here, bend=math.pi / 2, wander=0)
    first, last = bent[1] - bent[0], bent[-1] - bent[-2]
    turned = math.atan2(last[0], last[1]) - math.atan2(first[0], first[1])
    assert turned == pytest.approx(math.pi / 2 * 22 / 23, abs=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 6), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_smooth_is_the_binomial_filter_of_scipy(height, width, times, seed):
    field = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    expected = field.astype(np.float64)
    for _ in range(times):
        for axis in (0, 1):
            expected = ndimage.correlate1d(expected, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    smooth(field, times)
    np.testing.assert_allclose(field, expected, atol=1e-6)
