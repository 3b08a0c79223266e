"""Brightness by slopes, smooth surfaces and the light, against slow twins and known scenes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from das3d_aug.synthesis.relight import brightness, estimate_light, smooth_surface, smooth_window

LIGHT = (0.3, -0.5, math.sqrt(1 - 0.34))


def naive_smooth(depth, inside, radius):
    out = np.zeros(depth.shape)
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            box = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            measured = inside[box] & (depth[box] > 0)
            out[y, x] = depth[box][measured].astype(float).mean() if measured.any() else 0
    return out


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 15), width=st.integers(1, 15), radius=st.integers(1, 20), seed=st.integers(0, 99))
def test_smooth_surface_equals_the_naive_twin(height, width, radius, seed):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.5, 1, (height, width)).astype(np.float32) * (rng.random((height, width)) < 0.8)
    inside = rng.random((height, width)) < 0.8
    np.testing.assert_allclose(smooth_surface(depth, inside, radius), naive_smooth(depth, inside, radius), atol=1e-6)


@pytest.mark.parametrize("window", [np.s_[0:5, 0:7], np.s_[10:30, 3:40], np.s_[25:32, 39:40]])
def test_a_window_of_a_smooth_surface_is_that_of_the_whole(window):
    rng = np.random.default_rng(1)
    depth = rng.uniform(0.5, 1, (32, 40)).astype(np.float32) * (rng.random((32, 40)) < 0.8)
    inside = rng.random((32, 40)) < 0.8
    whole = smooth_surface(depth, inside, 4)[window]
    np.testing.assert_allclose(smooth_window(depth, inside, 4, window), whole, atol=1e-6)


def test_brightness_is_lambert_s_law_on_the_normals_of_the_changed_surface():
    y, x = np.mgrid[:40, :50]
    lift = (3 * np.exp(-((y - 20) ** 2 + (x - 25) ** 2) / 60)).astype(np.float32)
    padded = np.pad(lift.astype(float), 1, mode="edge")
    dy, dx = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2, (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    normals = np.stack([dy, dx, np.ones_like(dy)]) / np.sqrt(dy**2 + dx**2 + 1)
    expected = np.tensordot(LIGHT, normals, axes=1) / LIGHT[2] / (1 + 0.6 / 10 * np.maximum(lift, 0))
    np.testing.assert_allclose(brightness(lift, LIGHT, 10), expected.clip(0.25, 1.9), rtol=1e-5)


def test_a_dent_is_dark_on_the_side_of_the_light():
    y, x = np.mgrid[:41, :41]
    dent = np.maximum(0, 8 - 0.05 * ((y - 20) ** 2 + (x - 20) ** 2)).astype(np.float32)
    bright = brightness(dent, (0.0, -0.6, 0.8), 12)  # the light stands on the left
    assert bright[20, 12] < 0.8 < 1.05 < bright[20, 28] or bright[20, 12] < bright[20, 28] - 0.2
    assert (brightness(np.zeros_like(dent), LIGHT, 5) == 1).all()


@pytest.mark.parametrize("light", [(0.4, 0.2), (-0.5, 0.1), (0.0, 0.6)])
def test_the_light_is_found_again(light):
    ly, lx = light
    lz = math.sqrt(1 - ly * ly - lx * lx)
    y, x = np.mgrid[:96, :96].astype(float)
    depth = 500 - 30 * np.sqrt(np.maximum(0, 1 - ((y - 48) ** 2 + (x - 48) ** 2) / 60**2))
    dy, dx = np.gradient(depth)
    shading = (ly * dy + lx * dx + lz) / np.sqrt(dy**2 + dx**2 + 1)
    rgb = np.repeat((0.7 * shading.clip(0, 1))[:, :, None], 3, axis=2).astype(np.float32)
    found = estimate_light(rgb, depth.astype(np.float32), np.ones((96, 96), bool), 1.0)
    assert found is not None
    assert np.dot(found, (ly, lx, lz)) > math.cos(math.radians(12))


def test_without_a_trace_of_light_there_is_none():
    rng = np.random.default_rng(0)
    rgb = rng.random((64, 64, 3)).astype(np.float32)
    flat = np.full((64, 64), 500, np.float32)
    assert estimate_light(rgb, flat, np.ones((64, 64), bool), 1.0) is None
    assert estimate_light(rgb, flat, np.zeros((64, 64), bool), 1.0) is None
