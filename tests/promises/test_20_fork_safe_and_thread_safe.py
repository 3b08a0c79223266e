"""Fork-safe and thread-safe: kernel in the parent, then fork or spawn; 4 threads, one digest."""

import concurrent.futures
import multiprocessing
import threading

import numpy as np
import pytest
from helpers import pairs
from helpers.pairs import RECIPES, digest, sample

from das3d_aug import Recipe, synthesize


def every(index):
    """Return the digest of a sample of all recipes in turn."""
    recipe = list(RECIPES.values())[index % len(RECIPES)]
    return digest(synthesize(*pairs.pair(), recipe=recipe, seed=3, index=index))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_after_a_kernel_in_the_parent(method):
    expected = [sample(k) for k in range(8)]
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        assert list(pool.map(sample, range(8), timeout=120)) == expected


def test_four_threads_at_once(record_property):
    count = 4 * len(RECIPES)
    expected = [every(k) for k in range(count)]
    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            assert list(pool.map(every, range(count))) == expected
    record_property(
        "figure", f"3 × {count} samples of {len(RECIPES)} recipes in 4 threads, fork and spawn: one digest each"
    )


def test_threads_share_the_interpreter_while_kernels_run():
    """The kernels release the GIL: a Python thread gets on while a large one runs."""
    rgb, depth = pairs.pair(1200, 1600)
    synthesize(rgb[:50, :50], depth[:50, :50], seed=0, foreground=np.ones((50, 50), bool))
    turns, done = 0, threading.Event()

    def work():
        for k in range(5):
            synthesize(rgb, depth, recipe=Recipe(area=None, dropout=0), seed=0, index=k)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.wait(0.001):
        turns += 1
    thread.join()
    assert turns > 5
