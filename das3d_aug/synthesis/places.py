"""Where defects go on a part: anywhere, near its edge, or along structures of its own.

Structures are strong gradients of brightness or depth, less what is wider than they are: slopes and shading are none.
What tells more counts, by how far it stands out of its median.  Only + - x / and square roots are used on pixels.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel
from das3d_aug.synthesis.relight import smooth_surface

__all__ = ["PLACEMENTS", "Placement", "near_edge", "places", "structures", "with_specks"]

Placement = Literal["anywhere", "edge", "structure"]
PLACEMENTS: tuple[str, ...] = get_args(Placement)

_NEAR = 0.2  # of the largest distance to the edge
_HOLE = 0.001  # of the part's pixels
_SPECK = 64  # parts of the image's longer side, that a gap in the measurements has at most
_FINE = 0.01  # of the part's extent: half the side of the squares that noise is averaged over
_COARSE = 4  # times as wide: slopes and shading
_SHARE = 0.1  # of the part, that its structures have at most
_WEAK = 0.25  # of the strongest structures: below it there is none
_STRONGEST = 0.995

Mask = NDArray[np.bool_]
Field = NDArray[np.float32]


def places(where: Placement, inside: Mask, rgb: Field | None, depth: Field | None) -> Mask:
    """Return the pixels of a part that a defect's centre may lie on.

    Parameters
    ----------
    where : {"anywhere", "edge", "structure"}
        Which of them.
    inside : ndarray of bool, H x W
        The part.
    rgb : ndarray of float32, H x W x 3, or None
        In 0 … 1.
    depth : ndarray of float32, H x W, or None
        In any unit, 0 where nothing was measured.

    Returns
    -------
    ndarray of bool, H x W
        Not empty, unless ``inside`` is.
    """
    if where == "anywhere":
        return inside
    return near_edge(inside) if where == "edge" else structures(inside, rgb, depth)


def with_specks(inside: Mask, depth: Field) -> Mask:
    """Return the part with the specks in it of which a camera measured no depth: their colour is the part's.

    A pixel without depth belongs to one if along its row and along its column it lies in a short gap between pixels of
    the part, at most a 64th of the image's longer side: dark or shiny spots, not holes.

    Parameters
    ----------
    inside : ndarray of bool, H x W
        The part, as far as it was measured.
    depth : ndarray of float32, H x W
        0 where nothing was measured.

    Returns
    -------
    ndarray of bool, H x W
    """
    unknown = depth <= 0
    if not unknown.any():
        return inside
    most = max(inside.shape) // _SPECK
    across = _gaps(inside, unknown, most)
    down = _gaps(np.ascontiguousarray(inside.T), np.ascontiguousarray(unknown.T), most).T
    return np.asarray(inside | (across & down))


@kernel
def _gaps(inside, unknown, most):
    """Return the short runs of what is unknown between two pixels of the part in a row."""
    found = np.zeros(inside.shape, np.bool_)
    for y in range(inside.shape[0]):
        last = -1  # the part's last pixel, if all since then is unknown
        for x in range(inside.shape[1]):
            if inside[y, x]:
                if last >= 0 and x - last - 1 <= most:
                    found[y, last + 1 : x] = True
                last = x
            elif not unknown[y, x]:
                last = -1
    return found


def near_edge(inside: Mask) -> Mask:
    """Return the pixels of a part whose distance to its edge is up to a fifth of the largest one.

    Beyond the image there is no part; a hole of less than a thousandth of the part is a few pixels without depth, and
    has no edge.
    """
    from scipy import ndimage  # here, since few recipes need it and it takes a moment to load

    outside, _ = ndimage.label(np.pad(~inside, 1, constant_values=True))
    large = np.bincount(outside.ravel()) >= _HOLE * np.count_nonzero(inside)
    large[0] = False  # the part; 1 is what lies around it
    large[1] = True
    away = ndimage.distance_transform_edt(~large[outside])[1:-1, 1:-1]
    return np.asarray(inside & (away <= max(1.0, _NEAR * float(away.max()))))


def structures(inside: Mask, rgb: Field | None, depth: Field | None) -> Mask:
    """Return the strongest gradients of brightness and depth, at most a tenth of the part and not near its edge.

    All of the part without any; arrays as `places` has them.
    """
    core = inside & ~near_edge(inside)
    count = int(np.count_nonzero(core))
    if not count:
        return inside
    surfaces = [] if depth is None else [depth]
    if rgb is not None:
        surfaces.append(rgb.sum(axis=2) + np.float32(1))  # what is 0 counts as not measured
    radius = max(1, round(_FINE * math.sqrt(np.count_nonzero(inside))))
    stands_out = np.zeros(inside.shape, np.float32)
    for surface in surfaces:
        steep = _steepness(surface, inside, radius)
        values = np.sort(steep[core])
        if values[-1] > 0:
            typical = max(float(values[count // 2]), float(values[-1]) / 1000)
            stands_out = np.maximum(stands_out, steep / np.float32(typical))
    values = np.sort(stands_out[core])
    level = max(values[int((1 - _SHARE) * (count - 1))], np.float32(_WEAK) * values[int(_STRONGEST * (count - 1))])
    found = core & (stands_out >= level) & (stands_out > 0)
    return np.asarray(found) if found.any() else inside


def _steepness(surface: Field, inside: Mask, radius: int) -> NDArray[Any]:
    """Return the gradient of what is finer than slopes and coarser than noise; 0 where a neighbour is unknown."""
    fine, coarse = (smooth_surface(surface, inside, reach) for reach in (radius, _COARSE * radius))
    known = np.pad(inside & (fine > 0), 1)
    detail = np.pad(fine - coarse, 1)
    dy, dx = detail[2:, 1:-1] - detail[:-2, 1:-1], detail[1:-1, 2:] - detail[1:-1, :-2]
    around = known[2:, 1:-1] & known[:-2, 1:-1] & known[1:-1, 2:] & known[1:-1, :-2]
    return np.where(around, np.sqrt(dy * dy + dx * dx), np.float32(0))
