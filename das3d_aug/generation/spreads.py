"""The least, the middle and the largest of numbers that come one by one, in flat memory."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass

import numpy as np

__all__ = ["Numbers", "Spread"]

_EXACT = 2**20  # numbers of which all are kept
_DROPPED = 42  # bits of a float64 that are dropped beyond, and 10 of its fraction stay


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The least, the middle and the largest of some numbers."""

    least: float
    median: float
    most: float


class Numbers:
    """Numbers, all of them up to a million; of more, how often each occurs, to a thousandth of it.

    So least and most are always exact, and the median of more than a million is at most 0.1 % too small.
    """

    def __init__(self) -> None:
        self._last = array("d")
        self._counts: Counter[float] = Counter()
        self._least: float | None = None
        self._most: float | None = None

    def add(self, number: float) -> None:
        """Add one; an int stays one."""
        self._least = number if self._least is None or number < self._least else self._least
        self._most = number if self._most is None or number > self._most else self._most
        self._last.append(number)
        if len(self._last) > _EXACT:
            self._fold()

    def spread(self) -> Spread | None:
        """Return the spread; None without numbers."""
        if self._least is None or self._most is None:
            return None
        if self._counts:
            self._fold()
            found, counts = (np.array(column) for column in zip(*sorted(self._counts.items()), strict=True))
            ends = np.cumsum(counts)
        else:
            found = np.sort(np.frombuffer(self._last))
            ends = np.arange(1, found.size + 1)
        places = (ends[-1] - 1) // 2, ends[-1] // 2  # one twice, if there is one in the middle
        low, high = (found[np.searchsorted(ends, place, side="right")].item() for place in places)
        median = type(self._least)(low) if places[0] == places[1] else (low + high) / 2
        return Spread(least=self._least, median=median, most=self._most)

    def _fold(self) -> None:
        bits = np.frombuffer(self._last, np.int64) >> _DROPPED << _DROPPED
        found, counts = np.unique(bits, return_counts=True)
        self._counts.update(dict(zip(found.view(np.float64).tolist(), counts.tolist(), strict=True)))
        self._last = array("d")
