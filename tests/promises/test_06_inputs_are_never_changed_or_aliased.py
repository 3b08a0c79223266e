"""Inputs are never changed or aliased."""

import itertools

import numpy as np
from helpers.pairs import RECIPES, pair

from das3d_aug import Recipe, find_foreground, synthesize
from das3d_aug.transforms import DAS3DAnomaly

FIELDS = ("rgb", "depth", "mask", "delta", "rgb_changed", "depth_changed", "instances")
QUIET = {  # results that equal their inputs, in one modality or in both
    "never": Recipe(dropout=1.0),
    "zero": Recipe(dropout=0, magnitude=(0, 0)),
    "colour alone": Recipe(modality="rgb"),
    "depth alone": Recipe(modality="depth"),
}


def test_write_protected_inputs_and_no_shared_memory(record_property):
    rgb, depth = pair()
    part = find_foreground(depth).mask
    before = [array.tobytes() for array in (rgb, depth, part)]
    for array in (rgb, depth, part):
        array.flags.writeable = False
    count = 0
    for recipe, index in itertools.product([*RECIPES.values(), *QUIET.values()], range(3)):
        result = synthesize(rgb, depth, recipe=recipe, seed=2, index=index, foreground=part, donor=(rgb, depth))
        made = [array for name in FIELDS if (array := getattr(result, name)) is not None]
        for array, given in itertools.product(made, (rgb, depth, part)):
            assert not np.shares_memory(array, given)
        for one, other in itertools.combinations(made, 2):
            assert not np.shares_memory(one, other)
        assert all(array.flags.writeable for array in made)
        for array in made:
            array[...] = 1  # what a user does with results is no business of the inputs
        count += 1
    assert [array.tobytes() for array in (rgb, depth, part)] == before
    record_property("figure", f"{count} results of {len(RECIPES) + len(QUIET)} recipes on write-protected arrays")


def test_in_a_pipeline():
    rgb, depth = pair()
    mask = np.zeros(depth.shape, np.uint8)
    given = {"image": rgb, "depth": depth, "mask": mask}
    before = {name: array.tobytes() for name, array in given.items()}
    for recipe in (Recipe(), QUIET["zero"]):
        made = DAS3DAnomaly(recipe, p=1.0)(**given)
        for name, array in given.items():
            assert not np.shares_memory(made[name], array)
    assert {name: array.tobytes() for name, array in given.items()} == before
