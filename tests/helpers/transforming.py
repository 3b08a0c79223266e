"""A part, pipelines around the transforms, and how two results are compared."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from das3d_aug.synthesis import Recipe
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly

import albumentations as A  # isort: skip  (das3d's import of it is the silent one)

RECIPE = Recipe(dropout=0.0, area=(0.1, 0.15))  # never too small to be seen
EVERY = (DAS3DAnomaly, DepthAnomaly, TextureAnomaly)
DEPTH_AS_MASK = {"depth": "mask"}
Sample = dict[str, Any]


def part(*, image_dtype: type = np.uint8, depth_dtype: type = np.float32) -> Sample:
    """A smooth part before a flat background, with holes in its depth; write-protected."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :80]
    depth = np.full((64, 80), 700.0)
    body = (abs(rows - 32) < 22) & (abs(columns - 40) < 30)
    depth[body] = 600.0 + 0.2 * rows[body]
    depth[rng.random(depth.shape) < 0.03] = 0.0
    image = rng.integers(0, 256, (64, 80, 3))
    image = image / 255.0 if image_dtype is np.float32 else image
    sample = {"image": image.astype(image_dtype), "depth": depth.astype(depth_dtype)}
    for array in sample.values():
        array.setflags(write=False)
    return sample


def labelled(**options: Any) -> Sample:
    """A part with a mask, which albumentationsx wants beside every depth that is treated as a mask."""
    return part(**options) | {"mask": np.zeros((64, 80), np.uint8)}


def alone(transform: Any) -> A.Compose:
    return A.Compose([transform], seed=0)


def among(*transforms: Any, seed: int | None = 0) -> A.Compose:
    return A.Compose(list(transforms), additional_targets=DEPTH_AS_MASK, seed=seed)


def seeded(transform: Any, seed: int = 0) -> Any:
    transform.set_random_seed(seed)
    return transform


def same(first: Sample, second: Sample) -> bool:
    return all(
        first[name].dtype == second[name].dtype and first[name].tobytes() == second[name].tobytes()
        for name in ("image", "depth", "mask")
    )


def digest(sample: Sample) -> str:
    return hashlib.sha256(sample["image"].tobytes() + sample["depth"].tobytes()).hexdigest()


def seeds(replay: Sample) -> list[int]:
    params = [node["params"] for node in replay["transforms"]]
    return [found.get("params", found)["seed"] for found in params]  # albumentationsx nests them
