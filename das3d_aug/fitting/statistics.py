"""Figures of labelled defects that ask only for a mask: how large, how long, how dark, how deep, and where.

A defect is a connected piece of the mask; pieces that lie close together are one, since a mask of separate specks
marks one event.  What surrounds it, without the pixels next to a mask, which mix both, says how the part would
look there: the mean colour of this ring, and a surface through its depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis import Policy, find_foreground

__all__ = ["DefectStatistics", "measure"]

_APART = 0.02  # of the part's extent: pieces that are nearer are one defect
_SPECK = 4  # pixels: a smaller piece is none, unless it is all there is
_BESIDE = 1.5  # pixels next to a mask
_FEWEST = 8  # pixels that say something of a ring
_AROUND = 0.75  # of a ring, for a curved surface through it: with less it would be extrapolated
_OUTLIER = 3.0  # robust standard deviations from the surface
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class DefectStatistics:
    """Figures of N defects on S samples; NaN where one could not be measured.

    Attributes
    ----------
    sample : ndarray of int, N
        On which sample a defect is, 0 … S - 1.
    count : ndarray of float64, S
        Defects of each sample.
    pixels : ndarray of float64, N
    area : ndarray of float64, N
        Share of the part's pixels.
    length : ndarray of float64, N
        Four standard deviations along the main axis (the length of an ellipse), over the part's extent (the square
        root of its area in pixels).
    elongation : ndarray of float64, N
        Width over length, in (0, 1].
    luminance : ndarray of float64, N
        Mean luma (Rec. 601) inside minus that of the ring, of full scale: below 0 it is darker.
    colour : ndarray of float64, N
        Distance of the mean RGB inside from that of the ring, of full scale of a channel.
    height : ndarray of float64, N
        Median depth inside minus the surface through the ring's depth, over the part's range of depth: above 0 it is
        a dent.
    depth_change : ndarray of float64, N
        The same in ``unit``.
    edge : ndarray of float64, N
        Mean distance to the part's edge, over the largest one on the part: 0 at the edge, 1 in the middle.
    unit : str
        Of the samples' depth; "mixed" if they differ.
    """

    sample: NDArray[np.int64]
    count: Values
    pixels: Values
    area: Values
    length: Values
    elongation: Values
    luminance: Values
    colour: Values
    height: Values
    depth_change: Values
    edge: Values
    unit: str

    def __len__(self) -> int:
        """Return how many defects there are."""
        return len(self.pixels)

    def __repr__(self) -> str:
        """Say how many there are, and the medians."""
        names = [f.name for f in fields(self) if f.name not in ("sample", "count", "unit")]
        known = {name: found[np.isfinite(found)] for name in names if (found := getattr(self, name)).size}
        medians = ", ".join(f"{name} {np.median(found):.3g}" for name, found in known.items() if found.size)
        return f"DefectStatistics({len(self)} defects on {len(self.count)} samples; medians: {medians})"

    def signs(self, least: float = 0.01) -> tuple[int, int]:
        """Return how many are dents and how many bumps: those whose ``height`` is at least so large, either way."""
        return int(np.count_nonzero(self.height >= least)), int(np.count_nonzero(self.height <= -least))


def measure(samples: Iterable[Sample], *, foreground: Policy = "auto") -> DefectStatistics:
    """Measure the defects of samples whose masks are known; one without a mask, or with an empty one, has none.

    Parameters
    ----------
    samples : iterable of Sample
        With colour, depth or both.
    foreground : {"auto", "all", "plane"}
        Where the part is in samples that do not say it, as `das3d_aug.find_foreground`; what the mask marks belongs
        to it.

    Returns
    -------
    DefectStatistics
        Of the samples that have defects, in their order.

    Raises
    ------
    ParameterError
        If ``foreground`` is none of the policies.
    """
    rows: list[dict[str, float]] = []
    of: list[int] = []
    counts: list[int] = []
    units = set()
    for sample in samples:
        found = [] if sample.mask is None or not sample.mask.any() else _defects(sample, sample.mask, foreground)
        if found:
            of += [len(counts)] * len(found)
            counts.append(len(found))
            rows += found
            units.add(sample.unit)
    return DefectStatistics(
        sample=np.array(of, np.int64),
        count=np.array(counts, np.float64),
        unit=units.pop() if len(units) == 1 else "mixed" if units else "unknown",
        **{name: np.array([row[name] for row in rows], np.float64) for name in _MEASURED},
    )


_MEASURED = ("pixels", "area", "length", "elongation", "luminance", "colour", "height", "depth_change", "edge")


def _defects(sample: Sample, mask: Mask, foreground: Policy) -> list[dict[str, float]]:
    """Measure the defects of one sample."""
    from scipy import ndimage  # here and below, since it takes a moment to load

    part, spans = _part(sample, mask, foreground)
    extent = math.sqrt(np.count_nonzero(part))
    beside = ndimage.distance_transform_edt(~mask)
    to_edge = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    rgb = None if sample.rgb is None else sample.rgb.astype(np.float64) / 255
    found = []
    for piece in _pieces(mask, beside, max(extent * _APART / 2, 1.0)):
        rows, columns = np.nonzero(piece)
        length, width = _axes(rows, columns)
        ring, whole = _ring(piece, part & (beside > _BESIDE))
        luminance = colour = change = math.nan
        if rgb is not None and np.count_nonzero(ring) >= _FEWEST:
            difference = rgb[piece].mean(axis=0) - rgb[ring].mean(axis=0)
            luminance, colour = float(difference @ _LUMA), float(np.linalg.norm(difference))
        if sample.depth is not None and sample.valid is not None:
            change = _depth_change(sample.depth, piece & sample.valid, ring & sample.valid, whole)
        found.append(
            {
                "pixels": float(rows.size),
                "area": rows.size / extent**2,
                "length": length / extent,
                "elongation": width / length,
                "luminance": luminance,
                "colour": colour,
                "height": change / spans if spans > 0 else math.nan,
                "depth_change": change,
                "edge": float(to_edge[piece].mean() / to_edge.max()),
            }
        )
    return found


def _part(sample: Sample, mask: Mask, foreground: Policy) -> tuple[Mask, float]:
    """Return where the part is, and its range of depth without the defects; 0 if it is not known."""
    given = foreground if sample.foreground is None else sample.foreground
    if sample.depth is None:
        if isinstance(given, str):
            if given not in ("auto", "all"):
                raise ParameterError(f"foreground must be 'auto' or 'all' without depth, got {given!r}")
            return np.ones(sample.shape, np.bool_), 0.0
        return given | mask, 0.0
    part = find_foreground(sample.depth, given).mask | mask
    found = find_foreground(sample.depth, part & ~mask)
    return part, found.high - found.low


def _pieces(mask: Mask, beside: Values, reach: float) -> list[Mask]:
    """Return the pixels of each defect: those of pieces that touch when each grows by ``reach`` pixels."""
    from scipy import ndimage

    labels, count = ndimage.label(beside <= reach, np.ones((3, 3)))
    sizes = np.bincount(labels[mask], minlength=count + 1)
    return [mask & (labels == one) for one in range(1, count + 1) if sizes[one] >= min(_SPECK, sizes.max())]


def _axes(rows: NDArray[Any], columns: NDArray[Any]) -> tuple[float, float]:
    """Return length and width: four standard deviations of squares of a pixel's side."""
    spread = np.cov(np.stack([rows, columns]), bias=True) + np.eye(2) / 12
    narrow, wide = np.linalg.eigvalsh(spread)
    return 4 * math.sqrt(wide), 4 * math.sqrt(narrow)


