"""How fast a sample is read and prepared, beside 3D-ADS's steps in NumPy and Open3D: ``python -m benchmarks.prepare``.

One run and one thread; the two take turns on the same files, demo parts of 800 x 800 pixels written as MVTec 3D-AD
stores them, and are compared.  A time is the shortest of five, but of one for Open3D's clustering, which takes a
minute.  Writes ``out/bench/prepare.json``.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import straight_prepare
from benchmarks.synthesis import machine
from das3d_aug.datasets import Dataset, Entry, encode_mvtec3d, open_dataset
from das3d_aug.datasets.demo import FAMILIES, make_part
from das3d_aug.preparation import Preparation, Prepared, prepare_sample

SIZE = 800
ADS = replace(Preparation.three_d_ads(), size=None, normalise="none", xyz=True)
OUT = Path("out/bench/prepare.json")


def main() -> None:
    """Measure, print a table, write JSON."""
    cv2.setNumThreads(1)
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder))
        dataset = open_dataset(folder)
        rows = [measure(dataset, entry, cluster=cluster) for cluster in (True, False) for entry in dataset.entries]
        reading = [timed(lambda entry=entry: dataset.open(entry), repeats=5)[0] for entry in dataset.entries]
    table = Table(title=f"ms to read and prepare {SIZE} x {SIZE} points, one thread")
    for heading in ("steps", "part", "straight", "das3d", "ratio", "plane differs by", "kept set differs by"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            "all" if row["cluster"] else "no cluster",
            row["part"],
            f"{row['straight_ms']:.0f}",
            f"{row['das3d_ms']:.0f}",
            f"{row['straight_ms'] / row['das3d_ms']:.1f}×",
            f"{row['plane_difference']:.1e}",
            f"{row['kept_difference']:.4%}",
        )
    console.print(table)
    console.print(f"of which reading: {statistics.median(reading):.0f} ms in das3d")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine(), "reading_ms": reading, "rows": rows}, indent=1) + "\n")
    console.print(f"{machine()}\nwritten to {OUT}")


def write_parts(root: Path) -> None:
    """Write one part of each family as PNG and float TIFF."""
    for family in FAMILIES:
        part = make_part(family, seed=1, index=0, size=SIZE)
        for path, data in encode_mvtec3d(f"{family}/train/good/000", rgb=part.rgb, xyz=part.xyz).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)


def measure(dataset: Dataset, entry: Entry, *, cluster: bool) -> dict[str, Any]:
    """Time both on one part and compare what they give."""
    settings = ADS if cluster else replace(ADS, cluster_distance=0.0)

    def ours() -> Prepared:
        return prepare_sample(dataset.open(entry), settings)

    def straight() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return straight_prepare.prepare(entry.files["rgb"], entry.files["xyz"], cluster=cluster)

    ours()  # compiles
    straight_ms, (xyz, _, plane) = timed(straight, repeats=1 if cluster else 5)
    das3d_ms, made = timed(ours, repeats=5)
    found = np.array(made.plane)
    return {
        "part": entry.category,
        "cluster": cluster,
        "straight_ms": straight_ms,
        "das3d_ms": das3d_ms,
        "plane_difference": float(min(np.abs(found - plane).max(), np.abs(found + plane).max())),
        "kept_difference": float(np.mean((xyz != 0).any(axis=2) != made.foreground)),
    }


def timed(run: Callable[[], Any], *, repeats: int) -> tuple[float, Any]:
    """Return the shortest time in ms, and the result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times), result


if __name__ == "__main__":
    main()
