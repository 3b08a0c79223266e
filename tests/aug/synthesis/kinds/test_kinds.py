"""What every kind keeps: plans replay, only what differs is marked, invalid depth stays, any size and modality."""

import dataclasses
import functools
import sys

import numpy as np
import pytest

from das3d_aug import ParameterError, Plan, Recipe, render, synthesize
from das3d_aug.datasets.demo import make_part
from das3d_aug.geometry import Intrinsics
from das3d_aug.synthesis.kinds import KINDS, DefectKind, all_kinds, kind_named, register_kind


@functools.cache
def part():
    return make_part("biscuit", seed=0, index=0, size=128)


def of(kind, **changes):
    return Recipe(**{"kinds": {kind: 1}, "count": (1, 2), "dropout": 0.0} | changes)


def given(dtype=np.float32):
    scale = 100_000 if dtype is np.uint16 else 1
    depth = np.where(part().valid, part().depth.astype(np.float64) * scale, 0)
    return part().rgb.copy(), depth.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("kind", KINDS)
def test_only_what_differs_is_marked_and_the_plan_replays(kind, dtype):
    rgb, depth = given(dtype)
    rgb.setflags(write=False)
    depth.setflags(write=False)
    seen = 0
    for index in range(8):
        pair = synthesize(rgb, depth, recipe=of(kind), seed=5, index=index, foreground=part().foreground)
        same = render(rgb, depth, Plan.from_json(pair.plan.to_json()), foreground=part().foreground)
        for name in ("rgb", "depth", "mask", "delta", "instances"):
            np.testing.assert_array_equal(getattr(pair, name), getattr(same, name))
        np.testing.assert_array_equal(pair.rgb_changed, (pair.rgb != rgb).any(axis=2))
        np.testing.assert_array_equal(pair.depth_changed, pair.depth != depth)
        np.testing.assert_array_equal(pair.mask, pair.rgb_changed | pair.depth_changed)
        np.testing.assert_array_equal(pair.instances > 0, pair.mask)
        assert not pair.depth[depth == 0].any()
        assert not pair.mask[~part().foreground].any()
        seen += bool(pair.mask.any())
    assert seen >= 5 or KINDS[kind].moves  # a biscuit has hardly a structure that could be moved


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.moves])
def test_moved_structure_is_seen_where_there_is_structure(kind):
    y, x = np.mgrid[:128, :128]
    squares = np.repeat((((y // 12 + x // 12) % 2) * 160 + 40).astype(np.uint8)[:, :, None], 3, axis=2)
    pairs = [synthesize(squares, None, recipe=of(kind), seed=6, index=k) for k in range(8)]
    assert sum(bool(pair.mask.any()) for pair in pairs) >= 6
    assert all(set(np.unique(pair.rgb)) <= {40, 200} for pair in pairs)  # nothing foreign


@pytest.mark.parametrize("kind", KINDS)
def test_one_modality_alone(kind):
    rgb, depth = given()
    for index in range(4):
        grey = synthesize(rgb[:, :, 1], None, recipe=of(kind), seed=2, index=index)
        assert grey.rgb.shape == depth.shape
        assert grey.depth is None
        alone = synthesize(None, depth, recipe=of(kind), seed=2, index=index)
        assert alone.rgb is None
        np.testing.assert_array_equal(alone.mask, alone.depth != depth)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (5, 4), (33, 17)])
@pytest.mark.parametrize("kind", KINDS)
def test_any_size(kind, shape):
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    depth = rng.uniform(1, 2, shape).astype(np.float32)
    one = np.zeros(shape, bool)
    one.flat[one.size // 2] = True
    for foreground in ("all", one):
        pair = synthesize(rgb, depth, recipe=of(kind), seed=3, foreground=foreground)
        assert np.isfinite(pair.depth).all()


@pytest.mark.parametrize("kind", ["dent", "contamination", "hole", "layer"])  # strokes are a pixel wide at least
def test_in_mm_it_is_the_same_defect_at_any_resolution(kind):
    areas = []
    for size in (128, 256):
        seen = make_part("flange", seed=3, index=0, size=size)
        camera = Intrinsics(5.0 * size, 5.0 * size, size / 2 - 0.5, size / 2 - 0.5)
        recipe = of(kind, size=(14, 14), height=(1.5, 1.5), length_unit="mm", count=(1, 1))
        options = {"camera": camera, "unit": "m", "foreground": seen.foreground}
        made = [synthesize(seen.rgb, seen.depth, recipe=recipe, seed=5, index=k, **options) for k in range(6)]
        areas.append([pair.mask.sum() * (100 / size) ** 2 for pair in made])
    coarse, fine = np.array(areas)
    assert np.median(np.abs(coarse - fine) / np.maximum(fine, 1)) < 0.2


def test_heights_are_the_mirror_of_distances():
    rgb, depth = given(np.float64)
    heights = np.where(depth > 0, 2.0 - depth, 0)
    recipe = of("dent", modality="depth")
    away = synthesize(rgb, depth, recipe=recipe, seed=4, foreground=part().foreground)
    towards = of("dent", modality="depth", depth_axis="towards")
    mirrored = synthesize(rgb, heights, recipe=towards, seed=4, foreground=part().foreground)
    np.testing.assert_allclose(mirrored.delta, -away.delta, atol=2e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kinds": {"teapot": 1}}, "teapot"),
        ({"kinds": {}}, "kinds must be weights by name"),
        ({"kinds": {"crack": -1}}, "kinds.crack"),
        ({"kinds": {"crack": 0}}, "weight above 0"),
        ({"count": (0, 2)}, "count"),
        ({"count": (1.5, 2)}, "whole numbers"),
        ({"length_unit": "mm"}, "needs size and height"),
        ({"relight": 1}, "relight"),
    ],
)
def test_a_recipe_refuses_by_name(change, said):
    with pytest.raises(ParameterError, match=said):
        Recipe(**{"kinds": {"crack": 1}} | change)


def test_a_plan_from_outside_is_checked():
    good = of("crack").draw((32, 32), seed=0).to_dict()
    (first, *_) = good["defects"]["items"]
    for name, value in {
        "kind": "teapot", "place": [0.5], "size": -1, "height": "x", "elongation": 0, "angle": 1e9, "seed": -1,
        "values": {"width": 1}, "texture": {}, "contrast": 1.5, "softness": 0.5, "follows": 1,
    }.items():  # fmt: skip
        with pytest.raises(ParameterError):
            Plan.from_dict(good | {"defects": good["defects"] | {"items": [first | {name: value}]}})
    for name, value in {"items": 3, "light": [1], "length_unit": "inch"}.items():
        with pytest.raises(ParameterError, match=name):
            Plan.from_dict(good | {"defects": good["defects"] | {name: value}})


def floats():
    rgb, depth = given()
    return rgb.astype(np.float32) / 255, depth


@pytest.mark.parametrize("kind", ["dent", "crack", "spall", "scratch"])
def test_contrast_scales_the_change_of_colour_and_leaves_depth(kind):
    whole, half = (
        synthesize(*floats(), recipe=of(kind, count=(1, 1), contrast=(share, share), softness=(0, 0)), seed=3)
        for share in (1.0, 0.5)
    )
    np.testing.assert_array_equal(whole.depth, half.depth)
    change = np.where(whole.rgb_changed[:, :, None], whole.rgb - floats()[0], 0)
    clipped = (whole.rgb == 0) | (whole.rgb == 1)
    np.testing.assert_allclose((half.rgb - floats()[0])[~clipped], 0.5 * change[~clipped], atol=1e-6)
    assert np.abs(change).max() > 0.05


def test_softness_blurs_colour_and_depth_of_a_line_and_moves_no_material():
    recipe = {"count": (1, 1), "size": (0.5, 0.5), "contrast": (1, 1), "mask_threshold": 1e-6}
    sharp, soft = (synthesize(*floats(), recipe=of("cut", softness=(n, n), **recipe), seed=3, index=2) for n in (0, 2))
    assert 1.2 < (soft.mask > 0).sum() / (sharp.mask > 0).sum() < 8
    for name, normal in zip(("rgb", "depth"), floats(), strict=True):
        before, after = (np.abs(getattr(pair, name) - normal) for pair in (sharp, soft))
        assert after.max() < 0.9 * before.max()
    assert 0.8 < after.sum() / before.sum() < 1.05  # of depth; light and shadow of colour fade into each other


def test_a_plan_of_before_is_sharp_and_of_full_contrast():
    pair = synthesize(*given(), recipe=of("hole", contrast=(1, 1), softness=(0, 0)), seed=3)
    plain = pair.plan.to_dict()
    for item in plain["defects"]["items"]:
        del item["contrast"], item["softness"], item["follows"]
    np.testing.assert_array_equal(render(*given(), Plan.from_dict(plain)).rgb, pair.rgb)


def test_recipes_without_kinds_are_as_they_were():
    assert not Recipe().to_dict().keys() & {
        "kinds", "count", "size", "height", "contrast", "softness", "length_unit", "relight",
    }  # fmt: skip
    assert Recipe().draw((8, 8), seed=0).to_dict()["version"] == 1
    recipe = Recipe.realistic()
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert hash(recipe) == hash(Recipe.realistic())


def test_a_kind_of_somebody_else(monkeypatch):
    monkeypatch.setattr("das3d_aug.synthesis.kinds.registry.KINDS", dict(KINDS))

    def render_dot(canvas, values):
        canvas.shade[:] = 0
        canvas.foot[:] = canvas.grid()[0] ** 2 + canvas.grid()[1] ** 2 < 1

    dot = DefectKind(name="dot", about="A dot: black.", draw=lambda stream: {}, render=render_dot, size=(0.2, 0.2))
    register_kind(dot)
    assert kind_named("dot") is dot
    for taken in (dot, dataclasses.replace(dot, name="skewed")):  # that is the paper's, which a recipe would draw
        with pytest.raises(ParameterError, match=f"'{taken.name}' is taken"):
            register_kind(taken)
    rgb, _ = given()
    pair = synthesize(rgb, None, recipe=of("dot", contrast=(1, 1), softness=(0, 0)), seed=1)
    assert pair.mask.any()
    assert not pair.rgb[pair.mask].any()


class Plugin:
    """An entry point of another package."""

    value = "other:spot"

    def __init__(self, name, kind):
        self.name, self.kind = name, kind

    def load(self):
        return self.kind


def test_kinds_of_other_packages_are_listed_and_found_by_name(monkeypatch):
    monkeypatch.setattr("das3d_aug.synthesis.kinds.registry.KINDS", dict(KINDS))
    spot = DefectKind(name="spot", about="A spot.", draw=lambda stream: {}, render=lambda canvas, values: None)
    points = [Plugin("spot", spot)]
    monkeypatch.setattr("das3d_aug.synthesis.kinds.registry.entry_points", lambda group: points)
    assert list(all_kinds()) == [*KINDS, "spot"]
    assert kind_named("spot") is spot
    points += [Plugin("speck", spot)]
    for _ in range(2):
        with pytest.warns(UserWarning, match="of kind 'speck' cannot be loaded: its kind has another name, 'spot'"):
            assert list(all_kinds()) == [*KINDS, "spot"]


def test_a_plug_in_that_ends_the_process_is_a_sentence(monkeypatch):
    point = Plugin("quits", None)
    monkeypatch.setattr(point, "load", lambda: sys.exit(3))
    monkeypatch.setattr("das3d_aug.synthesis.kinds.registry.entry_points", lambda group: [point])
    with pytest.raises(ParameterError, match="plug-in other:spot of kind 'quits' cannot be loaded: 3"):
        kind_named("quits")


@pytest.mark.parametrize(
    ("kind", "name", "before"), [("hole", "shadow", 0.0), ("chunk", "shadow", 0.0), ("spall", "wall", 8.0)]
)
def test_a_plan_of_before_a_kind_had_all_its_numbers_still_loads(kind, name, before):
    plan = Recipe(kinds={kind: 1}).draw((64, 64), seed=0).to_dict()
    for defect in plan["defects"]["items"]:
        del defect["values"][name]
    assert {defect.values[name] for defect in Plan.from_dict(plan).defects.items} == {before}
