"""What the first call costs before its kernels are compiled: ``python -m benchmarks.first_call``.

CPU seconds of fresh processes with an empty cache of kernels, beside one trivial kernel of numba's; medians of three.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from benchmarks.synthesis import machine

REPEATS = 3
PAIR = """
import time; start = time.process_time()
import numpy as np, das3d_aug as das
imported = time.process_time()
y, x = np.mgrid[:128, :128]
rgb = np.full((128, 128, 3), 120, np.uint8)
depth = np.where(np.hypot(y - 64, x - 64) < 40, 470, 500 + 0.01 * y).astype(np.float32)
das.synthesize(rgb, depth, recipe=das.Recipe.{recipe}, seed=0)
print(imported - start, time.process_time() - imported)
"""
TRIVIAL = """
import time; start = time.process_time()
import numba, numpy as np
imported = time.process_time()
numba.njit(lambda a: a[0])(np.ones(3))
print(imported - start, time.process_time() - imported)
"""


def seconds(code: str) -> tuple[float, float]:
    """Return the CPU seconds of import and first call, medians over fresh processes."""
    runs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as cache:
            env = os.environ | {"NUMBA_CACHE_DIR": cache}
            done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        runs.append([float(number) for number in done.stdout.split()])
    imported, called = zip(*runs, strict=True)
    return statistics.median(imported), statistics.median(called)


def main() -> None:
    """Measure and print."""
    rows = {"numba, one trivial kernel": TRIVIAL}
    rows |= {name: PAIR.format(recipe=f"named({name!r})") for name in ("paper", "realistic")}
    for name, code in rows.items():
        imported, called = seconds(code)
        print(f"{name:26} import {imported:5.2f} s   first call {called:5.2f} s of CPU")
    print(machine())


if __name__ == "__main__":
    main()
