"""Patches from another part: what comes from where, plans that say so, and donors that do not fit."""

import numpy as np
import pytest

from das3d_aug import ParameterError, Plan, Recipe, render, synthesize
from das3d_aug.datasets.demo import make_part

RECIPE = Recipe(kinds={"paste": 1}, count=(1, 1), size=(0.3, 0.5), dropout=0.0, relight=False)


def striped(values, height):
    """A part of two tones and a wavy height that fills the frame."""
    y, x = np.mgrid[:96, :96]
    rgb = np.where(((x // 4) % 2 == 0)[:, :, None], *np.uint8(values)).repeat(3, axis=2)
    return rgb.astype(np.uint8), (1 + height * ((y // 4) % 2)).astype(np.float32)


OWN, OTHER = striped((10, 30), 0.001), striped((200, 240), 0.05)


def test_colour_and_height_come_from_the_donor():
    own = synthesize(*OWN, recipe=RECIPE, seed=1, foreground="all")
    pair = synthesize(*OWN, recipe=RECIPE, seed=1, foreground="all", donor=OTHER)
    assert pair.mask.sum() > 100
    assert set(np.unique(own.rgb)) == {10, 30}
    assert set(np.unique(pair.rgb[pair.rgb_changed])) == {200, 240}
    np.testing.assert_array_equal(pair.rgb[~pair.mask], OWN[0][~pair.mask])
    assert np.abs(pair.delta).max() > 10 * np.abs(own.delta).max()  # its relief, on this part's surface
    assert pair.plan.defects.items == own.plan.defects.items  # what is drawn is the same


def test_the_plan_says_so_and_replays():
    pair = synthesize(*OWN, recipe=RECIPE, seed=1, foreground="all", donor=OTHER)
    plan = Plan.from_json(pair.plan.to_json())
    assert plan == pair.plan
    assert plan.to_dict()["version"] == 3
    again = render(*OWN, plan, foreground="all", donor=OTHER)
    for name in ("rgb", "depth", "mask", "delta", "instances"):
        np.testing.assert_array_equal(getattr(pair, name), getattr(again, name))
    with pytest.raises(ParameterError, match="plan takes patches from another part: give that part as donor="):
        render(*OWN, plan, foreground="all")
    values = plan.to_dict()
    values["defects"]["donor"] = 1
    with pytest.raises(ParameterError, match="donor must be true or false"):
        Plan.from_dict(values)


def test_what_takes_nothing_is_as_without_a_donor():
    for recipe in (Recipe(), Recipe(kinds={"dent": 1, "shift": 1}, dropout=0.0)):
        pairs = [synthesize(*OWN, recipe=recipe, seed=2, foreground="all", donor=donor) for donor in (None, OTHER)]
        assert pairs[0].plan.to_json() == pairs[1].plan.to_json()
        np.testing.assert_array_equal(pairs[0].rgb, pairs[1].rgb)
    plan = RECIPE.draw((96, 96), seed=1)  # a plan that does not say so takes nothing either
    np.testing.assert_array_equal(
        render(*OWN, plan, foreground="all", donor=OTHER).rgb, render(*OWN, plan, foreground="all").rgb
    )


@pytest.mark.parametrize("donor", [OTHER[:1], (*OTHER, "all", 1)])
def test_a_donor_of_another_length_is_told_from_one_that_is_no_tuple(donor):
    with pytest.raises(ParameterError, match=f"got a tuple of {len(donor)}"):
        synthesize(*OWN, recipe=RECIPE, seed=1, donor=donor)


def test_only_the_donors_part_is_taken():
    part = np.zeros((96, 96), np.bool_)
    part[:, :40] = True
    for index in range(6):
        pair = synthesize(*OWN, recipe=RECIPE, seed=3, index=index, foreground="all", donor=(*OTHER, ~part))
        left = synthesize(*OWN, recipe=RECIPE, seed=3, index=index, foreground="all", donor=(*OTHER, part))
        assert not (pair.mask & left.mask).any()
    nothing = synthesize(*OWN, recipe=RECIPE, seed=3, foreground="all", donor=(*OTHER, np.zeros_like(part)))
    assert not nothing.mask.any()


@pytest.mark.parametrize("axis", ["away", "towards"])
def test_parts_on_a_table_and_heights(axis):
    parts = [make_part("flange", seed=1, index=index, size=96) for index in range(2)]
    turned = [p.depth if axis == "away" else p.depth.max() * 1.2 - p.depth for p in parts]
    given = [(p.rgb, np.where(p.valid, z, 0).astype(np.float32)) for p, z in zip(parts, turned, strict=True)]
    recipe = Recipe(kinds={"paste": 1}, dropout=0.0, depth_axis=axis)
    pairs = [synthesize(*given[0], recipe=recipe, seed=4, index=k, donor=given[1]) for k in range(6)]
    assert sum(bool(pair.mask.any()) for pair in pairs) >= 4
    spans = [np.ptp(depth[p.foreground & p.valid]) for (_, depth), p in zip(given, parts, strict=True)]
    assert max(float(np.abs(pair.delta).max()) for pair in pairs) < 2 * max(spans)


def test_one_modality_and_grey():
    grey = [np.ascontiguousarray(rgb[:, :, 0]) for rgb, _ in (OWN, OTHER)]
    pair = synthesize(grey[0], None, recipe=RECIPE, seed=1, donor=(grey[1], None))
    assert set(np.unique(pair.rgb[pair.mask])) == {200, 240}
    pair = synthesize(None, OWN[1], recipe=RECIPE, seed=1, foreground="all", donor=(None, OTHER[1]))
    assert np.abs(pair.delta).max() > 0.01


@pytest.mark.parametrize(
    ("donor", "said"),
    [
        (OTHER[0], "donor must be .rgb, depth. or .rgb, depth, foreground."),
        ((OTHER[0],), "donor must be"),
        ((OTHER[0], None), "donor has no depth"),
        ((None, OTHER[1]), "donor has no rgb"),
        ((OTHER[0][1:], OTHER[1]), "rgb of the donor must be as the pair's"),
        ((OTHER[0], OTHER[1].astype(np.float64)), "depth of the donor must be as the pair's, float32"),
        ((*OTHER, "table"), "foreground"),
    ],
)
def test_a_donor_that_does_not_fit_is_refused(donor, said):
    with pytest.raises(ParameterError, match=said):
        synthesize(*OWN, recipe=RECIPE, seed=1, foreground="all", donor=donor)
