"""Computed textures: the same bytes everywhere, and a variety of them."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream
from das3d_aug.textures import (
    ProceduralTextures,
)
from das3d_aug.textures.procedural import _MATERIALS


def test_procedural_bytes_are_the_same_everywhere():
    source = ProceduralTextures(size=64)
    total = 0
    for k in range(64):
        total = zlib.crc32(source.named(f"procedural/{k}").tobytes(), total)
    assert total == 0xC03C104D


def test_procedural_textures_differ_and_vary():
    source = ProceduralTextures(size=64)
    images = np.stack([source.named(f"procedural/{k}") for k in range(64)])
    assert images.shape == (64, 64, 64, 3)
    grey = images.astype(float).mean(axis=3).reshape(64, -1)
    assert grey.std(axis=1).min() > 3  # no flat one
    assert np.ptp(grey.mean(axis=1)) > 120  # dark and bright ones
    assert np.ptp(grey.std(axis=1)) > 40  # soft and hard ones
    means = images.reshape(64, -1, 3).mean(axis=1)
    assert np.unique(means.argmax(axis=1)).size == 3  # reddish, greenish and bluish ones
    difference = np.abs(grey[:, None] - grey[None]).mean(axis=2) + 99 * np.eye(64)
    assert difference.min() > 3
    for first in range(len(_MATERIALS)):  # the same surface again is another one
        assert not np.array_equal(images[first], images[first + len(_MATERIALS)])


@pytest.mark.parametrize("size", [8, 33, 256])
def test_every_material_works_at_every_size(size):
    source = ProceduralTextures(size=size, count=len(_MATERIALS))
    for k in range(len(_MATERIALS)):
        image = source.named(f"procedural/{k}")
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert not image.flags.writeable


def test_procedural_names_and_limits():
    source = ProceduralTextures(size=16, count=5)
    picked = {source.pick(bits)[0] for bits in (Stream(0, index=i).bits() for i in range(100))}
    assert picked == {f"procedural/{k}" for k in range(5)}
    name, image = source.pick(2**64 - 1)
    assert image is source.named(name)
    for bad in ("procedural/5", "procedural/-1", "procedural/", "wood", "procedural/01"):
        with pytest.raises(ParameterError, match="procedural/4"):
            source.named(bad)
    for arguments in ({"size": 7}, {"size": 1025}, {"count": 0}):
        with pytest.raises(ParameterError):
            ProceduralTextures(**arguments)
