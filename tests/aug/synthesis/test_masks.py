import numpy as np
import pytest
from helpers.pairs import bowl
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import straight
from das3d_aug import ParameterError, foreground_mask, refine_mask, ternary_mask


def test_ternary_mask_is_equation_1():
    noise = np.array([[-0.6, -0.5, 0.0, 0.5, 0.6, np.nan]], np.float32)
    np.testing.assert_array_equal(ternary_mask(noise, 0.5), [[-1, 0, 0, 0, 1, 0]])
    assert ternary_mask(noise, 0.5).dtype == np.int8


def test_refine_mask_is_equation_7():
    delta = np.array([[-0.5, 0.1, 0.25, 0.0]], np.float32)
    np.testing.assert_array_equal(refine_mask(delta, 2.0, 0.5), [[True, False, True, False]])
    assert not refine_mask(delta, 0.0, 0.5).any()


@pytest.mark.parametrize("delta", [np.zeros((3, 4, 1), np.float32), np.zeros(4, np.float32), np.zeros((3, 4), int)])
def test_what_is_refined_must_be_an_image_of_floats(delta):
    with pytest.raises(ParameterError, match="delta must be a float H x W array, got"):
        refine_mask(delta, 1.0, 0.5)


@pytest.mark.parametrize("tilt", [0.0, 0.1, -0.3])
def test_foreground_stands_out_of_a_tilted_noisy_table(tilt):
    depth, part = bowl(tilt=tilt, noise=3e-4)
    found = foreground_mask(depth)
    assert (found & part).sum() > 0.95 * part.sum()
    assert (found & ~part).sum() < 0.02 * (~part).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_foreground_equals_the_straight_version(dtype, tilt):
    depth, _ = bowl(tilt=tilt, noise=2e-4)
    depth = (depth * 10_000).round().astype(dtype) if dtype is np.uint16 else depth.astype(dtype)
    depth[3:9, 5:30] = 0
    assert (foreground_mask(depth) != straight.foreground(depth)).sum() <= 2


def test_removed_background_at_the_maximum_depth_is_background():
    depth, part = bowl()
    depth[~part] = depth[part].max()
    found = foreground_mask(depth)
    assert not found[~part].any()
    assert found.sum() >= part.sum() - 1 - (depth[part] > depth[part].max() * (1 - 2e-5)).sum()


def test_invalid_depth_is_never_foreground():
    depth, part = bowl()
    for bad in (np.nan, np.inf, -np.inf, 0.0, -1.0):
        broken = depth.copy()
        broken[40:50, 50:60] = bad
        found = foreground_mask(broken)
        assert not found[40:50, 50:60].any()
        assert found[part].sum() > 0.8 * part.sum()


def test_no_valid_border_makes_all_valid_depth_foreground():
    depth, part = bowl()
    depth[~part] = 0
    np.testing.assert_array_equal(foreground_mask(depth), part)


def test_threshold_is_a_distance():
    depth = np.array([[0.1, 0.5, 0.9, np.nan, 0.0, np.inf]], np.float32)
    np.testing.assert_array_equal(foreground_mask(depth, threshold=0.6), [[1, 1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(foreground_mask(depth, threshold=np.inf), [[1, 1, 1, 0, 0, 0]])
    heights = foreground_mask(depth, threshold=0.4, depth_axis="towards")
    np.testing.assert_array_equal(heights, [[0, 1, 1, 0, 0, 0]])


def test_heights_stand_out_upwards():
    depth, part = bowl()
    heights = 1 - depth
    found = foreground_mask(heights, depth_axis="towards")
    np.testing.assert_array_equal(found, foreground_mask(depth) & found)
    assert found.sum() > 0.9 * part.sum()


@settings(deadline=None, max_examples=60)
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 9999))
def test_any_size_and_content_gives_a_mask_of_valid_pixels(shape, seed):
    rng = np.random.default_rng(seed)
    depth = rng.choice([0.5, 0.6, 0.0, np.nan, np.inf, -1.0], size=shape).astype(np.float32)
    found = foreground_mask(depth)
    assert found.dtype == np.bool_
    assert not found[~(np.isfinite(depth) & (depth > 0))].any()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ternary_mask(np.zeros((2, 2), np.float32), -1), "threshold must be a finite number >= 0"),
        (lambda: ternary_mask(np.zeros(2, np.float32), 1), "noise must be a float H x W"),
        (lambda: refine_mask(np.zeros((2, 2), np.float32), 1, 0), "threshold must be > 0"),
        (lambda: refine_mask(np.zeros((2, 2), np.float32), np.nan, 1), "magnitude must be"),
        (lambda: foreground_mask(np.zeros((2, 2), np.int32)), "depth must be one of float32"),
        (lambda: foreground_mask(np.zeros((0, 2), np.float32)), "non-empty"),
        (lambda: foreground_mask(np.ones((2, 2), np.float32), threshold="far"), "threshold must be a number"),
        (lambda: foreground_mask(np.ones((2, 2), np.float32), depth_axis="up"), "depth_axis must be"),
    ],
)
def test_bad_arguments(call, said):
    with pytest.raises(ParameterError, match=said):
        call()
