"""The lay of a surface against stripes of known direction."""

import numpy as np
import pytest

from das3d_aug import Recipe, render, synthesize
from das3d_aug.synthesis import Plan
from das3d_aug.synthesis.lay import lay_at

Y, X = np.mgrid[:96, :120].astype(np.float32)


def stripes(degrees, noise=0.0):
    angle = np.radians(degrees)
    across = Y * np.cos(angle) - X * np.sin(angle)
    surface = 0.5 + 0.2 * np.sin(across / 1.5)
    return (surface + noise * np.random.default_rng(0).normal(size=surface.shape)).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 120, 179])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_stripes_have_their_direction(degrees, noise):
    found = lay_at(stripes(degrees, noise), np.ones(Y.shape, bool), (48, 60), 20)
    assert abs((found - degrees + 90) % 180 - 90) <= 3


def test_what_has_no_direction_has_no_lay():
    inside = np.ones(Y.shape, bool)
    assert lay_at(np.random.default_rng(1).normal(size=Y.shape).astype(np.float32), inside, (48, 60), 20) is None
    assert lay_at(np.hypot(Y - 48, X - 60), inside, (48, 60), 20) is None
    assert lay_at(np.full(Y.shape, 0.5, np.float32), inside, (48, 60), 20) is None
    assert lay_at(stripes(30), inside, (0, 0), 0) is None
    assert lay_at(stripes(30), np.zeros_like(inside), (48, 60), 20) is None


def test_only_the_part_counts():
    half = X < 60
    surface = np.where(half, stripes(30), stripes(120)).astype(np.float32)
    assert abs(lay_at(surface, half, (48, 59), 20) - 30) <= 3


def test_a_cut_that_follows_it_runs_along_and_replays():
    rgb = np.repeat((stripes(30) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    recipe = Recipe(kinds={"cut": 1}, count=(1, 1), size=(0.6, 0.6), contrast=(1, 1), dropout=0.0)
    seen = 0
    for index in range(24):
        pair = synthesize(rgb, None, recipe=recipe, seed=2, index=index)
        (defect,) = pair.plan.defects.items
        rows, columns = np.nonzero(pair.mask)
        if defect.follows and np.ptp(columns) > 20:
            (_, longest) = np.linalg.eigh(np.cov(columns, rows))
            x, y = longest[:, 1]
            assert abs((np.degrees(np.arctan2(y, x)) - 30 + 90) % 180 - 90) < 20
            seen += 1
        again = render(rgb, None, Plan.from_json(pair.plan.to_json()))
        np.testing.assert_array_equal(again.rgb, pair.rgb)
    assert seen >= 2
