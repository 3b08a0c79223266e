import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from benchmarks.straight import skew_kernel
from das3d_aug import ParameterError, skew_filter, skew_normal_kernel


@settings(deadline=None, max_examples=60)
@given(
    alpha=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    spread=st.tuples(st.floats(0.3, 6), st.floats(0.3, 6)),
    lean=st.floats(-0.9, 0.9),
    size=st.none() | st.sampled_from([1, 3, 7, 21]),
)
def test_kernel_equals_the_density(alpha, spread, lean, size):
    (a, b), both = spread, lean * spread[0] * spread[1]
    covariance = np.array([[a * a, both], [both, b * b]])
    kernel = skew_normal_kernel(alpha, covariance, size=size)
    expected = skew_kernel(alpha, covariance, kernel.shape[0])
    np.testing.assert_allclose(kernel, expected, rtol=1e-9, atol=1e-14)
    assert kernel.dtype == np.float64
    assert kernel.sum() == pytest.approx(1)
    assert kernel.min() >= 0


def test_kernel_holds_three_standard_deviations_of_the_wider_axis():
    assert skew_normal_kernel((0, 0), [[4, 0], [0, 1]]).shape == (13, 13)


def test_skew_moves_the_mean_off_the_centre_by_the_known_offset():
    # Azzalini: the mean is sqrt(2/pi) Sigma alpha / sqrt(1 + alpha' Sigma alpha), in (row, column) order.
    alpha, covariance = np.array([0.4, -0.2]), np.array([[9.0, 2.0], [2.0, 4.0]])
    kernel = skew_normal_kernel(alpha, covariance, size=61)
    offsets = np.mgrid[:61, :61] - 30
    mean = (kernel * offsets).sum(axis=(1, 2))
    expected = np.sqrt(2 / np.pi) * covariance @ alpha / np.sqrt(1 + alpha @ covariance @ alpha)
    np.testing.assert_allclose(mean, expected, atol=1e-3)


def _ternary(shape, seed, density):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0, 3))
    limit = np.quantile(np.abs(noise), 1 - density)
    return np.where(noise > limit, 1, np.where(noise < -limit, -1, 0)).astype(np.int8)


@settings(deadline=None, max_examples=80)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    seed=st.integers(0, 10**6),
    density=st.floats(0, 1),
    half=st.integers(0, 20),
)
def test_filter_equals_convolution(shape, seed, density, half):
    mask = _ternary(shape, seed, density)
    kernel = np.random.default_rng(seed).random((2 * half + 1, 2 * half + 1))
    kernel /= kernel.sum()
    expected = ndimage.convolve(mask.astype(float), kernel, mode="constant")
    result = skew_filter(mask, kernel)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert result.dtype == np.float32
    # Exact integers: what the kernel does not reach is zero, not nearly zero.
    reached = ndimage.maximum_filter(mask != 0, 2 * half + 1, mode="constant")
    assert not result[~reached].any()


def test_filter_takes_any_layout_and_leaves_it_alone():
    mask = _ternary((40, 50), 1, 0.2)
    kernel = skew_normal_kernel((0.3, -0.1), [[4, 1], [1, 3]])
    expected = skew_filter(mask, kernel)
    backwards = np.asfortranarray(mask)[::-1].copy()[::-1]
    for same in (np.asfortranarray(mask), mask.astype(">i4"), mask.astype(float), backwards):
        same.flags.writeable = False
        np.testing.assert_array_equal(skew_filter(same, kernel), expected)


@pytest.mark.parametrize(
    ("mask", "kernel", "said"),
    [
        (np.full((3, 3), 2), np.ones((1, 1)), "mask must hold -1, 0 and 1"),
        (np.full((3, 3), np.nan), np.ones((1, 1)), "mask must hold -1, 0 and 1"),
        (np.zeros(3), np.ones((1, 1)), "mask must be a non-empty H x W"),
        (np.zeros((3, 3)), np.ones((2, 2)), "odd h"),
        (np.zeros((3, 3)), np.full((1, 1), np.inf), "finite"),
    ],
)
def test_filter_refuses(mask, kernel, said):
    with pytest.raises(ParameterError, match=said):
        skew_filter(mask, kernel)


@pytest.mark.parametrize(
    ("alpha", "covariance", "size", "said"),
    [
        ((1,), np.eye(2), None, "alpha"),
        ((np.nan, 0), np.eye(2), None, "alpha"),
        ((0, 0), [[1, 0.5], [0, 1]], None, "symmetric"),
        ((0, 0), [[1, 2], [2, 1]], None, "positive definite"),
        ((0, 0), [[1, 1], [1, 1]], None, "positive definite"),
        ((0, 0), np.eye(2), 4, "size must be odd"),
        ((0, 0), "wide", None, "covariance must be"),
    ],
)
def test_kernel_refuses(alpha, covariance, size, said):
    with pytest.raises(ParameterError, match=said):
        skew_normal_kernel(alpha, covariance, size=size)
