"""Whether das3d is still as fast beside other code as when its speed was last accepted: ``make bench-check``.

Quick benchmarks, each paired in one process, give ratios: how many times as fast das3d is as what it is compared with.
They are held against ``benchmarks/accepted.json``.  A row is worse if its ratio is below 0.75 of the accepted one, of
which it is given the best of up to three measurements: on a machine that is shared, quick ratios move by a
fifth.  Prints one line a row that is worse and exits with 1; ``--accept`` writes the file anew.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2
import numpy as np

from benchmarks import decoding, kinds, metrics, synthesis

ACCEPTED = Path(__file__).with_name("accepted.json")
LEAST = 0.75  # of the accepted ratio
ATTEMPTS = 3

Ratios = dict[str, float]


def synthesis_ratios() -> Ratios:
    """Beside straight NumPy, 256² and 512²; and beside a copy of what a call reads and returns."""
    found: Ratios = {}
    for size in (256, 512):
        ms = synthesis.measure(size, np.uint8)["ms"]
        found[f"synthesis {size}²: straight NumPy / das3d"] = ms["straight"] / ms["direct"]
        found[f"synthesis {size}²: a copy / das3d"] = ms["copy"] / ms["direct"]
    return found


def kind_ratios() -> Ratios:
    """Kinds of defects beside the paper's."""
    ms = kinds.measure()
    paper = ms.pop(kinds.PAPER)
    return {
        "kinds: the paper's / the median one": paper / statistics.median(ms.values()),
        "kinds: the paper's / the slowest": paper / max(ms.values()),
    }


def metric_ratios() -> Ratios:
    """Exact AUPRO beside code of 100 thresholds."""
    candidates = metrics.candidates_of(*metrics.test_set())
    names = ("100 thresholds as published", "100 thresholds, searching")
    seconds = metrics.timed({name: candidates[name] for name in (*names, "AUPRO")})
    return {f"AUPRO: {name} / das3d": seconds[name] / seconds["AUPRO"] for name in names}


def decoding_ratios() -> Ratios:
    """Reading files of a megapixel beside OpenCV, tifffile and NumPy."""
    return {
        f"reading {row['file']}: {row['beside']} / das3d": row["their_ms"] / row["our_ms"]
        for row in decoding.measured(1)
    }


BENCHMARKS: tuple[Callable[[], Ratios], ...] = (synthesis_ratios, kind_ratios, metric_ratios, decoding_ratios)


def worse(found: Mapping[str, float], accepted: Mapping[str, float]) -> list[str]:
    """Return the rows whose ratio is too small."""
    return [name for name, ratio in found.items() if ratio < LEAST * accepted.get(name, 0.0)]


def measured(benchmark: Callable[[], Ratios], accepted: Mapping[str, float]) -> Ratios:
    """Return the ratios of a benchmark; where a row is worse it is run again, and the best of each row counts."""
    best = benchmark()
    for _ in range(ATTEMPTS - 1):
        if not worse(best, accepted):
            break
        best = {name: max(best[name], ratio) for name, ratio in benchmark().items()}
    return best


def main() -> int:
    """Measure, compare, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accept", action="store_true", help="write benchmarks/accepted.json")
    cv2.setNumThreads(1)
    accept = parser.parse_args().accept
    document = {} if accept else json.loads(ACCEPTED.read_text())
    accepted = document.get("ratios", {})
    found: Ratios = {}
    for benchmark in BENCHMARKS:
        found |= measured(benchmark, accepted)
    if accept:
        document = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": synthesis.machine(),
            "ratios": {name: round(ratio, 3) for name, ratio in found.items()},
        }
        ACCEPTED.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        print(f"{ACCEPTED.name}: {len(found)} ratios written")
        return 0
    print(f"here:     {synthesis.machine()}\naccepted: {document['machine']}, {document['date']}")
    for name, ratio in found.items():
        print(f"{name:62} {ratio:7.2f}, accepted {accepted.get(name, float('nan')):7.2f}")
    for name in accepted.keys() - found.keys():
        print(f"not measured any more: {name}; accept the ratios anew")
    for name in (bad := worse(found, accepted)):
        print(f"worse: {name}: {found[name]:.2f}, which is {found[name] / accepted[name]:.2f} of {accepted[name]:.2f}")
    return 1 if bad or accepted.keys() - found.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
