"""Where a row of bytes is not zero, for rows that are zero almost everywhere: eight bytes are compared at once."""

from __future__ import annotations

import numpy as np

from das3d_aug._jit import kernel

__all__ = ["nonzero", "padded"]


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
