"""Parts on a tilted table, to be prepared."""

from __future__ import annotations

from typing import Any

import numpy as np

from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.demo import make_part
from das3d_aug.geometry import Intrinsics
from das3d_aug.preparation import Preparation

AT_SIZE = Preparation(size=None, normalise="none")
CAMERA = Intrinsics(120.0, 125.0, 40.0, 29.0)
NORMAL = np.array([0.1, 0.35, -1.0]) / np.linalg.norm([0.1, 0.35, -1.0])


def table_with_box(*, noise: float = 0.0, seed: int = 0) -> tuple[Sample, np.ndarray]:
    """A box of 30 mm on a tilted table 0.5 m away, 60 x 80 pixels, and where the box is."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:60, :80]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u, float)], axis=-1)
    box = np.zeros((60, 80), bool)
    box[20:40, 25:60] = True
    depth = (np.where(box, 0.03, 0.0) - 0.5) / (rays @ NORMAL) + noise * rng.normal(size=u.shape)
    depth[5:8, 10:20] = 0
    depth[25:28, 30:40] = np.nan
    valid = np.isfinite(depth) & (depth > 0)
    sample = Sample(
        entry=Entry("box/train/good/000", "train", "good", 0, {}, "box"),
        rgb=rng.integers(1, 256, (60, 80, 3), dtype=np.uint8),
        depth=depth.astype(np.float32),
        valid=valid,
        unit="m",
        intrinsics=CAMERA,
        mask=box,
    )
    return sample, box


def demo_sample(family: str = "flange", size: int = 96) -> Sample:
    part = make_part(family, seed=4, index=0, size=size)
    entry = Entry(f"{family}/train/good/000", "train", "good", 0, {}, family)
    return Sample(entry=entry, rgb=part.rgb, depth=part.depth, valid=part.valid, unit="m", xyz=part.xyz, mask=part.mask)


def same_plane(one: Any, other: Any, tolerance: float) -> bool:
    one, other = np.array(one), np.array(other)
    return bool(min(np.abs(one - other).max(), np.abs(one + other).max()) <= tolerance)
