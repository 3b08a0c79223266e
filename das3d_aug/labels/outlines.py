"""Masks as polygons and as runs.

A polygon runs along the edges of pixels: pixel (x, y) is the square from (x, y) to (x + 1, y + 1).  Filled again it is
the mask, and a scratch of one pixel has an area, which polygons through the centres of pixels do not give it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Ring", "box", "joined", "regions", "runs", "without_between"]

Ring = NDArray[np.int64]
"""Corners of pixels, N x 2, (x, y), each beside the one before it or the same; closed from the last to the first."""


def box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what a mask marks, which is not nothing."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def regions(mask: NDArray[np.bool_]) -> list[list[Ring]]:
    """Return the regions of a mask, each as its outline and those of its holes.

    Pixels that touch at a corner are of one region.
    """
    if not mask.any():
        return []
    left, top, width, height = box(mask)
    # With two by two pixels for one, each pixel of a border is next to one corner of its own, which `+ 1 >> 1` finds.
    doubled = mask[top : top + height, left : left + width].astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    contours, links = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [(contour.reshape(-1, 2).astype(np.int64) + 1 >> 1) + (left, top) for contour in contours]
    found = {index: [ring] for index, ring in enumerate(rings) if links[0, index, 3] < 0}
    for index, ring in enumerate(rings):
        if index not in found:
            found[int(links[0, index, 3])].append(ring)
    return list(found.values())


def joined(rings: Sequence[Ring]) -> Ring:
    """Return a region as one ring: from its left end a hole is joined, there and back, to what lies left of it.

    The way runs along the edges of pixels of the region, up to the outline or a hole that reaches farther left.
    """
    starts = [int(np.lexsort((ring[:, 1], ring[:, 0]))[0]) for ring in rings]
    rings = [np.roll(ring, -start, axis=0) for ring, start in zip(rings, starts, strict=True)]
    corners = np.concatenate(rings)
    of_ring = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    place = np.concatenate([np.arange(len(ring)) for ring in rings])
    along_rows = corners[:, 1] * (corners[:, 0].max() + 1) + corners[:, 0]
    order = np.argsort(along_rows)
    first = along_rows[np.flatnonzero(place == 0)]
    to = order[np.searchsorted(along_rows[order], first) - 1]
    ways: list[list[tuple[int, Ring]]] = [[] for _ in rings]
    for hole in sorted(range(1, len(rings)), key=lambda ring: -int(rings[ring][0, 0])):  # what joins it comes before it
        ways[of_ring[to[hole]]].append((int(place[to[hole]]), _with(rings[hole], ways[hole])))
    return _with(rings[0], ways[0])


def _with(ring: Ring, ways: Sequence[tuple[int, Ring]]) -> Ring:
    """Return a ring from which at some places others are walked around."""
    pieces, before = [], 0
    for at, other in sorted(ways, key=lambda way: way[0]):
        pieces += [ring[before : at + 1], other, other[:1]]
        before = at
    return np.concatenate([*pieces, ring[before:]])


def without_between(ring: Ring) -> Ring:
    """Return the ring without the corners that lie between their neighbours on a straight line."""
    ring = ring[np.any(ring != np.roll(ring, 1, axis=0), axis=1)]
    came, goes = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = came[:, 0] * goes[:, 1] != came[:, 1] * goes[:, 0]
    back = np.sum(came * goes, axis=1) < 0
    kept: Ring = ring[turns | back]
    return kept


def runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of runs down the columns, of False and True in turns, as COCO's uncompressed RLE has them."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff(ends, prepend=0, append=flat.size).tolist()
    return [0, *lengths] if flat[0] else lengths
