"""Where defects go: the definition of each place written out, plans that keep it, and recipes that refuse."""

import json
import math

import numpy as np
import pytest
from scipy import ndimage

from das3d_aug import ParameterError, Plan, Recipe, render, synthesize
from das3d_aug.synthesis.places import near_edge, places, structures, with_specks

SIZE = 120


def disc(radius=50.0):
    y, x = np.ogrid[:SIZE, :SIZE]
    return (y - 60) ** 2 + (x - 60) ** 2 < radius**2


def grooved(inside):
    """A slanted part with noise in colour, and one groove of depth along column 70."""
    y, x = np.mgrid[:SIZE, :SIZE]
    rng = np.random.default_rng(3)
    depth = np.where(inside, 1 + 0.002 * y + 0.01 * (abs(x - 70) < 4), 0).astype(np.float32)
    return rng.uniform(0.4, 0.6, (SIZE, SIZE, 3)).astype(np.float32), depth


def test_near_the_edge_is_a_fifth_of_the_way_to_the_middle():
    found = near_edge(disc())
    y, x = np.nonzero(disc())
    way = (50 - np.hypot(y - 60, x - 60)) / 50
    near = found[y, x]
    assert near[way < 0.17].all()
    assert not near[way > 0.23].any()
    assert not found[~disc()].any()


def test_pixels_without_depth_have_no_edge_and_a_bore_has():
    specks, bore = disc(), disc()
    specks[np.random.default_rng(0).integers(35, 85, 40), np.random.default_rng(1).integers(35, 85, 40)] = False
    np.testing.assert_array_equal(near_edge(specks), near_edge(disc()) & specks)
    bore[55:66, 55:66] = False
    assert near_edge(bore)[54, 60]


def test_the_frame_is_an_edge_and_a_part_of_one_pixel_has_one():
    whole = near_edge(np.ones((40, 60), np.bool_))
    assert whole[0].all()
    assert not whole[20, 30]
    one = np.zeros((5, 5), np.bool_)
    one[2, 2] = True
    np.testing.assert_array_equal(near_edge(one), one)
    np.testing.assert_array_equal(structures(one, None, None), one)


def test_structures_are_gradients_and_neither_slopes_nor_noise_nor_the_edge():
    inside = disc()
    rgb, depth = grooved(inside)
    found = structures(inside, rgb, depth)
    assert not (found & near_edge(inside)).any()
    columns = np.nonzero(found)[1]
    assert np.mean(np.abs(columns - 70) < 8) > 0.95
    assert 50 < found.sum() <= 0.1 * inside.sum()


def test_structures_of_colour_are_found_without_depth():
    inside = disc()
    rgb = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    rgb[60:] = 0.0  # black is a colour
    rows = np.nonzero(structures(inside, rgb, None))[0]
    assert rows.size
    assert np.abs(rows - 59.5).max() < 6


def test_a_part_without_structures_is_all_of_it():
    inside = disc()
    flat = np.where(inside, 1, 0).astype(np.float32)
    np.testing.assert_array_equal(structures(inside, None, flat), inside)
    np.testing.assert_array_equal(places("anywhere", inside, None, flat), inside)


@pytest.mark.parametrize(("placement", "least"), [({"edge": 1}, 0.9), ({"structure": 1}, 0.9), ({"anywhere": 1}, 0.0)])
def test_defects_lie_where_the_recipe_says(placement, least):
    inside = disc()
    rgb, depth = grooved(inside)
    recipe = Recipe(kinds={"stain": 1}, count=(1, 1), size=(0.04, 0.05), dropout=0.0, placement=placement)
    allowed = ndimage.binary_dilation(places(next(iter(placement)), inside, rgb, depth), iterations=2)
    hits, seen = 0, 0
    for index in range(40):
        pair = synthesize(rgb, depth, recipe=recipe, seed=2, index=index, foreground=inside)
        if pair.mask.any():
            seen += 1
            hits += allowed[tuple(np.round(np.argwhere(pair.mask).mean(axis=0)).astype(int))]
    assert seen > 20
    assert hits / seen > least


def test_a_place_does_not_depend_on_the_defects_before_it():
    inside = disc()
    rgb, depth = grooved(inside)
    recipe = Recipe(kinds={"missing": 1}, count=(2, 2), dropout=0.0, placement={"structure": 1})
    both = recipe.draw((SIZE, SIZE), seed=1)
    values = both.to_dict()
    values["defects"]["items"] = values["defects"]["items"][1:]
    alone = render(rgb, depth, Plan.from_dict(values), foreground=inside)
    after = render(rgb, depth, both, foreground=inside)
    second = after.instances == 2
    assert second.any()
    np.testing.assert_array_equal(second & alone.mask, second)


