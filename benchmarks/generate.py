"""How fast sets are written, and how large, by format and compression: ``python -m benchmarks.generate``.

Demo parts of 800 x 800 pixels, four samples each, one process and one thread; all combinations take turns in one run.
A figure is the median of five turns, in samples a second of processor time, which holds the system's part of writing.
Writes ``out/bench/generate.json``.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2
from rich.console import Console
from rich.table import Table

from benchmarks.prepare import SIZE, write_parts
from benchmarks.synthesis import machine
from das3d_aug.files.images import COMPRESSIONS
from das3d_aug.generation import generate
from das3d_aug.synthesis import Recipe

FORMATS = ("mvtec3d", "folder", "webdataset")
TURNS = 5
OUT = Path("out/bench/generate.json")


def main() -> None:
    """Measure, print a table, write JSON."""
    cv2.setNumThreads(1)
    console = Console(width=120)
    combinations = [(written_as, compression) for written_as in FORMATS for compression in COMPRESSIONS]
    speeds: dict[tuple[str, str], list[float]] = {combination: [] for combination in combinations}
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder))
        for turn in range(-1, TURNS):  # one to compile
            for combination in combinations:
                speed, sizes[combination] = written(Path(folder), *combination)
                if turn >= 0:
                    speeds[combination].append(speed)
    rows: list[dict[str, Any]] = [
        {"format": combination[0], "compression": combination[1], "bytes": sizes[combination], "speeds": found}
        for combination, found in speeds.items()
    ]
    table = Table(title=f"samples of {SIZE} x {SIZE} in a second of one processor")
    for heading in ("format", "compression", "a second", "of default", "MB a sample", "of default"):
        table.add_column(heading, justify="right")
    for row in rows:
        usual = row["format"], "default"
        ratio = statistics.median(a / b for a, b in zip(row["speeds"], speeds[usual], strict=True))
        table.add_row(
            row["format"],
            row["compression"],
            f"{statistics.median(row['speeds']):.1f}",
            f"{ratio:.2f}×",
            f"{row['bytes'] / 1e6:.2f}",
            f"{row['bytes'] / sizes[usual]:.2f}×",
        )
    console.print(table)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    console.print(f"{machine()}\nwritten to {OUT}")


def written(parts: Path, written_as: str, compression: Any) -> tuple[float, float]:
    """Write a set; return its samples a second of processor time, and its bytes a sample."""
    with tempfile.TemporaryDirectory() as out:
        start = time.process_time()
        recipe = Recipe(dropout=0.0)
        made = generate(parts, out, recipe=recipe, per_image=4, format=written_as, compression=compression).written
        taken = time.process_time() - start
        return made / taken, sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file()) / made


if __name__ == "__main__":
    main()
