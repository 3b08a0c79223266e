"""A sample depends only on (recipe, seed, epoch, index): not on workers, order, start method, threads."""

import concurrent.futures
import multiprocessing

import numpy as np
import pytest
from helpers.pairs import sample

from das3d_aug import Recipe


@pytest.fixture(scope="module")
def expected():
    return [sample(k) for k in range(64)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("workers", [1, 2])
def test_not_on_workers_order_or_start_method(expected, method, workers, record_property):
    order = np.random.default_rng(0).permutation(64).tolist()
    with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context(method)) as pool:
        digests = dict(zip(order, pool.map(sample, order), strict=True))
    assert [digests[k] for k in range(64)] == expected
    record_property("figure", "64 samples, workers 0/1/2 × fork/spawn, shuffled, and 4 threads: one set of digests")


def test_not_on_threads(expected):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(sample, range(64))) == expected


def test_on_each_of_the_four():
    changed = {"index": 1, "epoch": 1, "seed": 4, "recipe": Recipe(area=(0.02, 0.3))}
    usual = {"index": 0}
    digests = {sample(**usual), *(sample(**usual | {name: value}) for name, value in changed.items())}
    assert len(digests) == 5
