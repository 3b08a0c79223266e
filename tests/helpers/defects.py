"""Figures of defects that nobody has drawn."""

from __future__ import annotations

import numpy as np

from das3d_aug.fitting import DefectStatistics


def statistics(
    seed: int, count: int = 60, *, length: float = 0.1, spread: float = 0.3, each: int = 2
) -> DefectStatistics:
    random = np.random.default_rng(seed)
    lengths = length * np.exp(spread * random.normal(size=count))
    return DefectStatistics(
        sample=np.arange(count) // each,
        count=np.full(-(-count // each), float(each)),
        pixels=lengths**2 * 1e4,
        area=lengths**2 * random.uniform(0.2, 0.8, count),
        length=lengths,
        elongation=random.uniform(0.2, 1, count),
        luminance=random.normal(-0.1, 0.1, count),
        colour=random.uniform(0.1, 0.3, count),
        height=random.normal(0.2, 0.1, count),
        depth_change=random.normal(2, 1, count),
        edge=random.uniform(0, 1, count),
        unit="mm",
    )
