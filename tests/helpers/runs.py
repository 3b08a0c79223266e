"""What the tests of das3d_ref share: a small data set, a configuration in seconds' reach, a detector made of them."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from das3d_aug.generation import write_demo_set
from das3d_aug.geometry import Intrinsics
from das3d_ref import Config, Source, open_source, train

torch.set_num_threads(1)  # sums of several threads come out in another order

CONFIG = Config.from_dict(
    {
        "preparation": {"size": [48, 48]},
        "synthesis": {"area": [0.05, 0.2]},
        "network": {
            "width": 8,
            "discriminator_width": 8,
            "levels": 2,
            "convolutions": 1,
            "discriminator_stride": 2,
            "norm": "group",
        },
        "training": {
            "steps": 12,
            "batch": 4,
            "learning_rate": 2e-3,
            "schedule": "cosine",
            "ema": 0.9,
            "validate_every": 4,
            "validation_anomalies": 6,
        },
        "score": {"window": 5},
    }
)


@functools.cache
def workplace() -> Path:
    """Return a folder that lives as long as the tests."""
    folder = Path(tempfile.mkdtemp(prefix="das3d-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def parts() -> Path:
    """Return a data set: 7 parts to learn from, 2 to validate with, 2 good and 8 bad ones to test."""
    folder = workplace() / "parts"
    write_demo_set(folder, families=("potato",), train=7, validation=2, good=2, per_defect=1, size=64)
    return folder


def settings(**values: Any) -> Config:
    """Return the configuration with other values: ``settings(training__steps=3)``."""
    return CONFIG.override([f"{name.replace('__', '.')}={value}" for name, value in values.items()])


def source(config: Config = CONFIG, data: Path | None = None, **options: Any) -> Source:
    return open_source(data or parts(), config=config, cache=workplace() / "prepared", **options)


@functools.cache
def detector() -> Path:
    """Return the folder of a trained detector; tests that change it change a copy."""
    folder = workplace() / "detector"
    train(source(), folder, config=CONFIG)
    return folder


def picture() -> tuple[NDArray[np.uint8], NDArray[np.float32], Intrinsics]:
    """Return a pair made of formulas, so that no other change can move it."""
    v, u = np.mgrid[:40, :52]
    depth = np.where((u - 20) ** 2 + (v - 16) ** 2 < 9, 0, 0.5 + 0.02 * np.cos(u / 5) * np.sin(v / 7))
    rgb = np.stack([u * 4 % 256, v * 5 % 256, (u * v) % 256], axis=2).astype(np.uint8)
    return rgb, depth.astype(np.float32), Intrinsics(60, 60, 25.5, 19.5)
