"""The ternary and the refined mask of the synthesis: where the part is changed, and what counts as anomalous.

* ternary mask ``M_p`` of the noise (eq. 1), multiplied by the foreground ``M_f`` (`foreground.py`) to ``M_t`` (eq. 2);
* refined mask ``M*`` (eq. 7): where the change of depth is large enough to be called a defect.

These are the equations alone, for figures and to try; `synthesize` computes the same, fused with eqs 3 to 6, in
`delta.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError

__all__ = ["refine_mask", "ternary_mask"]


def ternary_mask(noise: NDArray[Any], threshold: float) -> NDArray[np.int8]:
    """Ternarise noise: -1 below ``-threshold``, +1 above ``threshold``, 0 between (eq. 1).

    Parameters
    ----------
    noise : ndarray of float, H x W
    threshold : float
        ``t_p`` >= 0; prior: 0.5 (DRAEM).

    Returns
    -------
    ndarray of int8, H x W
    """
    values = np.asarray(noise)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise ParameterError(f"noise must be a float H x W array, got {values.dtype} {values.shape}")
    limit = _non_negative("threshold", threshold)
    return (values > limit).astype(np.int8) - (values < -limit).astype(np.int8)


def refine_mask(delta: NDArray[Any], magnitude: float, threshold: float) -> NDArray[np.bool_]:
    """Mark where the change of depth reaches the threshold: ``M* = [p_z |Delta_Z| >= t_h]`` (eq. 7).

    Parameters
    ----------
    delta : ndarray of float, H x W
        ``Delta_Z``, the filtered mask.
    magnitude : float
        ``p_z`` >= 0.
    threshold : float
        ``t_h`` > 0, in the unit of ``magnitude`` (at 0 every pixel would be anomalous).

    Returns
    -------
    ndarray of bool, H x W
    """
    values = np.asarray(delta)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise ParameterError(f"delta must be a float H x W array, got {values.dtype} {values.shape}")
    if _non_negative("threshold", threshold) == 0:
        raise ParameterError("threshold must be > 0: at 0 every pixel would be anomalous")
    return np.abs(values) * values.dtype.type(_non_negative("magnitude", magnitude)) >= threshold


def _non_negative(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value < math.inf:
        raise ParameterError(f"{name} must be a finite number >= 0, got {value!r}")
    return float(value)
