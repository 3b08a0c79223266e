"""Resizing a sample without inventing depth: RGB by area, everything else from the nearest pixel.

Pixel i of n new ones takes the old pixel under its centre, number floor((2 i + 1) m / (2 n)) of m.  So an
invalid pixel never mixes with a valid one, and a step in depth stays a step.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError

__all__ = ["parse_size", "resize_sample"]

_MAX_SIDE = 8192


def parse_size(size: int | str | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return (height, width) from N, "N", "HxW" or a pair; None stays None.

    Raises
    ------
    ParameterError
        If it is none of these or a side is not 1 … 8192.
    """
    if size is None:
        return None
    if isinstance(size, str):
        sides = [int(side) if side.isdecimal() else 0 for side in size.lower().split("x")]
    else:
        sides = [size] if isinstance(size, int) else list(size) if isinstance(size, tuple) else []
    if len(sides) == 1:
        sides *= 2
    if len(sides) != 2 or not all(isinstance(side, int) and 1 <= side <= _MAX_SIDE for side in sides):
        raise ParameterError(f"size must be N or HxW with sides of 1 … {_MAX_SIDE} pixels, got {size!r}")
    return sides[0], sides[1]


def resize_sample(sample: Sample, shape: tuple[int, int] | None) -> Sample:
    """Return the sample at (height, width), its camera scaled with it; None leaves it as it is."""
    old = sample.shape
    if shape is None or shape == old:
        return sample
    rows, columns = ((2 * np.arange(new) + 1) * length // (2 * new) for new, length in zip(shape, old, strict=True))
    nearest = np.ix_(rows, columns)
    camera = sample.intrinsics
    return replace(
        sample,
        rgb=None
        if sample.rgb is None
        else np.asarray(cv2.resize(sample.rgb, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8),
        intrinsics=camera and camera.scaled(shape[0] / old[0], shape[1] / old[1]),
        stored=None if sample.stored is None else sample.stored.at(nearest),
        **{
            name: image[nearest]
            for name in ("depth", "valid", "xyz", "mask", "foreground")
            if (image := getattr(sample, name)) is not None
        },
    )
