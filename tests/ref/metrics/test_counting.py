"""Counting: maps are read one at a time, and memory does not grow with the normal pixels."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Sequence

import numpy as np

from das3d_ref.metrics import counting, evaluate_maps


class Lazy(Sequence):
    """Images that are made when they are asked for; counts how many are alive and how often each was read."""

    def __init__(self, make, count):
        self.make, self.count = make, count
        self.reads, self.alive, self.most = [0] * count, [], 0

    def __len__(self):
        return self.count

    def __getitem__(self, k):
        if k >= self.count:
            raise IndexError(k)
        self.reads[k] += 1
        image = self.make(k)
        self.alive = [one for one in self.alive if one() is not None] + [weakref.ref(image)]
        self.most = max(self.most, len(self.alive))
        return image


def lazy_set(count):
    def mask(k):
        image = np.zeros((128, 128), bool)
        image[k % 100 : k % 100 + 3, 5:25] = True
        return image

    maps = Lazy(lambda k: np.random.default_rng(k).random((128, 128), np.float32), count)
    return maps, Lazy(mask, count)


def test_maps_are_read_twice_and_masks_once_one_at_a_time():
    maps, masks = lazy_set(30)
    evaluate_maps(maps, masks, range(30), [k % 2 == 0 for k in range(30)])
    assert (set(maps.reads), set(masks.reads)) == ({2}, {1})
    assert max(maps.most, masks.most) <= 3  # zip holds the last ones while the next are made


def test_memory_does_not_grow_with_the_normal_pixels(monkeypatch):
    monkeypatch.setattr(counting, "_CHUNK", 2**14)
    peaks = {}
    for count in (20, 20, 120):  # the first run compiles
        maps, masks = lazy_set(count)
        gc.collect()
        tracemalloc.start()
        evaluate_maps(maps, masks, range(count), [k % 2 == 0 for k in range(count)])
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    more = 100 * 128 * 128 * 4  # bytes of maps
    assert peaks[120] - peaks[20] < more / 4


def test_figures_are_the_same_of_scores_of_any_size():
    random = np.random.default_rng(0)
    masks = [np.zeros((9, 11), bool) for _ in range(3)]
    masks[0][2:5, 3:7] = True
    maps = [np.float32(random.random(mask.shape) + mask) for mask in masks]
    images = [0.9, 0.2, 0.4], [True, False, False]
    wanted = evaluate_maps(maps, masks, *images)
    for factor in (2.0**-100, 2.0**100):
        assert evaluate_maps([np.float32(factor) * one for one in maps], masks, *images) == wanted
