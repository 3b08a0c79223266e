"""How severe a synthetic anomaly is: what is recorded beside each generated sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth, as_mask, as_rgb
from das3d_aug.synthesis.foreground import axis_sign, scan
from das3d_aug.synthesis.pair import AnomalyPair

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
        Largest absolute change of depth, in the depth's unit.
    relative_depth_change : float
        The same over the object's range of depth: largest minus smallest valid depth of the foreground, before
        the change.  0 if the range is 0.
    colour_change : float
        Mean absolute change of colour over the pixels and channels of the mask, 0 … 1 of full scale.
    """

    coverage: float
    depth_change: float
    relative_depth_change: float
    colour_change: float


def measure_severity(
    rgb: NDArray[Any], depth: NDArray[Any], pair: AnomalyPair, *, foreground: NDArray[np.bool_] | None = None
) -> Severity:
    """Measure a pair against the normal one that it was made from.

    Parameters
    ----------
    rgb, depth : numpy.ndarray
        The normal pair, as it was given to `das3d_aug.synthesize`.
    pair : AnomalyPair
        What came out.
    foreground : numpy.ndarray of bool, H x W, optional
        As it was given to `das3d_aug.synthesize`.

    Returns
    -------
    Severity

    Raises
    ------
    ParameterError
        If an array has another shape or dtype than the pair's.
    """
    z = as_depth(depth)
    image = as_rgb(rgb, z.shape)
    given = None if foreground is None else as_mask(foreground, z.shape, "foreground")
    mask = as_mask(pair.mask, z.shape, "mask")
    if not mask.any():
        return Severity(coverage=0.0, depth_change=0.0, relative_depth_change=0.0, colour_change=0.0)
    inside, _, _, low, high = scan(z, axis_sign(pair.plan.depth_axis), given=given)
    largest = float(np.abs(pair.delta).max())
    full_scale = 255.0 if image.dtype == np.uint8 else 1.0
    # Whole numbers are added up without rounding, so the sum is the same on every machine.
    exact = np.int64 if image.dtype == np.uint8 else np.float64
    change = np.abs(pair.rgb[mask].astype(exact) - image[mask].astype(exact))
    return Severity(
        coverage=int((mask & (inside != 0)).sum()) / max(1, int(inside.sum(dtype=np.int64))),
        depth_change=largest,
        relative_depth_change=largest / (high - low) if high > low else 0.0,
        colour_change=float(change.sum()) / (change.size * full_scale),
    )


def kind_of(pair: AnomalyPair) -> Kind:
    """Say which modalities are anomalous; "normal" if dropout (eq. 12) and threshold (eq. 7) left nothing."""
    rgb, depth = bool(pair.rgb_changed.any()), bool(pair.depth_changed.any())
    if rgb and depth:
        return "both"
    return "rgb" if rgb else "depth" if depth else "normal"