def test_weights_are_shares_and_move_nothing_else():
    plain = Recipe(kinds={"dent": 1}, count=(3, 3))
    placed = Recipe(kinds={"dent": 1}, count=(3, 3), placement={"anywhere": 2, "edge": 1, "structure": 1})
    where = []
    for index in range(200):
        one, other = (recipe.draw((64, 64), seed=0, index=index).to_dict() for recipe in (plain, placed))
        where += [item.pop("where", "anywhere") for item in other["defects"]["items"]]
        assert one["defects"] == other["defects"]
    for name, share in (("anywhere", 0.5), ("edge", 0.25), ("structure", 0.25)):
        assert where.count(name) / len(where) == pytest.approx(share, abs=0.05)


def test_a_kind_of_the_edge_stays_there():
    recipe = Recipe(kinds={"chunk": 1}, placement={"structure": 1})
    assert {item.where for item in recipe.draw((64, 64), seed=0).defects.items} == {"anywhere"}


def test_plans_keep_the_place_and_those_of_before_are_as_they_were():
    recipe = Recipe(kinds={"dent": 1}, placement={"edge": 1})
    plan = recipe.draw((64, 64), seed=0)
    assert plan.to_dict()["version"] == 3
    assert Plan.from_json(plan.to_json()) == plan
    for before in (Recipe(kinds={"dent": 1}), Recipe(kinds={"dent": 1}, placement={"anywhere": 4, "edge": 0})):
        plain = before.draw((64, 64), seed=0).to_dict()
        assert plain["version"] == 2
        assert not any("where" in item for item in plain["defects"]["items"])
        assert Plan.from_dict(plain).to_dict() == plain
    values = plan.to_dict()
    values["defects"]["items"][0]["where"] = "middle"
    with pytest.raises(ParameterError, match="where must be one of anywhere, edge, structure"):
        Plan.from_dict(values)


def test_recipes_keep_weights_and_refuse_others(tmp_path):
    recipe = Recipe(kinds={"dent": 1}, placement={"edge": 1, "anywhere": 3})
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert "placement" not in Recipe(kinds={"dent": 1}).to_dict()
    (tmp_path / "recipe.toml").write_text("kinds = { dent = 1 }\nplacement = { edge = 1, anywhere = 3 }\n")
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe
    for placement, said in (
        ({"middle": 1}, "placement must be one of anywhere, edge, structure, got 'middle'"),
        ({}, "placement must be weights by name, such as {'edge': 1}"),
        ("edge", "placement must be weights by name"),
        ({"edge": 0}, "placement must have a weight above 0"),
        ({"edge": math.nan}, "placement.edge"),
    ):
        with pytest.raises(ParameterError, match=said):
            Recipe(kinds={"dent": 1}, placement=placement)


def gaps(inside, depth):
    """Return what `with_specks` does, pixel by pixel."""
    most, found = max(inside.shape) // 64, inside.copy()
    for y, x in np.argwhere(~inside & (depth <= 0)):
        short = []
        for line, at, out in ((inside[y], x, depth[y]), (inside[:, x], y, depth[:, x])):
            first = last = at
            while first >= 0 and not line[first] and out[first] <= 0:
                first -= 1
            while last < line.size and not line[last] and out[last] <= 0:
                last += 1
            between = first >= 0 and last < line.size and line[first] and line[last]
            short.append(between and last - first - 1 <= most)
        found[y, x] = all(short)
    return found


def test_specks_without_depth_belong_to_the_part():
    random = np.random.default_rng(3)
    for shape, share in (((70, 200), 0.1), ((1, 130), 0.1), ((130, 1), 0.1), ((64, 64), 0.4), ((3, 3), 0.4)):
        depth = random.random(shape, np.float32) + 1
        depth[random.random(shape) < share] = 0
        part = np.zeros(shape, bool)
        part[shape[0] // 8 :, : shape[1] * 3 // 4] = True
        inside = part & (depth > 0)
        found = with_specks(inside, depth)
        np.testing.assert_array_equal(found, gaps(inside, depth))
        assert (found & ~inside).any() == (min(shape) > 3)
    whole = np.ones((9, 9), np.float32)
    assert with_specks(whole > 0, whole).all()


def test_a_defect_covers_the_colour_of_specks_and_leaves_their_depth_alone():
    random = np.random.default_rng(4)
    rgb = random.integers(90, 110, (160, 160, 3), dtype=np.uint8)
    depth = np.full((160, 160), 0.5, np.float32) + random.normal(0, 1e-4, (160, 160)).astype(np.float32)
    specks = random.random((160, 160)) < 0.05
    depth[specks] = 0
    recipe = Recipe.realistic(kinds={"hole": 1}, count=(1, 1), size=(0.4, 0.5), dropout=0)
    pair = synthesize(rgb, depth, recipe=recipe, seed=1, foreground="all")
    assert not pair.depth_changed[specks].any()
    assert (pair.depth[specks] == 0).all()
    core = ndimage.binary_erosion(ndimage.binary_closing(pair.mask, iterations=2), iterations=3)
    assert core.sum() > 500
    assert pair.rgb_changed[core].mean() > 0.98
    given = np.ones(depth.shape, bool)
    given[specks] = False  # who marks the part has the last word
    pair = synthesize(rgb, depth, recipe=recipe, seed=1, foreground=given)
    assert not pair.rgb_changed[specks].any()
