"""What figures of pixels are made of: how many lie above each value of an anomalous pixel, exactly, in flat memory.

The anomalous pixels are kept (`mark`).  All pixels then pass by once more, a map at a time, and are counted among the
values of the anomalous ones: as unsigned integers of the same order, their keys, which are sorted by 16 bits at a time
(a radix sort: two passes for float32), a chunk at a time, and merged with the sorted values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError

__all__ = ["Counts", "Marked", "count", "mark"]

_CHUNK = 2**18  # pixels that are sorted together: fewer are merged too often, more leave the processor's caches
_BITS = 16
_GROUPS = 1000

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Marked:
    """What is kept of an image when its map and mask are gone: its anomalous pixels.

    Attributes
    ----------
    values : ndarray of float32 or float64, N
        Of the map.
    shares : ndarray of float64, N
        What share of its region each pixel is.
    regions, pixels : int
        How many regions, and how many pixels with the normal ones.
    """

    values: NDArray[np.floating]
    shares: Floats
    regions: int
    pixels: int


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts at each value (K) of an anomalous pixel, from the largest; of several sets of images along a first axis.

    Attributes
    ----------
    above, not_below : ndarray, … x K
        Normal pixels above the value, and not below it.
    found : ndarray, … x K
        Anomalous pixels not below it.
    covered : ndarray, … x K
        The sum over all regions of the share not below it.
    normal, anomalous, regions : ndarray, …
        How many there are.
    """

    above: Array
    not_below: Array
    found: Array
    covered: Array
    normal: Array
    anomalous: Array
    regions: Array

    @property
    def rates(self) -> tuple[Floats, Floats]:
        """The false-positive rates from which and up to which the anomalous pixels of a value are found."""
        return _share(self.above, self.normal), _share(self.not_below, self.normal)

    @property
    def recall(self) -> Floats:
        """The share of the anomalous pixels not below a value."""
        return _share(self.found, self.anomalous)

    @property
    def overlap(self) -> Floats:
        """The mean over regions of the share not below a value."""
        return _share(self.covered, self.regions)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether there are normal and anomalous pixels."""
        return np.asarray((self.normal > 0) & (self.anomalous > 0))

    def drawn(self, times: Floats) -> Counts:
        """Return the counts of sets (R) that have each image (N) so many times (R x N), from counts of each image."""
        return Counts(*(times @ getattr(self, field.name) for field in fields(self)))


def mark(anomaly_map: Array, mask: NDArray[np.bool_], *, name: str) -> Marked:
    """Find the anomalous pixels and regions of an image.

    Parameters
    ----------
    anomaly_map, mask : ndarray, H x W
    name : str
        Of the map, for errors.

    Raises
    ------
    ParameterError
        If the shapes differ, or the map holds NaN or anything but numbers.
    """
    if anomaly_map.ndim != 2 or anomaly_map.shape != mask.shape or not anomaly_map.size:
        raise ParameterError(f"{name} has the shape {anomaly_map.shape}, its mask {mask.shape}; H x W is expected")
    if anomaly_map.dtype.kind not in "biuf":
        raise ParameterError(f"{name} must hold numbers, got {anomaly_map.dtype}")
    kind = np.float32 if np.can_cast(anomaly_map.dtype, np.float32) else np.float64
    floats: NDArray[np.floating] = anomaly_map.astype(kind, copy=False)
    if np.isnan(floats).any():
        raise ParameterError(f"{name} holds NaN, which is neither more nor less anomalous than anything")
    truth = np.asarray(mask, bool)
    rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
    if not rows.size:
        return Marked(floats[:0, 0].copy(), np.zeros(0), 0, truth.size)
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # to label whole images takes as long as all else
    inside = truth[box]
    regions, number = ndimage.label(inside, np.ones((3, 3)))
    region = regions[inside]
    return Marked(floats[box][inside], 1 / np.bincount(region)[region], number, truth.size)


def count(maps: Iterable[Array], marked: Sequence[Marked], *, by_image: bool) -> tuple[Counts, Counts | None]:
    """Count the pixels of all images at each value; and those of each image at groups of values, if asked for.

    Of more than 1000 values neighbours form groups and count as tied, about 1000 groups with equal shares of anomalous
    pixels and of overlap, so they are fine where curves rise.  Counts of an image take 32 kB.

    Parameters
    ----------
    maps : iterable of ndarray, H x W
        Without NaN, read once.
    marked : sequence of Marked
        What `mark` found in the same maps.
    by_image : bool
        Whether to count by image, too.
    """
    values, place = np.unique(np.concatenate([one.values for one in marked]), return_inverse=True)
    tied = np.bincount(place, minlength=values.size)[::-1]
    shares = np.bincount(place, np.concatenate([one.shares for one in marked]), minlength=values.size)[::-1]
    found, covered = tied.cumsum(), shares.cumsum()
    groups = _group(values[::-1], found, covered)
    counter, images = _Counter(values), []
    for image, one in zip(maps, marked, strict=True):
        keys = _to_keys(np.asarray(image, values.dtype).ravel())
        if by_image:
            images.append(_count_image(keys, one, *groups))
        counter.add(keys)
    above, not_below = (counts[::-1] for counts in counter.counts())
    anomalous, pixels = int(tied.sum()), sum(one.pixels for one in marked)
    totals = (np.asarray(total) for total in (pixels - anomalous, anomalous, sum(one.regions for one in marked)))
    counts = Counts(above - (found - tied), not_below - found, found, covered, *totals)
    return counts, Counts(*map(np.array, zip(*images, strict=True))) if by_image else None


def _group(values: Array, found: Array, covered: Array) -> tuple[Array, Array]:
    """Return the largest and the smallest values of groups of the values, given from the largest."""
    if values.size <= _GROUPS:
        return values, values
    place = np.ceil((found / found[-1] + covered / covered[-1]) / 2 * _GROUPS)
    changes = np.flatnonzero(np.diff(place)) + 1
    return values[np.append(0, changes)], values[np.append(changes, values.size) - 1]


def _count_image(keys: Array, one: Marked, largest: Array, smallest: Array) -> tuple[Array | int, ...]:
    """Return the fields of `Counts` of one image, at groups of values."""
    ordered = _sort(keys.copy(), np.empty_like(keys))
    above = ordered.size - np.searchsorted(ordered, _to_keys(largest), side="right")
    not_below = ordered.size - np.searchsorted(ordered, _to_keys(smallest), side="left")
    group = np.searchsorted(-smallest, -one.values)
    tied = np.bincount(group, minlength=smallest.size)
    found, covered = tied.cumsum(), np.bincount(group, one.shares, minlength=smallest.size).cumsum()
    anomalous = one.values.size
    return above - (found - tied), not_below - found, found, covered, one.pixels - anomalous, anomalous, one.regions


def _share(part: Array, whole: Array) -> Floats:
    """Divide along the last axis; what is of nothing is 0."""
    return np.asarray(part / np.maximum(whole, 1)[..., None])


class _Counter:
    """Counts keys by where they lie among sorted, different values; holds these and one chunk."""

    def __init__(self, values: NDArray[np.floating]) -> None:
        self._values = _to_keys(values)
        self._slots = np.zeros(2 * values.size + 1, np.int64)  # below the first value, at it, below the second, …
        self._chunk = np.empty(max(_CHUNK, values.size), self._values.dtype)
        self._spare = np.empty_like(self._chunk)
        self._held = 0

    def add(self, keys: Array) -> None:
        while keys.size:
            part = keys[: self._chunk.size - self._held]
            self._chunk[self._held : self._held + part.size] = part
            self._held += part.size
            keys = keys[part.size :]
            if self._held == self._chunk.size:
                self._flush()

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many keys are above each value, and how many are not below it."""
        self._flush()
        not_below = self._slots[::-1].cumsum()[::-1]
        return not_below[2::2], not_below[1::2]

    def _flush(self) -> None:
        if self._held:
            _merge(_sort(self._chunk[: self._held], self._spare[: self._held]), self._values, self._slots)
            self._held = 0


