"""A batch is its samples, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.pairs import digest, pair

from das3d_aug import ForegroundError, ParameterError, Recipe, synthesize, synthesize_batch

COUNT = 3


def stacks(dtype=np.uint8):
    rgbs, depths = zip(*(pair(48, 60, seed=k, dtype=dtype) for k in range(COUNT)), strict=True)
    return np.stack(rgbs), np.stack(depths)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe.realistic()], ids=["paper", "realistic"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_bytes_are_those_of_one_by_one(recipe, dtype):
    rgbs, depths = stacks(dtype)
    before = rgbs.tobytes() + depths.tobytes()
    batch = synthesize_batch(rgbs, depths, recipe=recipe, seed=3, index=7, epoch=2)
    assert rgbs.tobytes() + depths.tobytes() == before
    assert len(batch) == COUNT
    for k, made in enumerate(batch.pairs):
        one = synthesize(rgbs[k], depths[k], recipe=recipe, seed=3, index=7 + k, epoch=2)
        assert digest(made) == digest(one)
        for name in ("rgb", "depth", "mask"):
            np.testing.assert_array_equal(getattr(batch, name)[k], getattr(one, name))
            assert np.shares_memory(getattr(made, name), getattr(batch, name))
    assert batch.mask.any()


@pytest.mark.parametrize(("colour", "depth"), [(True, False), (False, True)])
def test_one_modality_is_enough(colour, depth):
    rgbs, depths = stacks()
    batch = synthesize_batch(rgbs if colour else None, depths if depth else None, seed=1)
    assert (batch.rgb is not None, batch.depth is not None) == (colour, depth)
    one = synthesize(rgbs[1] if colour else None, depths[1] if depth else None, seed=1, index=1)
    assert batch.pairs[1].plan == one.plan
    np.testing.assert_array_equal(batch.mask[1], one.mask)


def test_grey_images_stay_grey():
    rgbs, depths = stacks()
    batch = synthesize_batch(rgbs[..., 0], depths, seed=1)
    np.testing.assert_array_equal(batch.rgb[2], synthesize(rgbs[2, ..., 0], depths[2], seed=1, index=2).rgb)


def test_each_sample_has_its_own_foreground():
    rgbs, depths = stacks()
    parts = np.zeros(depths.shape, bool)
    for k in range(COUNT):
        parts[k, 10 * k : 10 * k + 20, 20:40] = True
    batch = synthesize_batch(rgbs, depths, seed=1, foreground=parts)
    for k in range(COUNT):
        one = synthesize(rgbs[k], depths[k], seed=1, index=k, foreground=parts[k])
        np.testing.assert_array_equal(batch.mask[k], one.mask)


def test_it_says_how_large_it_is():
    rgbs, depths = stacks()
    shown = repr(synthesize_batch(rgbs, depths, seed=1))
    assert shown.startswith("AnomalyBatch(3 of 48 x 60, rgb uint8, depth float32, mask ")


def test_an_error_names_its_sample():
    rgbs, depths = stacks()
    parts = np.ones(depths.shape, bool)
    parts[1] = False
    with pytest.raises(ForegroundError, match=r"^sample 1: "):
        synthesize_batch(rgbs, depths, recipe=Recipe(dropout=0), seed=1, foreground=parts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rgbs": None, "depths": None}, "rgbs and depths are both None"),
        ({"depths": np.ones((2, 48, 60), np.float32)}, "3 rgbs, 2 depths"),
        ({"foreground": np.ones((2, 48, 60), bool)}, "3 rgbs, 3 depths, 2 foreground"),
        (
            {"rgbs": np.ones((48, 60), np.uint8)},
            r"rgbs must be a NumPy array, B x H x W x 3 .*got the shape \(48, 60\)",
        ),
        ({"depths": [np.ones((48, 60))] * 3}, "depths must be a NumPy array, B x H x W, got a list"),
        ({"rgbs": np.ones((0, 48, 60, 3), np.uint8), "depths": None}, "at least one sample.*0 rgbs"),
        ({"rgbs": np.ones((48, 60, 3), np.uint8), "depths": None}, "one image without B"),
        ({"rgbs": np.ones((3, 3, 48, 60), np.uint8)}, "sample 0: rgb must be a non-empty H x W x 3"),
        ({"index": -1}, r"index must be in 0"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(change, message):
    rgbs, depths = stacks()
    options = {"rgbs": rgbs, "depths": depths, "seed": 1} | change
    with pytest.raises(ParameterError, match=message):
        synthesize_batch(options.pop("rgbs"), options.pop("depths"), **options)
