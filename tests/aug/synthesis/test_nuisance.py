"""Normal variation: what it may change, how much, and that it repeats."""

import numpy as np
import pytest

from das3d_aug.errors import ParameterError
from das3d_aug.synthesis.nuisance import Nuisance, vary_normal

OFF = dict.fromkeys(("exposure", "blur", "tilt", "noise", "step", "flying", "dropout"), (0, 0))


def pair(dtype=np.float32, scale=1.0):
    y, x = np.mgrid[:60, :80]
    depth = (600 - 40 * ((y - 30) ** 2 + (x - 40) ** 2 < 400)).astype(float)
    depth[:5, :5] = 0
    rgb = np.full((60, 80, 3), 160, np.uint8)
    rgb[:, :20] = 5
    return rgb, (depth * scale).astype(dtype)


def only(**ranges):
    return Nuisance(**OFF | ranges)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_switched_off_it_changes_nothing(dtype):
    rgb, depth = pair(dtype)
    colour, z = vary_normal(rgb, depth, nuisance=only(), seed=1)
    np.testing.assert_array_equal(colour, rgb)
    np.testing.assert_array_equal(z, depth)
    assert z.dtype == dtype
    assert not np.shares_memory(z, depth)
    assert not np.shares_memory(colour, rgb)


def test_it_depends_on_its_keys_alone_and_invalid_stays_invalid():
    rgb, depth = pair()
    depth[10, 10:13] = np.nan, np.inf, -3
    first, again, other = (vary_normal(rgb, depth, seed=4, index=k) for k in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[1], other[1])
    invalid = ~((depth > 0) & (depth < np.inf))
    for _, z in (first, other):
        np.testing.assert_array_equal(z[invalid], depth[invalid])


def test_noise_has_its_standard_deviation_and_is_normal():
    _, depth = pair(np.float64)
    _, z = vary_normal(None, depth, nuisance=only(noise=(0.02, 0.02)), seed=3)
    plain = np.zeros(depth.shape, bool)
    plain[2:8, 40:78] = plain[52:58, 2:78] = True  # far from jumps
    change = (z - depth)[plain]
    expected = 0.02 * 40 * (600 / depth[depth > 0].mean()) ** 2
    assert change.std() == pytest.approx(expected, rel=0.12)
    assert abs(change.mean()) < 0.2 * expected
    assert (np.abs(change) > 2 * expected).mean() < 0.1


def test_steps_flying_pixels_dropouts_and_tilt():
    rgb, depth = pair(np.float64)
    _, stepped = vary_normal(None, depth, nuisance=only(tilt=(0.3, 0.3), step=(0.1, 0.1)), seed=2)
    np.testing.assert_allclose(stepped[depth > 0] / 4, np.rint(stepped[depth > 0] / 4), atol=1e-9)
    assert np.unique(stepped[depth > 580]).size > 2
    _, flown = vary_normal(None, depth, nuisance=only(flying=(1, 1)), seed=2)
    between = (flown > 561) & (flown < 599)
    assert between.sum() > 20
    assert not between[2:8, 10:].any()
    _, dropped = vary_normal(rgb, depth, nuisance=only(dropout=(1, 1)), seed=2)
    lost = (dropped == 0) & (depth > 0)
    assert lost[20:40, :18].mean() > 0.8  # dark
    assert not lost[52:58, 30:].any()  # bright and level


def test_exposure_and_blur():
    rgb, _ = pair()
    brighter, _ = vary_normal(rgb, None, nuisance=only(exposure=(1, 1)), seed=0)
    np.testing.assert_array_equal(brighter[0, 0], 10)
    np.testing.assert_array_equal(brighter[0, 50], 255)
    blurred, _ = vary_normal(rgb, None, nuisance=only(blur=(0.25, 0.25)), seed=0)
    np.testing.assert_array_equal(blurred[30, 18:22, 0], [5, 44, 121, 160])
    floats, _ = vary_normal(rgb.astype(np.float32) / 255, None, nuisance=only(exposure=(1, 1)), seed=0)
    assert floats.dtype == np.float32
    assert floats.max() <= 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Nuisance(noise=(0.2, 0.1)), "low <= high"),
        (lambda: Nuisance(blur=(0, 0.5)), "blur must be in 0 … 0.25"),
        (lambda: Nuisance(tilt=3), "tilt must be a range"),
        (lambda: vary_normal(None, None, seed=0), "both are None"),
        (lambda: vary_normal(*pair(), seed=-1), "seed"),
    ],
)
def test_bad_arguments(call, said):
    with pytest.raises(ParameterError, match=said):
        call()
