"""Light and sensor of the demo set: from a `Surface` to an RGB image and a depth map.

A `Surface` is given on a grid twice as fine as the images.  The colour camera sees

    L = albedo * (ambient * occlusion + lambert * shadow) + gloss * (n . h)**k * shadow

under a lamp that moves a little from image to image, then exposure, white balance, sRGB-like gamma and noise.
The depth camera sees ``z = distance + tilt . (x, y) - height`` with white noise of 0.12 mm.  It loses steep
surfaces, a few irregular blobs and single pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.demo.families import FIELD, Field, Surface, grid, noise_source, random_field
from das3d_aug.randomness import Stream

__all__ = ["DISTANCE", "SUPERSAMPLING", "coarsen", "photograph", "range_image"]

SUPERSAMPLING = 2
DISTANCE = 500.0  # from the depth camera to the supporting plane, mm
_WIDEST = 41.0  # pixels of a Gaussian's standard deviation on the grid itself
DEPTH_NOISE = 0.12  # standard deviation, mm


def photograph(surface: Surface, stream: Stream) -> NDArray[np.uint8]:
    """Return the RGB image, uint8 (S/2, S/2, 3)."""
    source = noise_source(stream)
    size = len(surface.height)
    pixel = FIELD / size
    azimuth = math.radians(-125.0 + stream.uniform(-30.0, 30.0))
    elevation = math.radians(stream.uniform(38.0, 58.0))
    lamp = (
        math.cos(elevation) * math.cos(azimuth),
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    )

    dy, dx = np.gradient(surface.height, pixel)
    norm = np.sqrt(1.0 + dx * dx + dy * dy)
    lambert = np.maximum((lamp[2] - lamp[0] * dx - lamp[1] * dy) / norm, 0.0)
    half = np.asarray([lamp[0], lamp[1], lamp[2] + 1.0])  # between the lamp and the camera above
    half = half / np.linalg.norm(half)
    shine = np.maximum((half[2] - half[0] * dx - half[1] * dy) / norm, 0.0) ** 24
    lit = _lit(surface.height, lamp, pixel)
    occlusion = _occlusion(surface.height, pixel)

    mat = stream.uniform(0.02, 0.05) * (1.0 + 0.12 * random_field(source, size, scale=0.4, falloff=1.0))
    albedo = np.where(surface.footprint[..., None], surface.albedo, mat[..., None])
    gloss = np.where(surface.footprint, surface.gloss, 0.01)
    ambient = stream.uniform(0.3, 0.5)
    light = albedo * (ambient * occlusion + 0.95 * lambert * lit)[..., None] + (gloss * shine * lit)[..., None]

    exposure = stream.uniform(0.85, 1.1)
    balance = np.asarray([stream.uniform(0.96, 1.04), 1.0, stream.uniform(0.96, 1.04)])
    seen = np.clip(coarsen(light.astype(np.float32)) * (exposure * balance), 0.0, 1.0) ** (1.0 / 2.2)
    seen = seen + 0.008 * source.standard_normal(seen.shape)
    return np.rint(255.0 * np.clip(seen, 0.0, 1.0)).astype(np.uint8)


def range_image(surface: Surface, stream: Stream) -> tuple[Field, NDArray[np.bool_]]:
    """Return depth in metres, float32 (S/2, S/2) with 0 where nothing was measured, and its validity."""
    source = noise_source(stream)
    height = coarsen(surface.height)
    size = len(height)
    x, y = grid(size)
    tilt_x, tilt_y = (math.tan(math.radians(stream.uniform(-2.0, 2.0))) for _ in range(2))
    depth = DISTANCE + tilt_x * x + tilt_y * y - height
    depth = depth + DEPTH_NOISE * source.standard_normal((size, size), dtype=np.float32)

    dy, dx = np.gradient(height, FIELD / size)
    steep = np.clip((np.hypot(dx, dy) - 1.5) / 3.0, 0.0, 0.9)
    lost = source.random((size, size)) < np.maximum(steep, 0.001)
    for _ in range(stream.integer(0, 4)):
        centre = (stream.uniform(-35.0, 35.0), stream.uniform(-35.0, 35.0))
        for _ in range(stream.integer(2, 5)):
            u, v = (middle + 0.9 * stream.normal() for middle in centre)
            lost |= np.hypot(x - u, y - v) < stream.uniform(0.4, 1.3)
    depth = np.where(lost, 0.0, depth / 1000.0).astype(np.float32)
    return depth, ~lost


def coarsen(image: Field) -> Field:
    """Average blocks of `SUPERSAMPLING` x `SUPERSAMPLING` samples."""
    size = len(image) // SUPERSAMPLING
    blocks = image.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, *image.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def _occlusion(height: Field, pixel: float) -> Field:
    """Ambient occlusion: how far a point lies below the mean of its surroundings, at three reaches."""
    sunk = np.zeros_like(height)
    for reach in (1.0, 3.0, 8.0):
        sunk += np.maximum(_blurred(height, reach / pixel) - height, 0.0) / reach
    return 1.0 / (1.0 + 0.8 * sunk)


def _blurred(height: Field, sigma: float) -> Field:
    """Return a Gaussian mean; a wide one from a coarser grid, or each pixel would cost more in a larger image."""
    coarser = math.ceil(sigma / _WIDEST)
    if coarser <= 1:
        return np.asarray(cv2.GaussianBlur(height, (0, 0), sigma), dtype=np.float32)
    side = len(height) // coarser
    small = cv2.resize(height, (side, side), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma * side / len(height))
    return np.asarray(cv2.resize(small, height.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _lit(height: Field, lamp: tuple[float, float, float], pixel: float) -> Field:
    """Share of the lamp that reaches each point past whatever stands towards it, 0 … 1."""
    size = len(height)
    over = np.zeros_like(height)
    for reach in np.arange(0.8, 24.0, 1.2).tolist():
        shift = np.asarray([[1, 0, -reach * lamp[0] / pixel], [0, 1, -reach * lamp[1] / pixel]])
        towards = np.asarray(cv2.warpAffine(height, shift, (size, size), flags=cv2.INTER_LINEAR))
        over = np.maximum(over, towards - height - reach * lamp[2])
    return np.asarray(np.clip(1.0 - over / 1.5, 0.0, 1.0), dtype=np.float32)
