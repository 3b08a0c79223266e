"""The synthesis end to end, against the straight version and the promises users rely on."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from helpers.pairs import GOLDEN, RECIPES, bowl, digest, golden_digests, pair
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import straight
from das3d_aug import ForegroundError, ParameterError, Plan, Recipe, render, synthesize

ALWAYS = Recipe(dropout=0.0)


@pytest.mark.parametrize("rgb_dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("depth_dtype", [np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.kinds is None])
def test_equals_the_straight_version(name, rgb_dtype, depth_dtype):
    recipe = RECIPES[name]
    rgb, depth = pair(dtype=rgb_dtype)
    scale = 1.0
    if depth_dtype is np.uint16:
        scale = 10_000.0
        depth = np.rint(depth * scale)
        if recipe.magnitude_unit == "depth":
            recipe = dataclasses.replace(recipe, magnitude=(20, 100), mask_threshold=5)
    depth = depth.astype(depth_dtype)
    depth[40:44, 50:60] = 0
    changed = 0
    for index in range(12):
        fast = synthesize(rgb, depth, recipe=recipe, seed=11, index=index)
        slow = straight.render(rgb, depth, fast.plan)
        for field in ("mask", "rgb_changed", "depth_changed"):
            assert (getattr(fast, field) != getattr(slow, field)).sum() <= 2, (index, field)
        same = fast.mask == slow.mask
        tolerance = 1e-5 * max(np.ptp(depth[depth > 0]), np.abs(slow.delta).max())
        rounding = 1 if depth_dtype is np.uint16 else 2 * np.finfo(depth_dtype).eps * depth.max()
        for field in ("depth", "delta"):
            difference = np.abs(getattr(fast, field).astype(float) - getattr(slow, field))[same]
            assert difference.max() <= tolerance + rounding, (index, field)
        # A texture coordinate on a texel's edge may fall to either side: few pixels, never many.
        colour = np.abs(fast.rgb.astype(float) - slow.rgb)[same].max(axis=-1)
        assert (colour > (1.01 if rgb_dtype is np.uint8 else 1e-4)).sum() <= 2
        changed += fast.mask.any()
    assert changed >= 5


@pytest.mark.filterwarnings("ignore:depth has no range")
@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    seed=st.integers(0, 10**9),
    given_foreground=st.booleans(),
    depth_axis=st.sampled_from(["away", "towards"]),
)
def test_invalid_depth_stays_and_outside_the_mask_nothing_changes(shape, seed, given_foreground, depth_axis):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.3, 1.0, shape).astype(np.float32)
    bad = rng.random(shape) < 0.3
    depth[bad] = rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf, -2.0], bad.sum())
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    foreground = (rng.random(shape) < 0.8) if given_foreground else None
    recipe = Recipe(depth_axis=depth_axis, area=(0.01, 0.5), magnitude=(0.1, 3.0))
    try:
        result = synthesize(rgb, depth, recipe=recipe, seed=seed, foreground=foreground)
    except ForegroundError:
        assert bad.all() or not (foreground & ~bad).any()
        return
    assert result.depth[bad].tobytes() == depth[bad].tobytes()
    assert (np.isfinite(result.depth) & (result.depth > 0) == ~bad).all()
    assert not result.depth_changed[bad].any()
    assert result.depth[~result.depth_changed].tobytes() == depth[~result.depth_changed].tobytes()
    assert result.rgb[~result.rgb_changed].tobytes() == rgb[~result.rgb_changed].tobytes()
    np.testing.assert_array_equal(result.mask, result.rgb_changed | result.depth_changed)
    assert not result.delta[~result.depth_changed].any()


def test_dents_add_depth_and_bumps_remove_it():
    rgb, depth = pair()
    for recipe, sign in (
        (Recipe(dropout=0, bump_magnitude=(0, 0)), 1),
        (Recipe(dropout=0, magnitude=(0, 0), bump_magnitude=(0.1, 0.3)), -1),
    ):
        deltas = [synthesize(rgb, depth, recipe=recipe, seed=1, index=k).delta for k in range(20)]
        assert sum(np.count_nonzero(d) for d in deltas) > 100
        assert min((sign * d).min() for d in deltas) >= 0
    heights = synthesize(rgb, 1 - depth, recipe=Recipe(dropout=0, bump_magnitude=(0, 0), depth_axis="towards"), seed=1)
    assert heights.delta.max() == 0
    assert heights.delta.min() < 0


def test_delta_is_the_change_that_was_applied():
    rgb, depth = pair()
    for dtype, scale in ((np.float32, 1), (np.float64, 1), (np.uint16, 10_000)):
        z = (depth * scale).astype(dtype)
        result = synthesize(rgb, z, recipe=ALWAYS, seed=2)
        assert result.delta.any()
        np.testing.assert_allclose(
            z.astype(float) + result.delta, result.depth.astype(float), rtol=0, atol=1e-7 * scale
        )


def test_zero_magnitude_is_the_identity():
    rgb, depth = pair()
    result = synthesize(rgb, depth, recipe=Recipe(dropout=0, magnitude=(0, 0)), seed=3)
    assert not result.mask.any()
    np.testing.assert_array_equal(result.rgb, rgb)
    np.testing.assert_array_equal(result.depth, depth)


def test_dropout_keeps_a_modality_and_only_both_keep_the_mask_empty():
    rgb, depth = pair(256, 256)
    seen = set()
    for index in range(40):
        result = synthesize(rgb, depth, seed=4, index=index)
        plan = result.plan
        seen.add((plan.drop_rgb, plan.drop_depth))
        assert result.rgb_changed.any() != plan.drop_rgb
        assert result.depth_changed.any() != plan.drop_depth
        assert result.mask.any() != (plan.drop_rgb and plan.drop_depth)
    assert len(seen) == 4


def test_area_limits_the_ternary_mask():
    rgb, depth = pair(256, 256)
    foreground = straight.foreground(depth)
    for area in (0.01, 0.1, 0.4):
        recipe = Recipe(dropout=0, area=(area, area), skew=False, resolution=(4, 8))
        sizes = [
            synthesize(rgb, depth, recipe=recipe, seed=5, index=k).mask.sum() / foreground.sum() for k in range(12)
        ]
        assert np.mean(sizes) == pytest.approx(area, rel=0.1)
        assert max(sizes) < 1.35 * area


def test_median_default_defect_covers_two_to_three_percent_of_the_part():
    rgb, depth = pair(256, 256)
    part = straight.foreground(depth).sum()
    sizes = [synthesize(rgb, depth, recipe=ALWAYS, seed=6, index=k).mask.sum() / part for k in range(300)]
    assert 0.015 < np.median(sizes) < 0.035
    assert min(sizes) > 0


def test_looks_alike_at_two_resolutions_with_a_reference_size():
    recipe = Recipe(dropout=0, reference_size=256, resolution=(2, 4), sigma=(3, 4))
    alike = []
    for index in range(8):
        masks = []
        for size in (256, 512):
            depth, _ = bowl(size, size)
            rgb = np.zeros((size, size, 3), np.uint8)
            masks.append(synthesize(rgb, depth, recipe=recipe, seed=8, index=index).mask)
        large = masks[1].reshape(256, 2, 256, 2).mean(axis=(1, 3)) >= 0.5
        alike.append((masks[0] & large).sum() / (masks[0] | large).sum())
    assert min(alike) > 0.8


def test_a_part_without_range_keeps_its_depth_and_says_so():
    rgb, depth = pair()[0], np.full((96, 120), 500, np.uint16)
    with pytest.warns(UserWarning, match="depth has no range .* use magnitude_unit='depth'"):
        result = synthesize(rgb, depth, recipe=ALWAYS, seed=1)
    np.testing.assert_array_equal(result.depth, depth)
    assert not result.depth_changed.any()
    assert result.rgb_changed.any()
    np.testing.assert_array_equal(result.mask, result.rgb_changed)
    # Colour alone, and magnitudes with a unit, need no range.
    assert synthesize(rgb, depth, recipe=Recipe(modality="rgb"), seed=1).rgb_changed.any()
    recipe = Recipe(modality="depth", magnitude_unit="depth", magnitude=(20, 90), mask_threshold=3)
    assert synthesize(rgb, depth, recipe=recipe, seed=1).depth_changed.any()


@pytest.mark.parametrize("scale", [20, 300, 65000])
def test_what_is_lost_in_whole_numbers_is_not_marked(scale):
    depth = np.rint(bowl()[0] * 1.0 * scale).astype(np.uint16)
    rgb = np.full((96, 120, 3), 128, np.uint8)
    lost = 0
    for index in range(40):
        result = synthesize(rgb, depth, recipe=ALWAYS, seed=5, index=index, foreground="all")
        np.testing.assert_array_equal(result.depth_changed, result.depth != depth)
        np.testing.assert_array_equal(result.rgb_changed, (result.rgb != rgb).any(axis=-1))
        np.testing.assert_array_equal(result.mask, result.depth_changed | result.rgb_changed)
        lost += (result.rgb_changed & ~result.depth_changed).sum()
    assert (lost > 0) == (scale < 65000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_lost_in_floats_is_not_marked(dtype):
    rgb, depth = pair()
    far = (depth + 1e6).astype(dtype)  # float32 has steps of 1/16 there
    recipe = Recipe(dropout=0, magnitude_unit="depth", magnitude=(0.01, 0.05), mask_threshold=0.001)
    result = synthesize(rgb, far, recipe=recipe, seed=1, foreground="all")
    np.testing.assert_array_equal(result.depth_changed, result.depth != far)
    assert result.depth_changed.any() == (dtype is np.float64)
    assert result.rgb_changed.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_colour_that_stays_the_same_is_not_marked(dtype):
    rgb, depth = np.zeros((96, 120, 3), dtype), pair()[1]
    rgb[:, ::2] = 200 if dtype is np.uint8 else 200 / 255
    recipe = Recipe(modality="rgb", texture_operations=0, beta=(0, 0), area=(0.3, 0.3))
    black = np.zeros((16, 16, 3), np.uint8)
    result = synthesize(rgb, depth, recipe=recipe, seed=1, texture=black)
    np.testing.assert_array_equal(result.mask, (result.rgb != rgb).any(axis=-1))
    assert result.mask[:, ::2].any()
    assert not result.mask[:, 1::2].any()


def test_numbers_may_be_numpy_scalars():
    rgb, depth = pair()
    plain = Recipe(dropout=0.0, area=(0.1, 0.2), texture_operations=2, reference_size=200)
    recipe = Recipe(
        dropout=np.float64(0.0),
        area=(np.float64(0.1), np.float64(0.2)),
        texture_operations=np.int64(2),
        reference_size=np.int32(200),
        skew=np.bool_(True),
    )
    assert json.dumps(recipe.to_dict()) == json.dumps(plain.to_dict())
    expected = digest(synthesize(rgb, depth, recipe=plain, seed=3, index=2))
    assert digest(synthesize(rgb, depth, recipe=recipe, seed=np.uint8(3), index=np.int64(2))) == expected


def test_plan_replays_to_the_same_bytes():
    rgb, depth = pair()
    for index in range(10):
        result = synthesize(rgb, depth, seed=9, index=index)
        again = render(rgb, depth, Plan.from_json(result.plan.to_json()))
        assert digest(again) == digest(result)


def test_any_layout_is_the_same_and_inputs_are_neither_changed_nor_aliased():
    rgb, depth = pair()
    expected = digest(synthesize(rgb, depth, recipe=ALWAYS, seed=1))
    wide = np.zeros((96, 240, 3), np.uint8)
    wide[:, ::2] = rgb
    layouts = [
        (rgb, depth),
        (np.asfortranarray(rgb), np.asfortranarray(depth)),
        (rgb[::-1].copy()[::-1], depth[:, ::-1].copy()[:, ::-1]),
        (wide[:, ::2], depth.astype(">f4")),
    ]
    for colour, z in layouts:
        colour.flags.writeable = z.flags.writeable = False
        result = synthesize(colour, z, recipe=ALWAYS, seed=1)
        assert digest(result) == expected
        outputs = [
            result.rgb,
            result.depth,
            result.mask,
            result.delta,
            result.rgb_changed,
            result.depth_changed,
        ]
        for k, array in enumerate(outputs):
            assert array.flags.writeable
            assert array.dtype.isnative
            assert not any(np.shares_memory(array, other) for other in (colour, z, *outputs[k + 1 :]))


def test_texture_sources(tmp_path):
    import cv2

    rgb, depth = pair()
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    recipe = Recipe(modality="rgb", texture_operations=0, beta=(0, 0))
    result = synthesize(rgb, depth, recipe=recipe, seed=1, texture=red)
    assert result.plan.texture.name == "array/0"
    np.testing.assert_array_equal(np.unique(result.rgb[result.mask], axis=0), [[200, 0, 0]])
    cv2.imwrite(str(tmp_path / "red.png"), red[..., ::-1])
    from_folder = synthesize(rgb, depth, recipe=recipe, seed=1, texture=tmp_path)
    assert from_folder.plan.texture.name == "red.png"
    np.testing.assert_array_equal(from_folder.rgb, result.rgb)


def test_goldens():
    """The bytes of this release; never regenerated by the test (see golden/README.md)."""
    assert golden_digests() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rgb": np.zeros((96, 121, 3), np.uint8)}, "rgb is 96 x 121, depth is 96 x 120"),
        ({"rgb": np.zeros((96, 120, 4), np.uint8)}, "rgb must be a non-empty H x W x 3"),
        ({"rgb": np.zeros((3, 96, 120), np.uint8)}, "rgb must be a non-empty H x W x 3"),
        ({"rgb": np.zeros((96, 120, 3), np.float64)}, "float64"),
        ({"rgb": np.full((96, 120, 3), 255, np.float32)}, r"lie in \[0, 1\]"),
        ({"rgb": np.full((96, 120, 3), np.nan, np.float32)}, "NaN"),
        ({"depth": np.zeros((96, 120), np.float16)}, "float16"),
        ({"depth": np.zeros((96, 120), np.float32)}, "no valid pixel"),
        ({"depth": np.ones((96, 120), np.float32), "foreground": "plane"}, "nothing stands out"),
        ({"foreground": np.zeros((96, 120), bool)}, "foreground is empty"),
        (
            {"foreground": np.ones((96, 120), np.float32)},
            "foreground must be bool or integers of 96 x 120, got float32",
        ),
        ({"foreground": np.ones((96, 121), bool)}, "foreground must be bool or integers of 96 x 120"),
        ({"foreground": "part"}, "foreground must be one of auto, all, plane, or a mask, got 'part'"),
        ({"depth": np.ma.masked_equal(np.ones((96, 120), np.float32), 0)}, r"give depth.filled\(0\)"),
        ({"rgb": np.ma.masked_array(np.ones((96, 120, 3), np.uint8))}, r"give rgb.filled\(0\)"),
        ({"depth": [[1.0, 2.0]]}, r"got a list: give numpy.asarray\(depth\)"),
        ({"depth": torch.ones(96, 120)}, r"got a Tensor: give depth.numpy\(\)"),
        ({"rgb": torch.ones(3, 96, 120)}, r"give rgb.numpy\(\), channels last"),
        ({"foreground": torch.ones(96, 120)}, r"give foreground.numpy\(\)"),
        ({"rgb": None, "depth": None}, "both None"),
        ({"recipe": {"dropout": 0}}, "recipe must be a Recipe"),
        ({"recipe": Recipe(dropout=0), "seed": "x"}, "seed must be an integer"),
        ({"texture": 3}, "texture"),
    ],
)
def test_bad_arguments(change, said):
    rgb, depth = pair()
    good = {"rgb": rgb, "depth": depth, "recipe": ALWAYS, "seed": 0} | change
    with pytest.raises(ParameterError, match=said):
        synthesize(good.pop("rgb"), good.pop("depth"), **good)


def test_a_plan_of_another_shape_is_refused():
    rgb, depth = pair()
    with pytest.raises(ParameterError, match="the plan is for 95 x 120"):
        render(rgb, depth, Recipe().draw((95, 120), seed=0))
