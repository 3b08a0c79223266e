"""Where the part is: the policies on tables, full frames, crops and stray pixels, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.pairs import bowl

from das3d_aug import ParameterError, Recipe, find_foreground, foreground_mask, synthesize
from das3d_aug.datasets.demo import make_part

Y, X = np.mgrid[:128, :160]
FULL_FRAMES = {
    "curved": 1 + 0.1 * np.cos(X / 160 * 3),
    "tilted, parallel rays": 1 + 0.001 * X + 0.0005 * Y,
    "tilted, pinhole": 1 / (1 + 0.001 * X + 0.0005 * Y),
    "constant": np.ones(X.shape),
    "noise": 1 + 0.2 * np.random.default_rng(0).random(X.shape),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("name", FULL_FRAMES)
def test_a_full_frame_is_the_part(name, dtype):
    depth = (FULL_FRAMES[name] * (10_000 if dtype is np.uint16 else 1)).astype(dtype)
    depth[5:9, 7:20] = 0
    found = find_foreground(depth)
    assert found.how == "all"
    np.testing.assert_array_equal(found.mask, depth > 0)
    assert found.share == (depth > 0).mean()
    assert not found.at_border
    assert (found.low, found.high) == (depth[depth > 0].min(), depth.max())


@pytest.mark.parametrize("tilt", [0.0, 0.1, -0.3])
def test_a_part_on_a_table_is_what_stands_out(tilt):
    depth, part = bowl(tilt=tilt, noise=3e-4)
    found = find_foreground(depth)
    assert (found.how, found.at_border) == ("plane", False)
    np.testing.assert_array_equal(found.mask, foreground_mask(depth))
    np.testing.assert_array_equal(found.mask, find_foreground(depth, "plane").mask)
    assert (found.mask != part).mean() < 0.03


@pytest.mark.parametrize("depth_axis", ["away", "towards"])
def test_a_part_on_a_table_seen_with_parallel_rays(depth_axis):
    part = np.hypot(Y - 64, X - 80) < 40
    depth = 1 + 0.002 * X + 0.001 * Y - 0.05 * part
    found = find_foreground((depth if depth_axis == "away" else 3 - depth).astype(np.float32), depth_axis=depth_axis)
    assert found.how == "plane"
    np.testing.assert_array_equal(found.mask, part)


def test_several_parts_are_all_found():
    depth = 0.6 / (1 + 0.1 * Y / 128)
    parts = np.zeros(Y.shape, bool)
    for y, x in ((30, 30), (90, 40), (60, 120)):
        parts |= np.hypot(Y - y, X - x) < 15
    found = find_foreground((depth - 0.02 * parts).astype(np.float32))
    np.testing.assert_array_equal(found.mask, parts)
    assert not found.at_border


def test_a_few_pixels_that_stand_out_are_no_part():
    depth = np.full((400, 400), 0.5, np.float32)
    depth[-5:, -5:] = 0.3
    assert find_foreground(depth, "plane").mask.sum() == 25
    assert find_foreground(depth).how == "all"
    depth[-10:, -10:] = 0.3
    found = find_foreground(depth)
    assert (found.how, found.mask.sum(), found.at_border) == ("plane", 100, True)
    depth[200:230, 200:230] = 0.3
    assert not find_foreground(depth).at_border


@pytest.mark.parametrize("margin", [0, 6])
def test_a_rig_beside_the_table_is_told_by_the_edge_of_what_was_measured(margin):
    depth = np.full((200, 300), 0.5, np.float32)
    depth[40:80, 40:120] = 0.45
    assert not find_foreground(depth).at_border
    depth[20:, 240:] = 0.4
    if margin:
        depth[:margin] = depth[-margin:] = depth[:, :margin] = depth[:, -margin:] = 0
    found = find_foreground(depth)
    assert (found.how, found.at_border) == ("plane", True)


@pytest.mark.parametrize("family", ["flange", "potato"])
def test_every_crop_has_a_part(family):
    part = make_part(family, seed=0, index=0, size=256)
    recipe = Recipe(dropout=0.0, area=(0.2, 0.3), magnitude=(0.3, 0.3))
    for top in range(0, 161, 40):
        for left in range(0, 161, 40):
            window = np.s_[top : top + 96, left : left + 96]
            assert synthesize(part.rgb[window], part.depth[window], recipe=recipe, seed=top, index=left).mask.any()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.uint16])
def test_a_mask_says_it_itself_in_any_whole_numbers(dtype):
    depth, part = bowl()
    given = part.astype(dtype) * (255 if dtype is np.uint8 else 1)
    depth[40:44] = np.nan
    found = find_foreground(depth, given)
    assert found.how == "given"
    np.testing.assert_array_equal(found.mask, part & np.isfinite(depth))
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    expected = synthesize(rgb, depth, seed=4, foreground=part)
    np.testing.assert_array_equal(synthesize(rgb, depth, seed=4, foreground=given).mask, expected.mask)


def test_the_policy_reaches_the_synthesis():
    depth, part = bowl(noise=1e-4)
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    recipe = Recipe(dropout=0.0, area=(0.3, 0.3), sigma=(1, 1))
    outside = {
        policy: (synthesize(rgb, depth, recipe=recipe, seed=1, foreground=policy).mask & ~part).mean()
        for policy in ("auto", "plane", "all", None)
    }
    assert outside["auto"] == outside["plane"] == outside[None] < 0.02
    assert outside["all"] > 0.05


def test_nothing_valid_has_no_limits():
    found = find_foreground(np.zeros((20, 30), np.float32))
    assert (found.how, found.share, found.low, found.high) == ("all", 0.0, 0.0, 0.0)
    assert find_foreground(np.ones((20, 30), np.float32), "plane").share == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.ones((2, 2), np.int8),), "depth must be one of"),
        ((np.ones((2, 2), np.float32), "part"), "foreground must be one of auto, all, plane"),
        ((np.ones((2, 2), np.float32), np.ones((2, 3), bool)), "foreground must be bool or integers of 2 x 2"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(ParameterError, match=said):
        find_foreground(*arguments)
