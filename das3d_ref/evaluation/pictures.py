"""How the images of an evaluation are shown: one scale of colours for all anomaly maps, depth as a lit surface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.colouring import shade
from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError

__all__ = ["colour_range", "fit", "outline", "part_of", "resized", "shaded", "share_of"]

Map = NDArray[np.float32]
Image = NDArray[np.uint8]


def colour_range(maps: Iterable[Map]) -> tuple[float, float]:
    """Return the range that the colours of all maps share: the least 1st and the greatest 99.9th percentile.

    Raises
    ------
    ParameterError
        If there is no map, or one is not H x W of finite numbers.
    """
    ends = []
    for found in maps:
        if found.ndim != 2 or not np.isfinite(found).all():
            raise ParameterError(f"anomaly maps must be finite numbers, H x W; got one of shape {found.shape}")
        ends.append(np.percentile(found, (1, 99.9)))
    if not ends:
        raise ParameterError("there must be at least one anomaly map")
    lows, highs = zip(*ends, strict=True)
    return float(min(lows)), float(max(highs))


def share_of(found: Map, low: float, high: float) -> Map:
    """Return where the values of a map lie between two others, 0 … 1."""
    return ((found - low) / ((high - low) or 1.0)).clip(0, 1)


def seen(sample: Sample) -> Image:
    """Return what a person looks at: the colour of a sample, or its surface where it has none, H x W x 3."""
    return shaded(sample) if sample.rgb is None else sample.rgb


def part_of(sample: Sample) -> NDArray[np.bool_]:
    """Return where the part was measured, as far as the sample tells the part from its background."""
    return sample.need("valid") if sample.foreground is None else sample.need("valid") & sample.foreground


def shaded(sample: Sample) -> Image:
    """Return the depth of a sample as a surface under a lamp, H x W x 3; what is not the part is grey."""
    part = part_of(sample)
    inside = part if part.any() else np.ones_like(part)
    return shade(sample.need("depth"), sample.need("depth"), part, inside)[0]


def outline(mask: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    """Return the borders of a mask, holes too, as polygons (N x 2: column, row) through the pixels around it."""
    around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    borders, _ = cv2.findContours(around, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(border[:, 0], np.int32) for border in borders]


def fit(shape: tuple[int, ...], longest: int) -> tuple[int, int]:
    """Return the width and height of an image that is shrunk to have no side longer than that."""
    height, width = shape[:2]
    scale = min(1.0, longest / max(height, width))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def resized(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return an image of another width and height."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
