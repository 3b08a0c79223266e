"""How fast the synthesis is, beside the same equations written straight in NumPy and SciPy: ``make bench``.

One run and one thread; the candidates take turns on the same plans, so a machine that slows down slows down for all.
Times are medians of processor time over plans of the default recipe without dropout (every sample is rendered in
full), and the ratios are ratios of these medians.  Writes ``out/bench/synthesis.json``.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

import das3d_aug as das
from benchmarks import straight

SIZES = (256, 512, 1024, 2048)
RECIPE = das.Recipe(dropout=0.0)
OUT = Path("out/bench/synthesis.json")


def part(size: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """A bumpy disc on a slightly tilted table that fills about 60 % of the image."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    radius = np.hypot(y, x) / 0.44
    rng = np.random.default_rng(0)
    relief = cv2.resize(rng.normal(size=(16, 16)), (size, size), interpolation=cv2.INTER_CUBIC)
    height = np.where(radius < 1, 0.02 * np.sqrt(np.clip(1 - radius**2, 0, 1)) + 0.002 * relief + 0.006, 0)
    depth = (0.6 + 0.02 * y - height + 1e-4 * rng.normal(size=(size, size))).astype(np.float32)
    rgb = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    return (rgb if dtype is np.uint8 else (rgb / 255).astype(np.float32)), depth


def main() -> None:
    """Measure, print a table, write JSON."""
    # The command draws one sample at a time, as a training loop does.
    cv2.setNumThreads(1)
    console = Console(width=150)
    table = Table(title=f"ms per sample, one thread, {platform.processor() or platform.machine()}")
    for heading in ("image", "copy", "straight", "direct", "transform", "Compose", "straight / direct",
                    "straight / Compose", "direct / copy", "direct ns per pixel"):  # fmt: skip
        table.add_column(heading, justify="right")
    rows = []
    for size in SIZES:
        for dtype in (np.uint8, np.float32):
            row = measure(size, dtype)
            rows.append(row)
            t = row["ms"]
            table.add_row(
                f"{size}² {np.dtype(dtype).name}",
                *(f"{t[name]:.3f}" for name in ("copy", "straight", "direct", "transform", "compose")),
                f"{t['straight'] / t['direct']:.0f}×",
                f"{t['straight'] / t['compose']:.0f}×",
                f"{t['direct'] / t['copy']:.1f}×",
                f"{t['direct'] * 1e6 / size**2:.2f}",
            )
    console.print(table)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    console.print(f"{machine()}\nwritten to {OUT}")


def measure(size: int, dtype: type) -> dict[str, object]:
    """Medians in ms of all candidates on the same plans."""
    import albumentations as A

    from das3d_aug.transforms import DAS3DAnomaly

    rgb, depth = part(size, dtype)
    repeats = max(20, 400 * 256 // size)
    plans = [RECIPE.draw(depth.shape, seed=1, index=k) for k in range(repeats)]
    # What a call reads is written once more, and so is everything else that it returns.
    empty = [np.zeros(depth.shape, kind) for kind in (bool, bool, bool, np.float32)]
    transform = DAS3DAnomaly(RECIPE, p=1.0)
    compose = A.Compose([DAS3DAnomaly(RECIPE, p=1.0)], additional_targets={"depth": "mask"}, seed=1)
    candidates: dict[str, Callable[[int], object]] = {
        "copy": lambda k: [array.copy() for array in (rgb, depth, *empty)],
        "straight": lambda k: straight.render(rgb, depth, plans[k]),
        "direct": lambda k: das.synthesize(rgb, depth, recipe=RECIPE, seed=1, index=k),
        "transform": lambda k: transform(image=rgb, depth=depth),
        "compose": lambda k: compose(image=rgb, depth=depth),
    }
    for run in candidates.values():
        for k in range(5):
            run(k)
    for k in range(64):  # the procedural textures are made on their first use
        das.synthesize(rgb, depth, recipe=RECIPE, seed=2, index=k)
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for k in range(repeats):
        for name, run in candidates.items():
            if name == "straight" and k >= max(10, repeats // 8):
                continue
            start = time.process_time()
            run(k)
            times[name].append(time.process_time() - start)
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    return {"size": size, "rgb": np.dtype(dtype).name, "repeats": repeats, "ms": medians}


def machine() -> str:
    """Name the processor, the number of cores and the versions that matter."""
    import numba
    import scipy

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return (
        f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"NumPy {np.__version__}, SciPy {scipy.__version__}, numba {numba.__version__}"
    )


if __name__ == "__main__":
    main()
