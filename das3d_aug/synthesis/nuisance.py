"""What varies between images of good parts and is no defect: the sensor's noise, its holes, the pose, the lamp.

A detector that never saw these calls them defects.  `vary_normal` makes another normal pair of a normal pair, and
nothing is marked.  In this order:

* exposure (a factor on the colour) and blur (a binomial filter);
* a small tilt of the part: a plane added to the depth;
* noise of the depth that grows with the square of the distance and with the slope (structured light and stereo;
  Nguyen, Izadi & Lovell 2012), rounded to the sensor's step;
* flying pixels: at jumps of depth a pixel lies between the two sides;
* dropouts: dark or steep pixels are not measured.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth, as_rgb, check_number
from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream

__all__ = ["Nuisance", "vary_normal"]

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Nuisance:
    """The ranges of normal variation, each drawn once an image; lengths are over the image's range of depth.

    Attributes
    ----------
    exposure : (float, float)
        Factor on the colour, as a power of two (stops).
    blur : (float, float)
        Share of a neighbour in a 1-2-1 filter, 0 … 0.25.
    tilt : (float, float)
        Rise of the depth from one side of the image to the other, in a direction of its own.
    noise : (float, float)
        Standard deviation of the depth on a surface that faces the camera at the mean distance.
    step : (float, float)
        The sensor's step of depth; 0: none.
    flying : (float, float)
        Share of the pixels at jumps that fly.
    dropout : (float, float)
        Chance that the darkest or steepest pixel is not measured; it falls to 0 at half the brightness and slope.

    Raises
    ------
    ParameterError
        If a range cannot be used.
    """

    exposure: Range = (-0.3, 0.3)
    blur: Range = (0.0, 0.15)
    tilt: Range = (0.0, 0.05)
    noise: Range = (0.0, 0.01)
    step: Range = (0.0, 0.005)
    flying: Range = (0.0, 0.2)
    dropout: Range = (0.0, 0.3)

    def __post_init__(self) -> None:
        limits = {"exposure": (-4, 4), "blur": (0, 0.25), "flying": (0, 1), "dropout": (0, 1)}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, tuple | list) or len(value) != 2:
                raise ParameterError(f"{field.name} must be a range (low, high), got {value!r}")
            low, high = (check_number(field.name, end, *limits.get(field.name, (0, 10))) for end in value)
            if low > high:
                raise ParameterError(f"{field.name} must be a range (low, high) with low <= high, got {value!r}")
            object.__setattr__(self, field.name, (low, high))


def vary_normal(
    rgb: NDArray[Any] | None,
    depth: NDArray[Any] | None,
    *,
    nuisance: Nuisance | None = None,
    seed: int,
    index: int = 0,
    epoch: int = 0,
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Return another normal pair: the same part, seen once more.

    Parameters
    ----------
    rgb : ndarray of uint8, or of float32 in [0, 1], H x W x 3, or None
    depth : ndarray of float32, float64 or uint16, H x W, or None
        Not measured: 0, negative, not finite; it stays so.
    nuisance : Nuisance, optional
        The ranges; the default ones without it.
    seed, index, epoch : int
        The result depends on the pair, the ranges and these alone.

    Returns
    -------
    (ndarray or None, ndarray or None)
        New arrays of the same dtypes.

    Raises
    ------
    ParameterError
        If an argument cannot be used.
    """
    ranges = nuisance or Nuisance()
    stream = Stream(seed, index=index, epoch=epoch)
    drawn = {field.name: stream.uniform(*getattr(ranges, field.name)) for field in dataclasses.fields(ranges)}
    angle, keys = stream.uniform(0.0, 2 * math.pi), [np.uint64(stream.bits()) for _ in range(3)]
    z = None if depth is None else as_depth(depth)
    image = None if rgb is None else as_rgb(rgb, None if z is None else z.shape)
    if image is None and z is None:
        raise ParameterError("rgb or depth must be given, both are None")
    seen = None if image is None else _exposed(image, 2.0 ** drawn["exposure"], drawn["blur"])
    if z is None:
        return seen, None
    measured = (z > 0) & (z < np.inf)
    if not measured.any():
        return seen, z.copy()
    values = np.where(measured, z, 0).astype(np.float64)
    span = float(values[measured].max() - values[measured].min())
    mean = float(values[measured].mean())
    height, width = z.shape
    y = (np.arange(height)[:, None] - (height - 1) / 2) / max(height - 1, 1)
    x = (np.arange(width)[None] - (width - 1) / 2) / max(width - 1, 1)
    values = values + drawn["tilt"] * span * (math.sin(angle) * y + math.cos(angle) * x)
    dark = np.zeros(z.shape) if image is None else 1 - _luminance(image)
    out = np.empty(z.shape)
    _sense(
        values, measured, dark, out, *keys,
        drawn["noise"] * span, mean, drawn["step"] * span, drawn["flying"], drawn["dropout"], max(span, 1e-12),
    )  # fmt: skip
    if z.dtype == np.uint16:
        return seen, np.where(out > 0, np.rint(out).clip(1, 65535), 0).astype(np.uint16)
    kept = np.where(measured, np.maximum(out, 0), z)
    return seen, kept.astype(z.dtype)


