"""A texture to test with."""

from __future__ import annotations

import numpy as np


def picture(seed: int = 0, low: int = 30, high: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers([low, low + 5, low + 10], [high, high - 20, high + 30], (40, 50, 3)).astype(np.uint8)
