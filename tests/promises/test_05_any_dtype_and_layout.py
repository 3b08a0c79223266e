"""Any dtype or layout: the right answer or a typed error."""

import itertools

import numpy as np
import pytest
from helpers.pairs import digest, pair

from das3d_aug import ParameterError, Recipe, find_foreground, synthesize

RECIPES = (Recipe(dropout=0), Recipe(kinds={"dent": 1}, dropout=0))


def strided(array):
    wide = np.zeros((array.shape[0], array.shape[1] * 2, *array.shape[2:]), array.dtype)
    wide[:, ::2] = array
    return wide[:, ::2]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": strided,
    "reversed": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "little-endian": lambda array: array.astype(array.dtype.newbyteorder("<")),
    "read-only": read_only,
}


def inputs(rgb_dtype, depth_dtype):
    rgb, depth = pair(dtype=rgb_dtype)
    return rgb, (np.rint(depth * 10_000) if depth_dtype is np.uint16 else depth).astype(depth_dtype)


def test_the_right_answer(record_property):
    count = 0
    for colours, depths in itertools.product((np.uint8, np.float32), (np.uint16, np.float32, np.float64)):
        rgb, depth = inputs(colours, depths)
        wanted = [digest(synthesize(rgb, depth, recipe=recipe, seed=1)) for recipe in RECIPES]
        part = find_foreground(depth)
        for a, b in itertools.product(LAYOUTS, LAYOUTS):
            image, z = LAYOUTS[a](rgb), LAYOUTS[b](depth)
            assert [digest(synthesize(image, z, recipe=recipe, seed=1)) for recipe in RECIPES] == wanted, (a, b)
            count += len(RECIPES)
        for layout in LAYOUTS.values():
            np.testing.assert_array_equal(find_foreground(layout(depth)).mask, part.mask)
    record_property("figure", f"{count} combinations of dtype × layout: the bytes of the plain arrays")


@pytest.mark.parametrize("dtype", ["?", "i1", "u4", "i8", "f2", "g", "c8", "O", "U3", "M8[s]"])
def test_or_a_typed_error(dtype):
    rgb, depth = pair()
    other = np.zeros(depth.shape, dtype)
    with pytest.raises(ParameterError, match="depth must be"):
        synthesize(rgb, other, seed=0)
    with pytest.raises(ParameterError, match="rgb must be"):
        synthesize(np.zeros(rgb.shape, dtype), depth, seed=0)
    with pytest.raises(ParameterError, match="depth must be"):
        find_foreground(other)
