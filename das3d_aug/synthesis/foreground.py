"""Where the part is: the foreground ``M_f``, valid depth in front of the background (3.2), or what the caller says.

Depth that is zero, negative, NaN or infinite is invalid: never foreground, never changed.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth, as_mask, check_option
from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis.border_plane import fit_background
from das3d_aug.synthesis.nonzero import ends
from das3d_aug.synthesis.part_range import part_range

__all__ = ["DepthAxis", "Foreground", "Found", "Policy", "find_foreground", "foreground_mask"]

DepthAxis: TypeAlias = Literal["away", "towards"]
Policy: TypeAlias = Literal["auto", "all", "plane"]
Foreground: TypeAlias = Policy | NDArray[Any] | None
"""A policy, or a mask of bool or whole numbers (non-zero is the part); None is "auto"."""

# What "auto" believes in; less is no table, and stray pixels.
_LEAST_PLANE = 0.2  # of the border lies on the plane
_LEAST_PART = 1 / 2000  # of the image stands out of it
_AT_BORDER = 0.5  # of the foreground in pieces that touch the edge of what was measured

Scan: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32], float, float]
"""The foreground, its first and one-past-last column in each row, its least and largest depth (0 if it is empty)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Where the part is, and how that was found.

    Attributes
    ----------
    mask : ndarray of bool, H x W
        The foreground: where defects may start.
    how : {"given", "plane", "all"}
        A mask was given; what stands out of the border's main plane; every valid pixel.
    share : float
        Of the image, 0 … 1.
    at_border : bool
        "plane" alone: at least half of it lies in pieces that touch the edge of what was measured, as a second
        background does, or a part that the frame cuts off.
    low, high : float
        The part's smallest and largest depth, without stray pixels (`part_range`); both 0 if there is no pixel.
    """

    mask: NDArray[np.bool_] = field(repr=False)
    how: Literal["given", "plane", "all"]
    share: float
    at_border: bool
    low: float
    high: float


def find_foreground(depth: NDArray[Any], foreground: Foreground = "auto", *, depth_axis: DepthAxis = "away") -> Found:
    """Find the part as `synthesize` does, and say how.

    Parameters
    ----------
    depth : ndarray of float32, float64 or uint16, H x W
        Any unit.
    foreground : {"auto", "all", "plane"} or ndarray of bool or integers, H x W
        "plane": the border's main plane is background, and what stands out of it is the part (`foreground_mask`);
        nothing may be left.  "all": every valid pixel, for parts that fill the image.  "auto": "plane" if at least
        a fifth of the border lies on one and at least 1/2000 of the image stands out, else "all".  A mask: its
        non-zero pixels, where the depth is valid.
    depth_axis : {"away", "towards"}
        As for `foreground_mask`.

    Returns
    -------
    Found

    Raises
    ------
    ParameterError
        If an argument cannot be used.

    Examples
    --------
    >>> found = find_foreground(np.full((48, 64), 0.5, np.float32))
    >>> found.how, found.share
    ('all', 1.0)
    """
    z = as_depth(depth)
    policy = as_foreground(foreground, z.shape)
    how, found = locate(z, policy, axis_sign(depth_axis))
    mask = found[0].view(np.bool_)
    low, high = part_range(z, found) if mask.any() else (0.0, 0.0)
    return Found(
        mask=mask,
        how=how,
        share=int(np.count_nonzero(mask)) / mask.size,
        at_border=how == "plane" and _touches_edge(mask, scan(z, 1.0, plane=(0.0, 0.0, 0.0))[0][0]),
        low=low,
        high=high,
    )


def as_foreground(foreground: Any, shape: tuple[int, int]) -> Policy | NDArray[np.bool_]:
    """Check a policy or mask; None, as samples without a mask have it, is "auto"."""
    if foreground is None:
        return "auto"
    if isinstance(foreground, str):
        check_option("foreground", foreground, ("auto", "all", "plane", "or a mask"))
        return cast(Policy, foreground)
    return as_mask(foreground, shape, "foreground")


def locate(
    depth: NDArray[Any], foreground: Policy | NDArray[np.bool_], sign: float
) -> tuple[Literal["given", "plane", "all"], Scan]:
    """Find the foreground of checked arguments, and say how."""
    if not isinstance(foreground, str):
        return "given", scan(depth, sign, given=foreground)[0]
    if foreground != "all":
        found, share = scan(depth, sign)
        if foreground == "plane" or (share >= _LEAST_PLANE and _holds(found[0], _LEAST_PART * depth.size)):
            return "plane", found
    return "all", scan(depth, sign, plane=(0.0, 0.0, 0.0 if sign > 0 else -math.inf))[0]


@kernel
def _holds(inside, least):
    """Whether at least so many pixels are foreground; stops counting once they are."""
    count = 0
    for y in range(inside.shape[0]):
        row = inside[y]
        for x in range(row.size):
            count += row[x]
        if count >= least:
            return True
    return False


def _touches_edge(mask: NDArray[np.bool_], valid: NDArray[np.uint8]) -> bool:
    """Whether half of the mask does; cameras that align depth with colour leave a frame without measurements."""
    from scipy import ndimage  # here, since few calls need it and it takes a moment to load

    if not mask.any():
        return False
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    pieces, count = ndimage.label(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    edges = (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1])
    touching = np.unique(np.concatenate(edges))
    return bool(sizes[touching[touching > 0]].sum() >= _AT_BORDER * sizes[1:].sum())


def foreground_mask(
    depth: NDArray[Any], *, threshold: float | None = None, depth_axis: DepthAxis = "away"
) -> NDArray[np.bool_]:
    """Find the object: valid depth in front of the background (``M_f``).

    Parameters
    ----------
    depth : ndarray of float32, float64 or uint16, H x W
        Any unit.
    threshold : float, optional
        ``t_f``: what is nearer than this distance is foreground.  By default the background is estimated from
        the image's border.  The paper averages the background's depth; here the border's main plane is fitted
        (affine in 1/z, which is exact for a pinhole camera, or in z where only that explains the border), so a tilted
        table is background too, and what lies more than five standard deviations in front of it is foreground.
        For a flat, frontal background the two agree.  Give ``threshold=numpy.inf`` where the object fills the
        image; `find_foreground` tells such images apart.
    depth_axis : {"away", "towards"}
        "away": depth is the distance from the camera.  "towards": it is a height, and the object is higher.

    Returns
    -------
    ndarray of bool, H x W
        Empty where nothing stands out.  Where the border has no valid depth, all valid depth is foreground.

    Raises
    ------
    ParameterError
        If ``depth`` or an option cannot be used.
    """
    z = as_depth(depth)
    sign = axis_sign(depth_axis)
    plane = None
    if threshold is not None:
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)) or threshold != threshold:
            raise ParameterError(f"threshold must be a number, got {threshold!r}")
        limit = float(threshold)
        plane = (0.0, 0.0, limit if sign < 0 else (1.0 / limit if limit > 0 else math.inf))
    return scan(z, sign, plane=plane)[0][0].view(np.bool_)


def axis_sign(depth_axis: DepthAxis) -> float:
    """+1 for a distance from the camera, -1 for a height towards it."""
    if depth_axis not in ("away", "towards"):
        raise ParameterError(f"depth_axis must be 'away' or 'towards', got {depth_axis!r}")
    return 1.0 if depth_axis == "away" else -1.0


def scan(
    depth: NDArray[Any],
    sign: float,
    *,
    given: NDArray[np.bool_] | None = None,
    plane: tuple[float, float, float] | None = None,
) -> tuple[Scan, float]:
    """One pass over the depth: where the foreground is, and what the synthesis has to know of it.

    Foreground is valid depth within ``given``, or in front of ``plane``, or else of the estimated background.
    Returned with it is the share of the border's samples that lie on the estimated plane, else 1.
    """
    # The bits of positive floats sort as the floats do; as integers, validity and range take one vector loop.
    kind, largest = _BITS[depth.dtype.type]
    nearer, share = (0 if sign > 0 else 1), 1.0
    if plane is None and given is None:
        by, bx, c, nearer, share = fit_background(depth, sign, depth.dtype.kind == "u")
        plane = by, bx, c
    by, bx, c = plane or (0.0, 0.0, 0.0)
    mask = _ANYWHERE if given is None else given
    *found, low, high = _scan(depth, depth.view(kind), largest, mask, given is not None, nearer, by, bx, c)
    low, high = struct.unpack(f"2{depth.dtype.char}", struct.pack(f"2{np.dtype(kind).char}", low, high))
    return (*found, float(low), float(high)), share


_ANYWHERE = np.ones((1, 1), np.bool_)
_ANYWHERE.flags.writeable = False
_BITS = {
    np.float32: (np.int32, np.finfo(np.float32).max.view(np.int32)),
    np.float64: (np.int64, np.finfo(np.float64).max.view(np.int64)),
    np.uint16: (np.uint16, np.uint16(65535)),
}


@kernel
def _scan(depth, bits, largest, given, use_given, kind, by, bx, c):
    height, width = depth.shape
    out = np.empty((height, width), np.uint8)
    first, last = np.zeros(height, np.int32), np.zeros(height, np.int32)
    low, high = largest, bits.dtype.type(0)
    for y in range(height):
        row = out[y]
        if use_given:
            _valid_within(row, bits[y], largest, given[y])
        elif kind == 0:
            _nearer(row, depth[y], bits[y], largest, np.float32(by * y + c), np.float32(bx))
        else:
            _higher(row, depth[y], bits[y], largest, np.float32(by * y + c), np.float32(bx), np.float32(kind))
        start, stop = ends(row)
        if stop > 0:
            first[y], last[y] = start, stop
            row_low, row_high = _row_range(row[start:stop], bits[y, start:stop], largest)
            low, high = min(low, row_low), max(high, row_high)
    return out, first, last, low, high


# One loop does one thing in each of these: only so do they all become vector instructions.


@kernel
def _valid_within(row, bits, largest, given):
    for x in range(row.size):
        row[x] = (bits[x] > 0) & (bits[x] <= largest) & given[x]


@kernel
def _nearer(row, depth, bits, largest, base, slope):
    for x in range(row.size):
        limit = base + slope * np.float32(np.int32(x))
        row[x] = (bits[x] > 0) & (bits[x] <= largest) & (np.float32(depth[x]) * limit < np.float32(1.0))


@kernel
def _higher(row, depth, bits, largest, base, slope, upwards):
    for x in range(row.size):
        limit = base + slope * np.float32(np.int32(x))
        row[x] = (bits[x] > 0) & (bits[x] <= largest) & (upwards * np.float32(depth[x]) > limit)


@kernel
def _row_range(row, bits, largest):
    low, high = largest, bits.dtype.type(0)
    for x in range(row.size):
        low = min(low, bits[x] if row[x] else largest)
        high = max(high, bits[x] if row[x] else bits.dtype.type(0))
    return low, high
