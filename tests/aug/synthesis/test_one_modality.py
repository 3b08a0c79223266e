"""Colour alone, depth alone, and grey colour that stays grey."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers.pairs import digest, pair

from das3d_aug import ParameterError, Recipe, render, synthesize
from das3d_aug.synthesis import kind_of, measure_severity

LUMA = np.array([0.299, 0.587, 0.114])


def test_depth_alone_is_the_depth_of_a_pair_whose_colour_is_left_alone():
    rgb, depth = pair()
    for index in range(20):
        alone = synthesize(None, depth, seed=2, index=index)
        both = synthesize(rgb, depth, recipe=Recipe(modality="depth"), seed=2, index=index)
        assert alone.rgb is None
        assert alone.plan == both.plan
        assert digest(dataclasses.replace(alone, rgb=rgb)) == digest(both)
        assert kind_of(alone) == kind_of(both)
        assert measure_severity(None, depth, alone) == measure_severity(rgb, depth, both)


@pytest.mark.parametrize("foreground", ["auto", "all", "mask"])
def test_colour_alone_takes_the_whole_image_or_the_mask(foreground):
    rgb, _ = pair()
    inside = np.ones(rgb.shape[:2], bool)
    if foreground == "mask":
        foreground = np.zeros(rgb.shape[:2], np.uint8)
        foreground[:, :50] = 255
        inside = foreground > 0
    ramp = np.linspace(1, 2, inside.size, dtype=np.float32).reshape(inside.shape)
    marked = 0
    for index in range(20):
        alone = synthesize(rgb, None, seed=2, index=index, foreground=foreground)
        both = synthesize(rgb, ramp, recipe=Recipe(modality="rgb"), seed=2, index=index, foreground=inside)
        assert alone.depth is None
        assert alone.delta is None
        assert alone.plan == both.plan
        for name in ("rgb", "mask", "rgb_changed", "depth_changed"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(both, name))
        found = measure_severity(rgb, None, alone, foreground=foreground)
        assert found == dataclasses.replace(measure_severity(rgb, ramp, both, foreground=inside))
        assert found.depth_change == found.relative_depth_change == 0
        marked += alone.mask.any()
    assert marked > 15


def test_a_modality_that_is_not_there_counts_as_dropped():
    rgb, depth = pair()
    plan = Recipe(dropout=0.0).draw(depth.shape, seed=1)
    alone = render(None, depth, plan)
    assert alone.plan.drop_rgb
    np.testing.assert_array_equal(alone.depth, render(rgb, depth, plan).depth)
    assert render(rgb, None, plan).rgb_changed.any()
    assert not render(None, depth, dataclasses.replace(plan, drop_depth=True)).mask.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("with_depth", [False, True])
def test_grey_stays_grey_with_the_luma_of_the_texture(dtype, with_depth):
    rgb, depth = pair(dtype=dtype)
    grey = rgb[:, :, 1].copy()
    recipe = Recipe(modality="rgb", texture_operations=0, beta=(0.25, 0.25), area=(0.1, 0.2))
    colours = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    options = {"recipe": recipe, "seed": 3, "foreground": "all"}
    result = synthesize(grey, depth if with_depth else None, texture=colours, **options)
    assert result.rgb.shape == grey.shape
    assert result.rgb.dtype == dtype
    # The same in three equal channels, with the texture's luma in float.
    full = 255 if dtype is np.uint8 else 1
    bare = dataclasses.replace(recipe, beta=(0, 0))
    black = np.zeros((*grey.shape, 3), np.float32)
    texture = synthesize(black, depth if with_depth else None, texture=colours, **options | {"recipe": bare}).rgb
    where = texture.any(axis=2)
    expected = 0.75 * full * (texture @ LUMA) + 0.25 * grey
    assert np.abs(result.rgb - expected)[where].max() <= (0.51 if dtype is np.uint8 else 1e-6)
    np.testing.assert_array_equal(result.rgb[~where], grey[~where])
    np.testing.assert_array_equal(result.mask, result.rgb != grey)
    assert measure_severity(grey, depth if with_depth else None, result, foreground="all").colour_change > 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda rgb, z: synthesize(rgb, None, recipe=Recipe(modality="depth"), seed=0),
            "modality is 'depth', but there",
        ),
        (lambda rgb, z: synthesize(None, z, recipe=Recipe(modality="rgb"), seed=0), "modality is 'rgb', but there"),
        (lambda rgb, z: synthesize(rgb, None, seed=0, foreground="plane"), "foreground='plane' needs depth"),
        (lambda rgb, z: synthesize(rgb, None, seed=0, foreground=np.zeros(z.shape, bool)), "foreground is empty"),
        (lambda rgb, z: render(rgb, None, Recipe().draw((9, 9), seed=0)), "rgb is 96 x 120, the plan is for 9 x 9"),
    ],
)
def test_bad_arguments(call, said):
    with pytest.raises(ParameterError, match=said):
        call(*pair())