def _to_keys(numbers: NDArray[np.floating]) -> Array:
    """Return unsigned integers in the order of the floats; equal floats, also -0 and 0, have equal ones."""
    kind: Any = np.uint32 if numbers.dtype == np.float32 else np.uint64
    keys: Array = (numbers + numbers.dtype.type(0)).view(kind)  # -0 + 0 is 0
    _order(keys, kind(1) << kind(8 * keys.itemsize - 1))
    return keys


@kernel
def _order(bits: Any, sign: Any) -> None:
    """Turn the bits of floats to the order of integers: with the sign set all are flipped, else it alone."""
    for k in range(bits.size):
        bits[k] = ~bits[k] if bits[k] & sign else bits[k] | sign


@kernel
def _sort(keys: Any, spare: Any) -> Any:
    """Sort by the lowest digit first, between two arrays, and return the one that is sorted."""
    digits = np.uint64(2**_BITS - 1)
    places = np.empty(2**_BITS, np.uint32)
    for low in range(0, 8 * keys.itemsize, _BITS):
        shift = np.uint64(low)
        places[:] = 0
        for key in keys:
            places[(key >> shift) & digits] += np.uint32(1)
        if places[(keys[0] >> shift) & digits] == keys.size:
            continue  # it is the same of all
        total = np.uint32(0)
        for digit in range(places.size):
            number = places[digit]
            places[digit] = total
            total += number
        for key in keys:
            digit = (key >> shift) & digits
            spare[places[digit]] = key
            places[digit] += np.uint32(1)
        keys, spare = spare, keys
    return keys


@kernel
def _merge(keys: Any, values: Any, slots: Any) -> None:
    """Add how many sorted keys lie between the values and at them."""
    k = 0
    for v in range(values.size):
        first = k
        while k < keys.size and keys[k] < values[v]:
            k += 1
        slots[2 * v] += k - first
        first = k
        while k < keys.size and keys[k] == values[v]:
            k += 1
        slots[2 * v + 1] += k - first
    slots[-1] += keys.size - k
