"""Where a row of bytes is not zero, for rows that mostly are: several bytes are compared at once."""

from __future__ import annotations

import numpy as np

from das3d_aug._jit import kernel

__all__ = ["ends", "nonzero", "padded"]

_VECTOR = 16  # bytes
_WORDS = 4  # of eight bytes


@kernel
def padded(size):
    """Allocate zeros for a row of ``size`` bytes, whole groups of words long."""
    return np.zeros((size + 8 * _WORDS - 1) // (8 * _WORDS) * (8 * _WORDS), np.int8)


@kernel
def nonzero(row, found):
    """Write the places at which a `padded` row is not zero to ``found`` (as long as the row); return how many."""
    words = row.view(np.int64)
    count = 0
    for group in range(0, words.size, _WORDS):
        if words[group] | words[group + 1] | words[group + 2] | words[group + 3] == 0:
            continue
        for w in range(group, group + _WORDS):
            if words[w] != 0:
                for x in range(8 * w, 8 * w + 8):
                    if row[x] != 0:
                        found[count] = x
                        count += 1
    return count


@kernel
def ends(row):
    """Find the first and one past the last place at which a row of bytes is not zero; (0, 0) if it is all zero."""
    first, last = np.int64(0), row.size  # no literal: `_empty` would be compiled for it, too
    while first + _VECTOR <= row.size and _empty(row, first):
        first += _VECTOR
    while first < row.size and row[np.uint64(first)] == 0:
        first += 1
    if first == row.size:
        return 0, 0
    while last >= _VECTOR and _empty(row, last - _VECTOR):
        last -= _VECTOR
    while row[np.uint64(last - 1)] == 0:
        last -= 1
    return first, last


@kernel
def _empty(row, start):
    """Whether so many bytes from there on are zero; unsigned places, so that none is asked whether it is negative."""
    some = np.uint8(0)
    for k in range(_VECTOR):
        some |= row[np.uint64(start) + np.uint64(k)]
    return some == 0
