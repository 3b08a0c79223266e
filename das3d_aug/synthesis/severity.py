"""How severe a synthetic anomaly is: what is recorded beside each generated sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_mask
from das3d_aug.synthesis.foreground import Foreground, axis_sign, locate
from das3d_aug.synthesis.pair import AnomalyPair, as_pair, as_part
from das3d_aug.synthesis.part_range import part_range

__all__ = ["Kind", "Severity", "kind_of", "measure_severity"]

Kind: TypeAlias = Literal["normal", "rgb", "depth", "both"]


@dataclass(frozen=True, kw_only=True)
class Severity:
    """Four numbers, all zero for a normal sample.

    Attributes
    ----------
    coverage : float
        Share of the foreground's pixels that lie in the mask, 0 … 1.
    depth_change : float
        Largest absolute change of depth, in the depth's unit; pixels that a defect leaves without depth do not count.
    relative_depth_change : float
        The same over the object's range of depth: largest minus smallest valid depth of the foreground, without
        stray pixels (`das3d_aug.synthesis.part_range`), before the change.  0 if the range is 0.
    colour_change : float
        Mean absolute change of colour over the pixels and channels of the mask, 0 … 1 of full scale.
    """

    coverage: float
    depth_change: float
    relative_depth_change: float
    colour_change: float


def measure_severity(
    rgb: NDArray[Any] | None, depth: NDArray[Any] | None, pair: AnomalyPair, *, foreground: Foreground = "auto"
) -> Severity:
    """Measure a pair against the normal one that it was made from.

    Parameters
    ----------
    rgb, depth : numpy.ndarray or None
        The normal pair, as it was given to `das3d_aug.synthesize`.
    pair : AnomalyPair
        What came out.
    foreground : {"auto", "all", "plane"} or ndarray of bool or integers, H x W
        As it was given to `das3d_aug.synthesize`.

    Returns
    -------
    Severity

    Raises
    ------
    ParameterError
        If an array has another shape or dtype than the pair's.
    """
    image, z, shape = as_pair(rgb, depth)
    part = as_part(foreground, z, shape)
    mask = as_mask(pair.mask, shape, "mask")
    if not mask.any():
        return Severity(coverage=0.0, depth_change=0.0, relative_depth_change=0.0, colour_change=0.0)
    inside = np.ones(shape, np.bool_) if isinstance(part, str) else part
    largest = relative = 0.0
    if z is not None and pair.delta is not None:
        _, found = locate(z, part, axis_sign(pair.plan.depth_axis))
        inside = found[0].view(np.bool_)
        low, high = part_range(z, found)
        kept = pair.depth > 0 if pair.depth is not None else True  # of what is lost no change is known
        largest = float(np.abs(pair.delta, where=kept, out=np.zeros_like(pair.delta)).max())
        relative = largest / (high - low) if high > low else 0.0
    colour = 0.0
    if image is not None and pair.rgb is not None:
        colour = _colour_change(image[mask], pair.rgb[mask])
    return Severity(
        coverage=int(np.count_nonzero(mask & inside)) / max(1, int(np.count_nonzero(inside))),
        depth_change=largest,
        relative_depth_change=relative,
        colour_change=colour,
    )


def _colour_change(before: NDArray[Any], after: NDArray[Any]) -> float:
    full_scale = 255.0 if before.dtype == np.uint8 else 1.0
    # Whole numbers are added up without rounding, so the sum is the same on every machine.
    exact = np.int64 if before.dtype == np.uint8 else np.float64
    change = np.abs(after.astype(exact) - before.astype(exact))
    return float(change.sum()) / (change.size * full_scale)


def kind_of(pair: AnomalyPair) -> Kind:
    """Say which modalities are anomalous; "normal" if dropout (eq. 12) and threshold (eq. 7) left nothing."""
    rgb, depth = bool(pair.rgb_changed.any()), bool(pair.depth_changed.any())
    if rgb and depth:
        return "both"
    return "rgb" if rgb else "depth" if depth else "normal"