def _ring(piece: Mask, usable: Mask) -> tuple[Mask, float]:
    """Return the usable pixels around a piece, and how many there would be if nothing cut the ring off.

    It is half as wide as the radius of a disc of the piece's area, and at least three pixels.
    """
    from scipy import ndimage

    width = max(math.sqrt(np.count_nonzero(piece) / math.pi) / 2, 3.0) + _BESIDE
    pad = math.ceil(width) + 1
    rows, columns = (np.flatnonzero(piece.any(axis=axis)) for axis in (1, 0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    away = ndimage.distance_transform_edt(~np.pad(piece[window], pad))
    around = (away > _BESIDE) & (away <= width)
    ring = np.pad(np.zeros_like(piece), pad)
    ring[rows[0] : rows[-1] + 1 + 2 * pad, columns[0] : columns[-1] + 1 + 2 * pad] = around
    return ring[pad:-pad, pad:-pad] & usable, float(np.count_nonzero(around))


def _depth_change(depth: NDArray[np.float32], inside: Mask, ring: Mask, whole: float) -> float:
    """Return the median depth inside over a surface through the ring: of 2nd order if that lies all around, else flat.

    Pixels of the ring that lie far from a first surface do not count for the second.
    """
    if not inside.any() or np.count_nonzero(ring) < _FEWEST:
        return math.nan
    rows, columns = np.nonzero(ring)
    centre, scale = (rows.mean(), columns.mean()), max(float(np.ptp(rows)), float(np.ptp(columns)), 1.0)
    curved = rows.size >= _AROUND * whole

    def terms(rows: NDArray[Any], columns: NDArray[Any]) -> Values:
        y, x = (rows - centre[0]) / scale, (columns - centre[1]) / scale
        flat = [np.ones_like(y), y, x]
        return np.stack([*flat, y * y, x * y, x * x] if curved else flat, axis=1)

    across, z = terms(rows, columns), depth[ring].astype(np.float64)
    surface = np.linalg.lstsq(across, z, rcond=None)[0]
    off = np.abs(z - across @ surface)
    kept = off <= _OUTLIER * 1.4826 * np.median(off)
    if np.count_nonzero(kept) >= _FEWEST:
        surface = np.linalg.lstsq(across[kept], z[kept], rcond=None)[0]
    return float(np.median(depth[inside] - terms(*np.nonzero(inside)) @ surface))
