"""Exact AUPRO beside a literal sweep and beside code of 100 thresholds: ``python -m benchmarks.metrics``.

100 maps of 256², 2 % of the pixels anomalous in 387 regions.  All but the sweep take turns on one thread, and a
time is the median processor time of 9.  The sweep, which measures every threshold by itself, would take hours: it is
timed on 20 thresholds and multiplied.  The codes of 100 thresholds are straight NumPy: they sort the normal pixels, and
find how much of each region is above a threshold.  One does as the published code does, with float64 and by walking on;
the other keeps float32 and searches, the fastest that we know of.  Writes ``out/bench/metrics.json``.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from benchmarks.synthesis import machine
from das3d_ref.metrics import aupro, evaluate_maps, mark, measure

REPEATS, COUNT, SIDE = 9, 100, 256
LIMIT, THRESHOLDS, TIMED = 0.3, 100, 20
OUT = Path("out/bench/metrics.json")

Maps = list[NDArray[np.float32]]
Masks = list[NDArray[np.bool_]]


def main() -> None:
    """Measure, print, write JSON."""
    maps, masks = test_set()
    medians = {"literal sweep": literal_sweep(maps, masks)} | timed(candidates_of(maps, masks))
    console = Console(width=120)
    for name, value in medians.items():
        console.print(f"{name:32} {1e3 * value:14.1f} ms {value / medians['AUPRO']:14.2f} × AUPRO")
    exact, sampled = aupro(maps, masks)[LIMIT], aupro(maps, masks, thresholds=THRESHOLDS)[LIMIT]
    straight = few_thresholds(maps, masks, walk, np.float64)
    console.print(f"AUPRO@{LIMIT}: exact {exact:.4f}; 100 thresholds {sampled:.4f}, in straight NumPy {straight:.4f}")
    console.print(machine())
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine(), "seconds": medians}, indent=1) + "\n")


def candidates_of(maps: Maps, masks: Masks) -> dict[str, Callable[[], object]]:
    """Return what takes turns, by name."""
    scores, labels = [float(image.max()) for image in maps], [bool(mask.any()) for mask in masks]
    return {
        "100 thresholds as published": lambda: few_thresholds(maps, masks, walk, np.float64),
        "100 thresholds, searching": lambda: few_thresholds(maps, masks, search, np.float32),
        "AUPRO": lambda: aupro(maps, masks),
        "AUPRO, 100 thresholds": lambda: aupro(maps, masks, thresholds=THRESHOLDS),
        "all figures": lambda: evaluate_maps(maps, masks, scores, labels),
        "all figures with intervals": lambda: with_intervals(maps, masks, scores, labels),
    }


def timed(candidates: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of processor time by name."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(-1, REPEATS):  # one to warm up
        for name, run in candidates.items():
            start = time.process_time()
            run()
            if repeat >= 0:
                times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def test_set() -> tuple[Maps, Masks]:
    """Make smooth maps that find discs well, but not perfectly."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    maps, masks = [], []
    for _ in range(COUNT):
        mask = np.zeros((SIDE, SIDE), bool)
        for row, column in rng.integers(20, SIDE - 20, (4, 2)):
            mask |= np.hypot(y - row, x - column) < rng.integers(8, 14)
        noise = ndimage.gaussian_filter(rng.random((SIDE, SIDE)), 2)
        masks.append(mask)
        maps.append((noise + 0.2 * ndimage.gaussian_filter(mask.astype(float), 3)).astype(np.float32))
    return maps, masks


def parts(maps: Maps, masks: Masks) -> tuple[Maps, NDArray[np.float32]]:
    """Return the sorted values of each region, and all normal ones."""
    regions, normal = [], []
    for image, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [np.sort(image[labels == k + 1]) for k in range(count)]
        normal.append(image[labels == 0])
    return regions, np.concatenate(normal)


def literal_sweep(maps: Maps, masks: Masks) -> float:
    """Return the seconds that all thresholds would take."""
    regions, normal = parts(maps, masks)
    thresholds = np.unique(np.concatenate([image.ravel() for image in maps]))
    start = time.process_time()
    for threshold in thresholds[:: len(thresholds) // TIMED][:TIMED]:
        np.mean(normal >= threshold)
        np.mean([np.mean(region >= threshold) for region in regions])
    return (time.process_time() - start) / TIMED * len(thresholds)


def few_thresholds(
    maps: Maps, masks: Masks, overlaps: Callable[[Maps, NDArray[np.floating]], Iterator[float]], dtype: type
) -> float:
    """Return the AUPRO of 100 thresholds at equal steps of rank."""
    regions, values = parts(maps, masks)
    normal = np.sort(values.astype(dtype, copy=False))
    ranks = np.linspace(0, len(normal) - 1, THRESHOLDS, dtype=int)
    rates = np.append(1.0, 1 - (ranks + 1) / len(normal))[::-1]
    heights = np.array([1.0, *overlaps(regions, normal[ranks])])[::-1]
    inside = rates <= LIMIT
    x, y = np.append(rates[inside], LIMIT), np.append(heights[inside], np.interp(LIMIT, rates, heights))
    return float(np.trapezoid(y, x) / LIMIT)


def walk(regions: Maps, thresholds: NDArray[np.floating]) -> Iterator[float]:
    """Yield the mean overlap at each threshold; each region remembers how far it has come."""
    places = [0] * len(regions)
    for threshold in thresholds:
        total = 0.0
        for k, region in enumerate(regions):
            while places[k] < len(region) and region[places[k]] <= threshold:
                places[k] += 1
            total += 1 - places[k] / len(region)
        yield total / len(regions)


def search(regions: Maps, thresholds: NDArray[np.floating]) -> Iterator[float]:
    """Yield the mean overlap at each threshold; each region searches for all of them."""
    below = [np.searchsorted(region, thresholds, side="right") / len(region) for region in regions]
    yield from 1 - np.mean(below, axis=0)


def with_intervals(maps: Maps, masks: Masks, scores: list[float], labels: list[bool]) -> object:
    """Measure as `das3d_ref.evaluation` does."""
    marked = [mark(*pair, name="a map") for pair in zip(maps, masks, strict=True)]
    return measure(scores, labels, maps=maps, marked=marked)


if __name__ == "__main__":
    main()
