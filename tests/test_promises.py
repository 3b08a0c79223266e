"""What holds across processes, threads, CPUs and machines (docs/promises.md)."""

import concurrent.futures
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import pairs as core

from das3d_aug import Recipe, synthesize

ROOT = Path(__file__).parent.parent


def sample(index):
    rgb, depth = core.pair()
    return core.digest(synthesize(rgb, depth, recipe=Recipe(area=(0.01, 0.3)), seed=3, index=index))


def run(code, **environment):
    """Run Python in a fresh process that finds the tests and the package."""
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def expected():
    return [sample(k) for k in range(64)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_sample_does_not_depend_on_workers_order_or_start_method(expected, method, workers):
    # The kernels have run in this process (`expected`) before it forks.
    order = np.random.default_rng(0).permutation(64).tolist()
    with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context(method)) as pool:
        digests = dict(zip(order, pool.map(sample, order), strict=True))
    assert [digests[k] for k in range(64)] == expected


def test_a_sample_does_not_depend_on_threads(expected):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(sample, range(64))) == expected


def test_same_bytes_on_a_cpu_without_vector_extensions(tmp_path):
    code = "import json; from helpers import pairs as t; print(json.dumps(t.golden_digests()))"
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    digests = run(
        code,
        NUMBA_CPU_NAME="generic",
        NUMBA_CPU_FEATURES="",
        NUMBA_CACHE_DIR=str(tmp_path),
        NPY_DISABLE_CPU_FEATURES=" ".join(found),
        OPENBLAS_CORETYPE="Nehalem",  # another machine than an x86 one ignores it
    )
    assert json.loads(digests) == json.loads(core.GOLDEN.read_text())


def test_cold_and_damaged_jit_caches_are_harmless(tmp_path, expected):
    code = "import test_promises as t; print(t.sample(0), t.sample(1))"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # two cold starts into one cache at once
        cold = list(pool.map(lambda _: run(code, NUMBA_CACHE_DIR=str(tmp_path)), range(2)))
    files = list(tmp_path.rglob("*.nb?"))
    assert len(files) > 10
    for k, path in enumerate(files):
        path.write_bytes(path.read_bytes()[: (0, 10, path.stat().st_size // 2)[k % 3]])
    damaged = run(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert {*cold, damaged} == {f"{expected[0]} {expected[1]}\n"}


def test_no_thread_is_started():
    tasks = "len(os.listdir('/proc/self/task'))"
    code = f"import os, numpy; before = {tasks}; import test_promises as t; t.sample(0); print({tasks} - before)"
    # SciPy's OpenBLAS, which numba loads, keeps an idle pool of as many threads as it is told.
    assert run(code, OPENBLAS_NUM_THREADS="1") == "0\n"


def test_memory_stays_flat():
    code = """
from helpers import pairs as t
from das3d_aug import synthesize
def own():
    # not Pss: its share of the libraries grows when another process that has them ends
    lines = [line.split() for line in open("/proc/self/smaps_rollup")]
    return sum(int(line[1]) for line in lines if line[0] == "Private_Dirty:") / 1024
rgb, depth = t.pair()
for k in range(300):
    synthesize(rgb, depth, seed=0, index=k)
before = own()
for k in range(2000):
    synthesize(rgb, depth, seed=0, index=300 + k)
print(own() - before)
"""
    assert float(run(code)) < 5


def test_threads_share_the_interpreter_while_kernels_run():
    """The kernels release the GIL: a Python thread gets on while a large one runs."""
    rgb, depth = core.pair(1200, 1600)
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
