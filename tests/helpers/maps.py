"""Anomaly maps and masks to measure."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def large_set(count=12, side=60):
    """Smooth maps with two or more regions each; every other image is good."""
    rng = np.random.default_rng(5)
    maps, masks = [], []
    for k in range(count):
        noise = ndimage.gaussian_filter(rng.random((side, side)), 1)
        mask = ndimage.gaussian_filter(rng.random((side, side)), 3) > 0.545
        masks.append(mask & (k % 2 == 1))
        maps.append((noise + 0.15 * ndimage.gaussian_filter(1.0 * masks[-1], 1)).astype(np.float32))
    return maps, masks, [float(image.max()) for image in maps], [bool(mask.any()) for mask in masks]
