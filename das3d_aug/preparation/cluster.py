"""The largest cluster of an organised cloud, as DBSCAN (Ester et al. 1996) defines it.

A point is a core point if at least ``points`` points, itself included, lie within ``distance``.  Core points
within ``distance`` of each other are in one cluster; other points near a core point join its cluster.

The cloud is cut into cubes whose diagonal is ``distance``: all points of a cube are neighbours, so a dense
cube is all core and in one cluster, and only pairs of cubes have to be compared.  A point of no core that is
near several clusters joins the first that is found; this is left open by DBSCAN too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel

__all__ = ["largest_cluster"]

_SPAN = 2**20  # cubes on either side of the middle, per axis: 3.6 km of 6 mm
_BITS = 21


def largest_cluster(
    xyz: NDArray[np.float32], inside: NDArray[np.bool_], *, distance: float, points: int
) -> NDArray[np.bool_]:
    """Return where the largest cluster of the points ``inside`` is; H x W, empty if there is no core point.

    Of equally large clusters, the one of the smallest coordinates wins.
    """
    kept = np.zeros(inside.shape, np.bool_)
    pixels = np.flatnonzero(inside)
    cloud = xyz.reshape(-1, 3)[pixels]
    if not len(cloud):
        return kept
    middle = cloud[len(cloud) // 2].astype(np.float64)
    # a little less than the diagonal allows, so that rounding parts no neighbours
    cubes = np.floor((cloud - middle) / (distance * 0.999999 / math.sqrt(3.0)))
    near = (np.abs(cubes) < _SPAN).all(axis=1)
    pixels, cloud = pixels[near], cloud[near]
    x, y, z = (cubes[near].T + _SPAN).astype(np.int64)
    keys = (x << 2 * _BITS) | (y << _BITS) | z
    order = np.argsort(keys, kind="stable")
    keys, start = np.unique(keys[order], return_index=True)
    member = _members(cloud[order], keys, np.append(start, len(order)), distance, points)
    kept.reshape(-1)[pixels[order[member]]] = True
    return kept


@kernel
def _members(cloud, keys, start, distance, points):
    """Mark the points, sorted by cube, of the largest cluster."""
    low, high = _boxes(cloud, start)
    pairs = _neighbours(keys, low, high, distance)
    core = _core(cloud, start, pairs, low, high, distance, points)
    parent = np.arange(keys.size)
    for p in range(pairs.shape[0]):
        i, j = pairs[p]
        a, b = _root(parent, i), _root(parent, j)
        if a != b and _touch(cloud, core, start, i, j, low, high, distance):
            parent[max(a, b)] = min(a, b)
    label = _labels(cloud, core, start, pairs, parent, low, high, distance)
    size = np.zeros(keys.size, np.int64)
    for k in range(label.size):
        if label[k] >= 0:
            size[label[k]] += 1
    member = np.zeros(label.size, np.bool_)
    largest = np.argmax(size)
    if size[largest] > 0:
        for k in range(label.size):
            member[k] = label[k] == largest
    return member


@kernel
def _boxes(cloud, start):
    """Bound the points of each cube."""
    low = np.empty((start.size - 1, 3))
    high = np.empty((start.size - 1, 3))
    for i in range(start.size - 1):
        low[i] = high[i] = cloud[start[i]]
        for k in range(start[i] + 1, start[i + 1]):
            for c in range(3):
                low[i, c] = min(low[i, c], cloud[k, c])
                high[i, c] = max(high[i, c], cloud[k, c])
    return low, high


@kernel
def _neighbours(keys, low, high, distance):
    """List the pairs of cubes i < j whose boxes are within reach: at most two cubes away along each axis."""
    found = np.empty((4 * keys.size, 2), np.int64)
    n = 0
    for i in range(keys.size):
        for dx in range(3):
            for dy in range(-2, 3):
                row = keys[i] + (dx << 2 * _BITS) + (dy << _BITS)
                j = max(np.searchsorted(keys, row - 2), i + 1)
                while j < keys.size and keys[j] <= row + 2:
                    gap = 0.0
                    for c in range(3):
                        gap += max(0.0, low[j, c] - high[i, c], low[i, c] - high[j, c]) ** 2
                    if gap <= distance * distance:
                        if n == found.shape[0]:
                            found = np.concatenate((found, np.empty_like(found)))
                        found[n, 0], found[n, 1] = i, j
                        n += 1
                    j += 1
    return found[:n]


@kernel
def _core(cloud, start, pairs, low, high, distance, points):
    """Mark the core points; only those of sparse cubes have to look beyond their cube."""
    seen = np.zeros(cloud.shape[0], np.int64)
    for i in range(start.size - 1):
        seen[start[i] : start[i + 1]] = start[i + 1] - start[i]
    for p in range(pairs.shape[0]):
        for side in range(2):
            i, j = pairs[p, side], pairs[p, 1 - side]
            if start[i + 1] - start[i] >= points:
                continue
            for k in range(start[i], start[i + 1]):
                if seen[k] < points and _reach(cloud, k, low, high, j, distance):
                    m = start[j]
                    while m < start[j + 1] and seen[k] < points:
                        seen[k] += _close(cloud, k, m, distance)
                        m += 1
    return seen >= points


@kernel
def _touch(cloud, core, start, i, j, low, high, distance):
    """Whether a core point of one cube is near a core point of the other."""
    for k in range(start[i], start[i + 1]):
        if core[k] and _reach(cloud, k, low, high, j, distance):
            for m in range(start[j], start[j + 1]):
                if core[m] and _close(cloud, k, m, distance):
                    return True
    return False


@kernel
def _labels(cloud, core, start, pairs, parent, low, high, distance):
    """Name each point's cluster by a cube of it, -1 for noise: that of a core point in its cube, or else near it."""
    label = np.full(cloud.shape[0], -1)
    for i in range(start.size - 1):
        if core[start[i] : start[i + 1]].any():
            label[start[i] : start[i + 1]] = _root(parent, i)
    for p in range(pairs.shape[0]):
        for side in range(2):
            i, j = pairs[p, side], pairs[p, 1 - side]
            for k in range(start[i], start[i + 1]):
                if label[k] < 0 and _reach(cloud, k, low, high, j, distance):
                    for m in range(start[j], start[j + 1]):
                        if core[m] and _close(cloud, k, m, distance):
                            label[k] = _root(parent, j)
                            break
    return label


@kernel
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _reach(cloud, k, low, high, j, distance):
    """Whether a point may have a neighbour in a cube."""
    gap = 0.0
    for c in range(3):
        gap += max(0.0, low[j, c] - cloud[k, c], cloud[k, c] - high[j, c]) ** 2
    return gap <= distance * distance


@kernel
def _close(cloud, k, m, distance):
    x = float(cloud[k, 0]) - cloud[m, 0]
    y = float(cloud[k, 1]) - cloud[m, 1]
    z = float(cloud[k, 2]) - cloud[m, 2]
    return x * x + y * y + z * z <= distance * distance
