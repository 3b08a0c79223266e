import numpy as np
import pytest

from das3d_aug import ParameterError, blend_texture


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_is_equation_8_and_leaves_the_rest(dtype):
    rng = np.random.default_rng(0)
    rgb, texture = (rng.random((20, 30, 3)) for _ in range(2))
    if dtype is np.uint8:
        rgb, texture = (rgb * 255).astype(np.uint8), (texture * 255).astype(np.uint8)
    rgb, texture = rgb.astype(dtype), texture.astype(dtype)
    mask = rng.random((20, 30)) < 0.4
    before = rgb.copy()
    out = blend_texture(rgb, texture, mask, 0.3)
    expected = 0.7 * texture.astype(float) + 0.3 * rgb.astype(float)
    np.testing.assert_allclose(out[mask].astype(float), expected[mask], atol=0.501 if dtype is np.uint8 else 1e-6)
    np.testing.assert_array_equal(out[~mask], rgb[~mask])
    np.testing.assert_array_equal(rgb, before)
    assert out.dtype == dtype
    assert not np.shares_memory(out, rgb)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_ends_of_beta(beta):
    rgb, texture = np.full((2, 2, 3), 10, np.uint8), np.full((2, 2, 3), 250, np.uint8)
    out = blend_texture(rgb, texture, np.ones((2, 2), bool), beta)
    assert (out == (10 if beta else 250)).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"texture": np.zeros((3, 2, 3), np.uint8)}, "texture must be uint8"),
        ({"texture": np.zeros((2, 2, 3), np.float32)}, "texture must be uint8"),
        ({"rgb": np.zeros((2, 2, 3), np.float64)}, "rgb must be uint8, or float32"),
        ({"rgb": np.zeros((2, 2), np.uint8)}, "H x W x 3"),
        ({"mask": np.zeros((2, 2), np.float32)}, "mask must be bool or integers"),
        ({"beta": 1.5}, "beta must be in"),
        ({"rgb": np.full((2, 2, 3), 2, np.float32), "texture": np.zeros((2, 2, 3), np.float32)}, "lie in"),
    ],
)
def test_bad_arguments(change, said):
    good = {
        "rgb": np.zeros((2, 2, 3), np.uint8),
        "texture": np.zeros((2, 2, 3), np.uint8),
        "mask": np.ones((2, 2), bool),
        "beta": 0.5,
    } | change
    with pytest.raises(ParameterError, match=said):
        blend_texture(*good.values())


@pytest.mark.parametrize("value", [-0.0, 1.0, np.nextafter(np.float32(1), np.float32(0))])
def test_ends_of_the_float_range_are_taken(value):
    rgb = np.full((2, 2, 3), value, np.float32)
    out = blend_texture(rgb, rgb, np.ones((2, 2), bool), 0.25)
    np.testing.assert_allclose(out, rgb)


@pytest.mark.parametrize("value", [np.nextafter(np.float32(1), np.float32(2)), -1e-40, np.nan, np.inf])
def test_beyond_the_float_range_is_refused(value):
    rgb = np.zeros((2, 2, 3), np.float32)
    rgb[1, 1, 2] = value
    with pytest.raises(ParameterError, match="lie in"):
        blend_texture(rgb, np.zeros_like(rgb), np.ones((2, 2), bool), 0.25)
