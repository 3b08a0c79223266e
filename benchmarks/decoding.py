"""How fast files are read, beside OpenCV, tifffile and NumPy: ``python -m benchmarks.decoding``.

Pictures with noise of a few grey levels and depth with noise of a thousandth, of 1, 5, 12 and 48 megapixels, as common
software writes them.  Both read the same file from the page cache, in turns, with one thread; a time is the median
processor time of nine turns, of five at 48 megapixels.  ``--megapixels 1`` measures one size.  Writes
``out/bench/decoding.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.synthesis import machine
from das3d_aug.files import read_array, read_plane, read_rgb

SIZES = {1: (1000, 1000), 5: (2000, 2500), 12: (3000, 4000), 48: (6000, 8000)}
OUT = Path("out/bench/decoding.json")

Array = NDArray[Any]
Reader = Callable[[Path], object]
Writer = Callable[[Path], object]


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megapixels", type=int, choices=list(SIZES), nargs="*", default=list(SIZES))
    asked = parser.parse_args().megapixels
    cv2.setNumThreads(1)
    console = Console(width=120)
    rows = [row for megapixels in asked for row in measured(megapixels)]
    table = Table(title="ms to read a file, one thread")
    for heading in ("file", "MP", "MB", "beside", "its time", "das3d", "speed of das3d"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["file"],
            f"{row['megapixels']}",
            f"{row['megabytes']:.1f}",
            row["beside"],
            f"{row['their_ms']:.1f}",
            f"{row['our_ms']:.1f}",
            f"{row['their_ms'] / row['our_ms']:.2f}×",
        )
    console.print(table)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    console.print(f"{machine()}\nwritten to {OUT}")


def measured(megapixels: int) -> list[dict[str, Any]]:
    """Write and time every kind of file of one size."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for file, (suffix, write, beside, theirs, ours) in kinds(*SIZES[megapixels]).items():
            path = Path(folder, f"file{suffix}")
            write(path)
            their_ms, our_ms = in_turns(path, theirs, ours, repeats=5 if megapixels == 48 else 9)
            rows.append(
                {
                    "file": file,
                    "megapixels": megapixels,
                    "megabytes": path.stat().st_size / 1e6,
                    "beside": beside,
                    "their_ms": their_ms,
                    "our_ms": our_ms,
                }
            )
            path.unlink()
    return rows


def kinds(height: int, width: int) -> dict[str, tuple[str, Writer, str, Reader, Reader]]:
    """Return, by name: the suffix, what writes the file, the other reader's name, the other reader, and ours."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    shade = 128 + 60 * np.sin(x / 90) + 50 * np.cos(y / 70)
    rgb = np.dstack([shade + random.normal(0, 4, shape := shade.shape) for _ in range(3)]).clip(0, 255).astype(np.uint8)
    depth = (0.6 + 0.05 * np.sin(x / 300) * np.cos(y / 200)) * random.normal(1, 0.001, shape).astype(np.float32)
    depth16 = (depth * 10000).astype(np.uint16)
    xyz = np.dstack([x * depth / 1000, y * depth / 1000, depth])

    def opencv(path: Path) -> object:
        return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)

    def by_opencv(image: Array) -> Writer:
        return lambda path: cv2.imwrite(str(path), image)

    def by_tifffile(image: Array, **options: Any) -> Writer:
        return lambda path: tifffile.imwrite(path, image, **options)

    tiff = tifffile.imread
    return {
        "PNG, colour": (".png", by_opencv(rgb), "OpenCV", opencv, read_rgb),
        "PNG, 16-bit depth": (".png", by_opencv(depth16), "OpenCV", opencv, read_plane),
        "JPEG, colour": (".jpg", by_opencv(rgb), "OpenCV", opencv, read_rgb),
        "BMP, colour": (".bmp", by_opencv(rgb), "OpenCV", opencv, read_rgb),
        "PPM, colour": (".ppm", by_opencv(rgb), "OpenCV", opencv, read_rgb),
        "PFM, depth": (".pfm", by_opencv(depth), "OpenCV", opencv, read_plane),
        "TIFF, 16-bit LZW, predictor": (".tiff", by_opencv(depth16), "tifffile", tiff, read_plane),
        "TIFF, float xyz": (".tiff", by_tifffile(xyz), "tifffile", tiff, read_array),
        "TIFF, float LZW": (".tiff", by_tifffile(depth, compression="lzw"), "tifffile", tiff, read_plane),
        "TIFF, float deflate, predictor": (
            ".tiff",
            by_tifffile(depth, compression="zlib", predictor=3, tile=(256, 256)),
            "tifffile",
            tiff,
            read_plane,
        ),
        "npy, float xyz": (".npy", lambda path: np.save(path, xyz), "NumPy", np.load, read_array),
        "npz, depth": (
            ".npz",
            lambda path: np.savez_compressed(path, depth=depth),
            "NumPy",
            lambda path: np.load(path)["depth"],
            read_plane,
        ),
    }


def in_turns(path: Path, *readers: Reader, repeats: int) -> list[float]:
    """Return each reader's median time in ms."""
    times: list[list[float]] = [[] for _ in readers]
    for repeat in range(-1, repeats):  # one to warm up
        for reader, taken in zip(readers, times, strict=True):
            start = time.process_time()
            reader(path)
            if repeat >= 0:
                taken.append(1e3 * (time.process_time() - start))
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    main()
