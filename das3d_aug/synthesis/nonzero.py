"""Where a row of bytes is not zero, for rows that mostly are: several bytes are compared at once."""

from __future__ import annotations

import numpy as np

from das3d_aug._jit import kernel

__all__ = ["ends", "nonzero", "padded"]

_VECTOR = 16  # bytes


@kernel
def padded(size):
    """Allocate zeros for a row of ``size`` bytes, whole words long."""
    return np.zeros((size + 7) // 8 * 8, np.int8)


@kernel
def nonzero(row, found):
    """Write the places at which a `padded` row is not zero to ``found`` (as long as the row); return how many."""
    words = row.view(np.int64)
    count = 0
    for w in range(words.size):
        if words[w] != 0:
            for x in range(8 * w, 8 * w + 8):
                if row[x] != 0:
                    found[count] = x
                    count += 1
    return count


@kernel
def ends(row):
    """Find the first and one past the last place at which a row that is not all zero is not zero."""
    first = 0
    while first + _VECTOR <= row.size and _empty(row[first : first + _VECTOR]):
        first += _VECTOR
    while row[first] == 0:
        first += 1
    last = row.size
    while last >= _VECTOR and _empty(row[last - _VECTOR : last]):
        last -= _VECTOR
    while row[last - 1] == 0:
        last -= 1
    return first, last


@kernel
def _empty(block):
    some = block[0]
    for k in range(1, _VECTOR):
        some |= block[k]
    return some == 0
