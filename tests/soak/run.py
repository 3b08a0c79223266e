"""Long runs and interruptions: ``make soak``, or ``python -m tests.soak.run [--share 0.1] [--seed N]``.

Runs for long what users run for long (`tests.soak.long_runs`) and looks at memory, threads and descriptors; then kills
commands until it is sure that they are killed while they write (`tests.soak.kills`).  Ends with a table, and with 1 if
a process grew or a folder is not what it should be.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.soak.long_runs import RUNS, Tick
from tests.soak.watching import Gain, Watch

_KILLS = 240


def watched(what: str, run: Callable[[Path, int, Tick], None], total: int) -> list[Gain]:
    """Do a long run in a folder of its own."""
    watch = Watch(what, total)
    with tempfile.TemporaryDirectory(prefix="das3d-soak-") as folder:
        run(Path(folder), total, watch.tick)
    return watch.gains()


def rows(what: str, total: int, gains: list[Gain], seconds: float, growth: float) -> list[str]:
    """Return a row of the table for each process."""
    return [
        f"| {what} | {total:,} | {seconds:.0f} | {gain.process} | {gain.before.private:.1f} → {gain.after.private:.1f} "
        f"| {gain.before.pss:.1f} → {gain.after.pss:.1f} | {gain.before.threads:.0f} → {gain.after.threads:.0f} "
        f"| {gain.before.descriptors:.0f} → {gain.after.descriptors:.0f} | {'yes' if gain.flat(growth) else '**no**'} |"
        for gain in gains
    ]


def killed(kills: int, seed: int) -> tuple[Counter[str], str]:
    """Kill commands; return what was counted, and the story of which the end is wrong."""
    from tests.soak.kills import kill_often

    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="das3d-soak-") as folder:
        try:
            counts, wrong = kill_often(Path(folder), kills, seed), ""
        except AssertionError as error:
            counts, wrong = Counter(), str(error)
    counts["seconds"] = round(time.monotonic() - begin)
    return counts, wrong


def main() -> int:
    """Run all; 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of all numbers")
    parser.add_argument("--growth", type=float, default=5.0, help="MiB of private memory, as in promise 18")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of what happens between kills")
    asked = parser.parse_args()
    table: list[str] = []
    # Each in a process of its own: what one keeps is not taken for what another one leaks.
    fresh = multiprocessing.get_context("spawn")
    for what, (run, full) in RUNS.items():
        total, begin = round(full * asked.share), time.monotonic()
        with ProcessPoolExecutor(1, mp_context=fresh) as pool:
            gains = pool.submit(watched, what, run, total).result()
        table += rows(what, total, gains, time.monotonic() - begin, asked.growth)
        print(*table[-len(gains) :], sep="\n", flush=True)
    print(f"kills: seed {asked.seed}", file=sys.stderr)
    counts, wrong = killed(round(_KILLS * asked.share), asked.seed)
    print(f"\nprivate memory may grow by {asked.growth:g} MiB, threads and descriptors by none\n")
    print("| run | number | s | process | private MiB | PSS MiB | threads | descriptors | flat |")
    print("|---|---|---|---|---|---|---|---|---|", *table, sep="\n")
    print(f"\n{', '.join(f'{name}: {count:,}' for name, count in counts.items())}\n{wrong}")
    return 1 if wrong or any("**no**" in row for row in table) else 0


if __name__ == "__main__":
    sys.exit(main())
