"""A sample with pixels that were not measured."""

from __future__ import annotations

import numpy as np
from helpers.runs import CONFIG

from das3d_aug.datasets import Entry, Sample
from das3d_aug.geometry import Intrinsics, depth_to_points

NORMALS = CONFIG.override(["data.normals=true"])


def sample_with_holes(*, camera=True):
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 2, (24, 30)).astype(np.float32)
    depth[5:9, 10:17] = 0
    depth[rng.random(depth.shape) < 0.1] = 0
    xyz = depth_to_points(depth, Intrinsics(40, 40, 14.5, 11.5)) if camera else None
    rgb = rng.integers(0, 256, (24, 30, 3), dtype=np.uint8)
    entry = Entry(key="holes", split="", defect="", label=None, files={})
    return Sample(entry=entry, rgb=rgb, depth=depth, valid=depth > 0, unit="m", xyz=xyz)
