"""Blending a foreign texture into the colour image where the defect is (eq. 8).

``I_a = (1 - M*) I + M* ((1 - beta) I_u + beta I)``: ``beta`` near 0 replaces the colour, near 0.8 hints at it.
`synthesize` uses `paint`, which varies the texture on the way (`das3d_aug.textures`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_mask, as_rgb
from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError

__all__ = ["blend_texture"]

_ONE_BITS = np.float32(1.0).view(np.uint32)


def blend_texture(rgb: NDArray[Any], texture: NDArray[Any], mask: NDArray[np.bool_], beta: float) -> NDArray[Any]:
    """Mix a texture into an image inside a mask (eq. 8).

    Parameters
    ----------
    rgb : ndarray of uint8, or of float32 in [0, 1], H x W x 3
        ``I``.
    texture : ndarray of the same shape and dtype
        ``I_u``.
    mask : ndarray of bool, H x W
        ``M*``.
    beta : float
        Share of the image that stays, in [0, 1]; the paper draws it from U(0, 0.8).

    Returns
    -------
    ndarray as ``rgb``
        A new array, equal to ``rgb`` bit for bit outside the mask.

    Raises
    ------
    ParameterError
        If shapes, dtypes or ranges do not fit.
    """
    image = as_rgb(rgb, name="rgb")
    foreign = as_rgb(texture, name="texture")
    if foreign.shape != image.shape or foreign.dtype != image.dtype:
        raise ParameterError(f"texture must be {image.dtype} {image.shape} as rgb, got {foreign.dtype} {foreign.shape}")
    inside = as_mask(mask, image.shape[:2], "mask")
    if isinstance(beta, bool) or not isinstance(beta, (int, float, np.number)) or not 0 <= beta <= 1:
        raise ParameterError(f"beta must be in [0, 1], got {beta!r}")
    out = image.copy()
    if not (in_unit_range(image) and in_unit_range(foreign)):
        raise ParameterError("rgb and texture of float32 must lie in [0, 1]")
    _blend(out, foreign, inside, np.float32(beta), *unit_of(out))
    return out


def unit_of(image: NDArray[Any]) -> tuple[np.float32, np.float32]:
    """Return the value of full brightness, and what to add before a value is cut to the dtype (rounding)."""
    whole = image.dtype == np.uint8
    return np.float32(255.0 if whole else 1.0), np.float32(0.5 if whole else 0.0)


def in_unit_range(image: NDArray[Any]) -> bool:
    """Whether a float image lies in [0, 1] without NaN; any uint8 image does."""
    if image.dtype == np.uint8:
        return True
    # As unsigned integers, the bits of 0 … 1 are the smallest; all others (and -0.0, which is fine) are larger.
    return bool(image.view(np.uint32).max() <= _ONE_BITS or ((image >= 0) & (image <= 1)).all())


@kernel
def _blend(out, texture, mask, beta, full, rounding):
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if mask[y, x]:
                for c in range(3):
                    _mix_into(out, y, x, c, np.float32(texture[y, x, c]), beta, full, rounding)


@kernel
def _mix_into(out, y, x, c, value, beta, full, rounding):
    """Mix one value in; return whether the stored one is another than before."""
    before = out[y, x, c]
    mixed = (np.float32(1.0) - beta) * value + beta * np.float32(before)
    out[y, x, c] = min(mixed, full) + rounding
    return out[y, x, c] != before


@kernel
def paint(out, places, changed, union, moved, texture, tone, colour, sharp, place, beta, full, rounding):
    """Blend a texture, varied on the fly, into ``out`` at some places: ``row * width + column``, ascending.

    Where that makes another pixel, ``changed`` says so; where it does not, ``union`` is left what ``moved`` is.
    ``place`` is (v0, vy, vx, u0, uy, ux): pixel (y, x) reads the texture's row ``v0 + vy y + vx x`` and column
    ``u0 + uy y + ux x``, mirrored at the edges; ``tone`` maps its channel values, ``sharp`` weighs the difference from
    the four neighbours' mean, ``colour`` mixes the channels: a row for each channel of ``out``.
    """
    v0, vy, vx, u0, uy, ux = place
    height, width = texture.shape[0], texture.shape[1]
    texels = texture.reshape(-1)
    one, quarter = np.float32(1.0), np.float32(0.25)
    here = np.empty(3, np.float32)
    y, row_end = 0, out.shape[1]
    for n in range(places.size):
        while places[n] >= row_end:
            y, row_end = y + 1, row_end + out.shape[1]
        x = places[n] - (row_end - out.shape[1])
        v, u = int(math.floor(v0 + vy * y + vx * x)), int(math.floor(u0 + uy * y + ux * x))
        i, j = _mirror(v, height), _mirror(u, width)
        centre = np.uint64(3 * (i * width + j))
        for c in range(3):
            here[c] = tone[texels[centre + np.uint64(c)], c]
        if sharp != 0.0:
            up = np.uint64(3 * (_mirror(v - 1, height) * width + j))
            down = np.uint64(3 * (_mirror(v + 1, height) * width + j))
            before = np.uint64(3 * (i * width + _mirror(u - 1, width)))
            after = np.uint64(3 * (i * width + _mirror(u + 1, width)))
            for c in range(3):
                k = np.uint64(c)
                around = tone[texels[up + k], c] + tone[texels[down + k], c]
                around += tone[texels[before + k], c] + tone[texels[after + k], c]
                here[c] += sharp * (here[c] - around * quarter)
        r, g, b = here[0], here[1], here[2]
        differs = False
        for c in range(out.shape[2]):
            value = colour[c, 0] * r + colour[c, 1] * g + colour[c, 2] * b
            value = min(max(value, np.float32(0.0)), one) * full
            differs |= _mix_into(out, y, x, c, value, beta, full, rounding)
        if differs:
            changed[y, x] = True
        else:
            union[y, x] = moved[y, x]


@kernel
def _mirror(k, size):
    if 0 <= k < size:
        return k
    k = k % (2 * size)
    return k if k < size else 2 * size - 1 - k