def _luminance(image: NDArray[Any]) -> NDArray[np.float64]:
    scale = 255.0 if image.dtype == np.uint8 else 1.0
    return np.asarray((0.299 * image[:, :, 0] + 0.587 * image[:, :, 1] + 0.114 * image[:, :, 2]) / scale)


def _exposed(image: NDArray[Any], factor: float, neighbour: float) -> NDArray[Any]:
    full = 255.0 if image.dtype == np.uint8 else 1.0
    seen = image.astype(np.float32)
    share = np.float32(neighbour)
    for axis in (0, 1):
        before, after = (np.concatenate(parts, axis=axis) for parts in _neighbours(seen, axis))
        seen = (np.float32(1) - share - share) * seen + share * (before + after)
    seen = np.minimum(seen * np.float32(factor), np.float32(full))
    return np.asarray(np.rint(seen).astype(np.uint8) if image.dtype == np.uint8 else seen)


def _neighbours(image: NDArray[Any], axis: int) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return the parts of the image shifted by one either way, its edge repeated."""
    first, last = (np.take(image, [k], axis=axis) for k in (0, -1))
    return [first, np.delete(image, -1, axis)], [np.delete(image, 0, axis), last]


@kernel
def _uniform(key, number):
    """Return a number of 0 … 1 for a pixel, by SplitMix64."""
    z = key + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@kernel
def _normal(key, number):
    """Return about N(0, 1): the sum of twelve 5-bit parts of one hash, the same on every machine."""
    z = key + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    total = np.int64(0)
    for k in range(12):
        total += np.int64((z >> np.uint64(5 * k)) & np.uint64(31))
    return (np.float64(total) - 186.0) / 31.984371183438952  # mean 12 · 15.5, variance 12 · (32² - 1) / 12


@kernel
def _sense(z, measured, dark, out, noise_key, fly_key, drop_key, noise, mean, step, flying, dropout, span):
    height, width = z.shape
    for y in range(height):
        for x in range(width):
            number = y * width + x
            if not measured[y, x]:
                out[y, x] = 0.0
                continue
            here = z[y, x]
            slope, other = 0.0, here
            for k in range(4):
                v = min(max(y + (k == 0) - (k == 1), 0), height - 1)
                u = min(max(x + (k == 2) - (k == 3), 0), width - 1)
                if measured[v, u]:
                    jump = abs(z[v, u] - here)
                    if jump > slope:
                        slope, other = jump, z[v, u]
            steep = min(slope / span * 20.0, 1.0)  # 1 at a twentieth of the range from pixel to pixel
            value = here
            if steep >= 1.0 and _uniform(fly_key, number) < flying:
                value = here + (other - here) * _uniform(fly_key ^ np.uint64(1), number)
            distance = here / mean
            value += noise * distance * distance * (1.0 + 2.0 * steep) * _normal(noise_key, number)
            if step > 0.0:
                value = np.rint(value / step) * step
            chance = dropout * max(0.0, 2.0 * max(dark[y, x], steep) - 1.0)
            out[y, x] = 0.0 if _uniform(drop_key, number) < chance else value
