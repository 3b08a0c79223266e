"""Counter-based random streams keyed by (seed, epoch, index): the only place where das3d draws numbers.

A stream is a key and a counter; its n-th number is SplitMix64's mixing function of ``key + n * gamma``
(Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").  Nothing is shared and
nothing is global, so a sample depends on its key alone: not on workers, order, start method or threads.
The numbers are defined here and not by NumPy's distributions, whose streams may change between releases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from das3d_aug.errors import ParameterError, quoted

__all__ = ["Stream", "check_seed"]

T = TypeVar("T")

_MASK = 0xFFFFFFFFFFFFFFFF
_GAMMA = 0x9E3779B97F4A7C15
_UNIT = 2.0**-53


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def check_seed(seed: Any, name: str = "seed") -> int:
    """Return a seed, or another part of a stream's key, as a plain integer.

    Raises
    ------
    ParameterError
        If it is not an integer of 0 … 2**64 - 1.
    """
    try:
        number = int(seed.__index__())
    except (AttributeError, TypeError):  # an array has the method, and refuses
        raise ParameterError(f"{name} must be an integer, got {quoted(seed)}") from None
    if not 0 <= number <= _MASK:
        raise ParameterError(f"{name} must be in 0 … 2**64 - 1, got {quoted(number)}")
    return number


class Stream:
    """A sequence of random numbers that depends on its key alone.

    Parameters
    ----------
    seed : int
        The seed of the run, 0 … 2**64 - 1.
    index : int
        Which sample, >= 0.
    epoch : int
        Which pass over the data, >= 0.

    Raises
    ------
    ParameterError
        If one of the three is not an integer of that range.
    """

    __slots__ = ("_counter", "_key")

    def __init__(self, seed: int, *, index: int = 0, epoch: int = 0) -> None:
        key = 0
        for name, value in (("seed", seed), ("epoch", epoch), ("index", index)):
            if type(value) is not int or not 0 <= value <= _MASK:
                value = check_seed(value, name)
            key = _mix((key + _GAMMA + value) & _MASK)
        self._key = key
        self._counter = 0

    def bits(self) -> int:
        """Draw 64 random bits as an integer."""
        self._counter += 1
        z = (self._key + self._counter * _GAMMA) & _MASK  # `_mix`, written out: a sample draws some thirty times
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw from U(low, high); ``low == high`` gives that value exactly."""
        self._counter += 1
        z = (self._key + self._counter * _GAMMA) & _MASK  # `bits`, written out
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return low + (high - low) * (((z ^ (z >> 31)) >> 11) * _UNIT)

    def log_uniform(self, low: float, high: float) -> float:
        """Draw a number whose logarithm is uniform between those of ``low`` > 0 and ``high``."""
        if low == high:
            return low
        return low * math.exp(self.uniform(0.0, math.log(high / low)))

    def normal(self) -> float:
        """Draw from N(0, 1), by Box and Muller's cosine form."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def integer(self, low: int, high: int) -> int:
        """Draw an integer of low … high, both included."""
        return low + (self.bits() * (high - low + 1) >> 64)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.uniform() < probability

    def choice(self, options: Sequence[T]) -> T:
        """Draw one of the options."""
        return options[self.integer(0, len(options) - 1)]

    def spawn(self, label: int) -> Stream:
        """Return an independent stream for a purpose of its own; this one does not move on."""
        child = object.__new__(Stream)
        child._key = _mix((self._key ^ _mix((label + _GAMMA) & _MASK)) & _MASK)
        child._counter = 0
        return child
