"""What processes hold while something long runs in them: memory, threads, descriptors."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

_LOOKS = 60  # along a run
_WARM_UP = 1 / 3  # of the run: textures, buffers, what is kept for good


class Use(NamedTuple):
    """Of one process; memory in MiB."""

    private: float
    pss: float  # shown only: a process's share of the libraries grows when another one that has them ends
    threads: int
    descriptors: int


class Gain(NamedTuple):
    """What one process held after the warm-up and at the end; ``threads`` and ``descriptors``: those that it gained."""

    process: str
    before: Use
    after: Use
    threads: int
    descriptors: int

    def flat(self, growth: float) -> bool:
        """Return whether it gained neither threads nor descriptors, nor ``growth`` MiB of private memory."""
        return self.after.private - self.before.private < growth and self.threads <= 0 and self.descriptors <= 0


class Watch:
    """Looks at this process and those below it, as often as `tick` is told that the run is farther.

    Parameters
    ----------
    what : str
        For the lines that tell how far it is.
    total : int
        Steps of the whole run.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self._next = self._told = 0.0
        self._seen: dict[int, list[Use]] = {}

    def tick(self, done: int) -> None:
        """Look, if it is time; ``done`` steps are done."""
        if done >= self._told:
            print(f"{self.what}: {done:,} of {self.total:,}", file=sys.stderr, flush=True)
            self._told = done + self.total / 10
        if done >= max(self._next, self.total * _WARM_UP):
            self._next = done + self.total * (1 - _WARM_UP) / _LOOKS
            for pid in (os.getpid(), *_below(os.getpid())):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                    self._seen.setdefault(pid, []).append(use(pid))

    def gains(self) -> list[Gain]:
        """Return what each process gained that was there all along; others, such as git's, end by themselves."""
        looks = len(self._seen[os.getpid()])
        stayed = {pid: seen for pid, seen in self._seen.items() if len(seen) >= looks - 1}
        assert looks >= 8, f"{self.what} was looked at {looks} times only"
        names = ["this", *(f"{number}. below" for number in range(1, len(stayed)))]
        return [_gain(name, seen) for name, (_, seen) in zip(names, sorted(stayed.items()), strict=True)]


def use(pid: int) -> Use:
    """Return what a process holds now."""
    place = Path("/proc") / str(pid)
    memory = dict(line.split(":", 1) for line in (place / "smaps_rollup").read_text().splitlines()[1:])
    private, pss = (int(memory[name].split()[0]) / 1024 for name in ("Private_Dirty", "Pss"))
    threads, descriptors = (len(list((place / name).iterdir())) for name in ("task", "fd"))
    return Use(private, pss, threads, descriptors)


def _below(pid: int) -> list[int]:
    children: list[int] = []
    for task in (Path("/proc") / str(pid) / "task").iterdir():
        children += map(int, (task / "children").read_text().split())
    return children


def _gain(process: str, seen: list[Use]) -> Gain:
    quarter = len(seen) // 4
    first, last = seen[:quarter], seen[-quarter:]
    # A file may be open while it is looked at: what leaks is always more at the end than it ever was at first.
    threads, descriptors = (
        min(getattr(one, name) for one in last) - max(getattr(one, name) for one in first)
        for name in ("threads", "descriptors")
    )
    before, after = (
        Use(*(statistics.median(values) for values in zip(*some, strict=True)))  # type: ignore[arg-type]
        for some in (first, last)
    )
    return Gain(process, before, after, threads, descriptors)
