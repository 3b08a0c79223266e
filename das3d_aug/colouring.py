"""How depth, its change, the relief of a surface and anomaly maps are coloured.

Colours are stretched to robust percentiles of the foreground, because a defect of a millimetre is invisible
on a scale that also holds the background.  The shaded surface is Lambert's cosine law on the normals of the
depth map, (dZ/dx, dZ/dy, 1) with z towards the camera; both pictures of a row have one scale, to compare.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "ANOMALY",
    "BLUE",
    "FAR",
    "NEAR",
    "RED",
    "Depth",
    "Image",
    "Mask",
    "colour_anomaly",
    "colour_delta",
    "colour_depth",
    "depth_scale",
    "shade",
]

Image: TypeAlias = npt.NDArray[np.uint8]
Depth: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

BLUE, RED = (33, 102, 172), (178, 24, 43)
NEAR, FAR = (68, 1, 84), (253, 231, 37)  # the ends of viridis
ANOMALY = ("#dcdcdc", "#fed976", "#fd8d3c", "#e31a1c", "#67000d")
"""Of anomaly maps, evenly spaced from normal to anomalous."""
_STEPS = 32  # in which these change: a picture of few colours is small
_GREY = 128
_LIGHT = np.array([-1.0, -1.0, 1.4]) / np.linalg.norm([-1.0, -1.0, 1.4])


def depth_scale(depth: Depth, valid: Mask, inside: Mask) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of the part's depth, or of all where the part is too small to tell."""
    low, high = np.percentile(depth[inside if inside.sum() > 0.01 * valid.sum() else valid], (2, 98))
    return float(low), float(high)


def colour_depth(depth: Depth, valid: Mask, scale: tuple[float, float]) -> Image:
    """Draw depth from dark (near) to yellow (far); grey where it was not measured."""
    low, high = scale
    scaled = np.clip((np.where(valid, depth, low) - low) / max(high - low, 1e-12), 0, 1)
    colours = np.empty((*depth.shape, 3), np.uint8)
    colours[:, :, ::-1] = cv2.applyColorMap((scaled * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    colours[~valid] = _GREY
    return colours


def colour_delta(delta: Depth, peak: float) -> Image:
    """Draw a change from blue (nearer by ``peak``) over white (0) to red (farther)."""
    share = (delta / (peak or 1.0))[:, :, None]
    end = np.where(share < 0, BLUE, RED).astype(np.float64)
    colours: Image = np.rint(255.0 + np.abs(share) * (end - 255.0)).astype(np.uint8)
    return colours


def colour_anomaly(share: Depth) -> Image:
    """Draw what lies in 0 … 1 from grey (normal) over yellow to dark red (anomalous), H x W x 3."""
    table = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in ANOMALY], np.float64)
    place = np.rint(share * _STEPS) / _STEPS * (len(ANOMALY) - 1)
    channels = [np.interp(place, range(len(ANOMALY)), channel) for channel in table.T]
    return np.asarray(np.rint(np.stack(channels, axis=2)), np.uint8)


def shade(before: Depth, after: Depth, valid: Mask, inside: Mask) -> tuple[Image, Image]:
    """Return the relief of two depth images under the same light, H x W x 3.

    Parameters
    ----------
    before, after : ndarray of float32, H x W
        Distances from the camera, in any unit.
    valid : ndarray of bool, H x W
        Where they were measured.
    inside : ndarray of bool, H x W
        The part, whose slopes in ``after`` set the scale.
    """
    slopes = [_slopes(depth, valid) for depth in (before, after)]
    # All but the steepest tenth of the part becomes at most 45 degrees; its edge does not count.
    core = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    steepness = np.hypot(*slopes[1])[core if core.any() else inside]
    scale = 1.0 / max(float(np.percentile(steepness, 90)), 1e-12)
    first, second = (_lambert(dx * scale, dy * scale, valid) for dx, dy in slopes)
    return first, second


def _slopes(depth: Depth, valid: Mask) -> tuple[Depth, Depth]:
    """Central differences per pixel of the slightly smoothed depth, 0 where a neighbour is invalid."""
    weight = cv2.GaussianBlur(valid.astype(np.float32), (0, 0), 1.0)
    # Invalid pixels take no part: the blur of the valid depth is divided by the blur of validity.
    blurred = cv2.GaussianBlur(np.where(valid, depth, np.float32(0)), (0, 0), 1.0)
    smooth = blurred / np.maximum(weight, np.float32(1e-6))
    whole = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    return np.where(whole, dx, np.float32(0)), np.where(whole, dy, np.float32(0))


def _lambert(dx: Depth, dy: Depth, valid: Mask) -> Image:
    cosine = (dx * _LIGHT[0] + dy * _LIGHT[1] + _LIGHT[2]) / np.sqrt(dx * dx + dy * dy + 1.0)
    grey = np.rint(40.0 + 215.0 * np.clip(cosine, 0, 1)).astype(np.uint8)
    grey[~valid] = _GREY
    return np.repeat(grey[:, :, None], 3, axis=2)
