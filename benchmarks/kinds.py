"""How long each kind of defect takes beside the paper's own kind: ``python -m benchmarks.kinds``.

One run, one thread, a part of 256², foreground and texture given; the kinds take turns.  A call of
`das3d_aug.synthesize` is timed, from the seed to the pair, with one defect of the kind; medians of processor time over
40 seeds.
Writes ``out/bench/kinds.json``.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import das3d_aug as das
from benchmarks.synthesis import machine
from das3d_aug.datasets.demo import make_part
from das3d_aug.synthesis.kinds import KINDS
from das3d_aug.textures import ArrayTextures

REPEATS, WARM = 40, 3
PAPER = "skewed (the paper's)"
OUT = Path("out/bench/kinds.json")


def measure() -> dict[str, float]:
    """Return the medians in ms by name."""
    part = make_part("biscuit", seed=0, index=0, size=256)
    given = {"foreground": part.foreground & part.valid, "texture": ArrayTextures([part.rgb])}
    recipes = {PAPER: das.Recipe(dropout=0.0)}
    recipes |= {name: das.Recipe.realistic(kinds={name: 1.0}, count=(1, 1), dropout=0.0) for name in KINDS}
    times: dict[str, list[float]] = {name: [] for name in recipes}
    for seed in range(-WARM, REPEATS):
        for name, recipe in recipes.items():
            start = time.process_time()
            das.synthesize(part.rgb, part.depth, recipe=recipe, seed=seed + WARM, **given)
            if seed >= 0:
                times[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure, print, write JSON."""
    medians = measure()
    for name, value in medians.items():
        print(f"{name:22} {value:7.3f} ms  {value / medians[PAPER]:5.2f}×")
    print(machine())
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine(), "ms": medians}, indent=1) + "\n")


if __name__ == "__main__":
    main()
