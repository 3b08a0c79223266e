"""Units of length."""

from __future__ import annotations

from typing import Any

from das3d_aug.errors import ParameterError

__all__ = ["to_unit"]

_MICROMETRES = {"m": 1e6, "cm": 1e4, "mm": 1e3, "um": 1.0}


def to_unit(values: Any, unit: str, target: str) -> Any:
    """Convert lengths from one unit to another: m, cm, mm or um; equal names of any unit leave them as they are.

    Raises
    ------
    ParameterError
        If the units differ and one of them is none of these.
    """
    if unit == target:
        return values
    for name in (unit, target):
        if name not in _MICROMETRES:
            raise ParameterError(f"{unit!r} cannot be converted to {target!r}; units are {', '.join(_MICROMETRES)}")
    old, new = _MICROMETRES[unit], _MICROMETRES[target]
    return values * (old / new) if old > new else values / (new / old)  # 1000 is a float exactly, 0.001 is not
