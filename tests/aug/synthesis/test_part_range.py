"""The part's range of depth, with and without stray pixels, against its rule written straight."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.pairs import bowl

from das3d_aug import Recipe, find_foreground, synthesize
from das3d_aug.datasets.demo import FAMILIES, make_part
from das3d_aug.synthesis import measure_severity

RNG = np.random.default_rng(5)


def straight(depth, mask):
    """The rule on every pixel, without a grid."""
    values = np.sort(depth[mask].astype(float))
    tail = int(0.005 * values.size)
    near, far = values[tail], values[-1 - tail]
    if near == far or values[-1] - values[0] <= 4 * (far - near):
        return values[0], values[-1]
    kept = values[(values >= near - (far - near)) & (values <= far + (far - near))]
    return kept[0], kept[-1]


def limits(depth, mask="all"):
    found = find_foreground(depth, mask)
    return found.low, found.high


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [64, 200])
def test_clean_parts_have_the_range_of_all_their_pixels(family, size):
    part = make_part(family, seed=2, index=1, size=size)
    inside = part.foreground & part.valid
    assert limits(part.depth, inside) == (part.depth[inside].min(), part.depth[inside].max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("values", [(9000.0,), (20.0,), (20.0, 9000.0), (60000.0, 3000.0, 1.0)])
def test_stray_pixels_do_not_count(values, dtype):
    depth, part = bowl(192, 240)
    depth = np.rint(depth * 1000).astype(dtype)
    clean = limits(depth, part)
    rows, columns = np.nonzero(part)
    for k in RNG.choice(rows.size, 30, replace=False):
        depth[rows[k], columns[k]] = RNG.choice(values)
    assert limits(depth, part) == straight(depth, part) == clean


def test_noise_alone_has_none_and_a_long_tail_stays():
    noise = (1 + 0.01 * RNG.normal(size=(500, 500))).astype(np.float32)
    assert limits(noise) == (noise.min(), noise.max())
    ramp = np.linspace(1, 2, 40_000, dtype=np.float32).reshape(200, 200)
    ramp[:2] = 4.5  # 1 % of the pixels: no stray ones
    assert limits(ramp) == (ramp.min(), 4.5)


def test_of_few_pixels_every_one_counts():
    depth = np.ones((15, 15), np.float32) + RNG.random((15, 15)).astype(np.float32)
    depth[7, 7] = 500
    assert limits(depth) == (depth.min(), 500)


def test_a_flat_part_with_a_pin_keeps_it():
    depth = np.full((200, 200), 500, np.uint16)
    depth[90:98, 90:98] = 480
    assert limits(depth) == (480, 500)


def test_a_flying_pixel_changes_no_other():
    depth, part = bowl(192, 240, noise=1e-4)
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    recipe = Recipe(dropout=0.0, area=(0.1, 0.1))
    clean = synthesize(rgb, depth, recipe=recipe, seed=1, foreground=part)
    stray = depth.copy()
    stray[96, 120] = 30.0
    result = synthesize(rgb, stray, recipe=recipe, seed=1, foreground=part)
    others = np.ones(part.shape, bool)
    others[96, 120] = False
    np.testing.assert_array_equal(result.depth[others], clean.depth[others])
    before, after = (
        measure_severity(rgb, z, made, foreground=part).relative_depth_change
        for z, made in ((depth, clean), (stray, result))
    )
    assert after == pytest.approx(before, rel=0.01)
