"""Checks of arguments at the public border: images, numbers and options.

The kernels see C-contiguous, native-endian, read-only arrays only, so each is compiled once per dtype.
"""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError, quoted

__all__ = [
    "ReadOnly",
    "as_depth",
    "as_float",
    "as_mask",
    "as_rgb",
    "assembled",
    "check_finite",
    "check_number",
    "check_option",
    "check_shape",
    "check_whole",
    "frozen",
]

# Python's and NumPy's numbers; `numbers` tells a type checker nothing of their operators.
_WHOLE: tuple[Any, ...] = (Integral,)
_NUMBERS: tuple[Any, ...] = (Real, Decimal)
_MAX_SIDE = 2**24
_Value = TypeVar("_Value")
_DEPTH_TYPES = (np.float32, np.float64, np.uint16)


class ReadOnly(dict[str, _Value]):
    """Values by name, as a field of a frozen dataclass: a dict to all who read, which stays as it was checked."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))  # equal ones, in whatever order, have one hash

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("these values are read-only: build another object, as with dataclasses.replace")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def assembled(kind: type[_Value], fields: dict[str, Any]) -> _Value:
    """Return an instance of a frozen dataclass that checks nothing, of all of its fields.

    Its own ``__init__`` sets them one by one, each through a call: for a sample's plan and pair that takes as long as
    drawing the numbers.
    """
    made = object.__new__(kind)
    made.__dict__.update(fields)
    return made


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a C-contiguous, native-endian, read-only array of the same values: a view where possible."""
    plain = array
    if type(array) is not np.ndarray or not array.flags.c_contiguous or not array.dtype.isnative:
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    view = plain.view()
    view.setflags(write=False)
    return view


def as_depth(depth: Any, name: str = "depth") -> NDArray[Any]:
    """Check a depth image: H x W of float32, float64 or uint16, not empty."""
    _refuse_other_arrays(depth, name)
    if not isinstance(depth, np.ndarray) or depth.ndim != 2 or depth.size == 0:
        raise ParameterError(f"{name} must be a non-empty H x W array, got {_shape(depth)}")
    if depth.dtype.type not in _DEPTH_TYPES:
        raise ParameterError(f"{name} must be one of float32, float64, uint16, got {depth.dtype}")
    return frozen(depth)


def as_rgb(rgb: Any, shape: tuple[int, int] | None = None, name: str = "rgb", *, grey: bool = False) -> NDArray[Any]:
    """Check a colour image: H x W x 3 of uint8, or of float32 in [0, 1] (the range is checked by the caller).

    With ``grey`` it may be H x W.
    """
    _refuse_other_arrays(rgb, name)
    wanted = "H x W x 3 (or grey H x W)" if grey else "H x W x 3"
    if not isinstance(rgb, np.ndarray) or rgb.size == 0 or not (rgb.shape[2:] == (3,) or (grey and rgb.ndim == 2)):
        raise ParameterError(f"{name} must be a non-empty {wanted} array, got {_shape(rgb)}")
    if rgb.dtype.type not in (np.uint8, np.float32):
        raise ParameterError(f"{name} must be uint8, or float32 in [0, 1], got {rgb.dtype}")
    if shape is not None and rgb.shape[:2] != shape:
        raise ParameterError(f"{name} is {rgb.shape[0]} x {rgb.shape[1]}, depth is {shape[0]} x {shape[1]}")
    return frozen(rgb)


def as_mask(mask: Any, shape: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """Check a mask of that height and width, bool or integers; return where it is not zero."""
    _refuse_other_arrays(mask, name)
    if not isinstance(mask, np.ndarray) or mask.dtype.kind not in "biu" or mask.shape != shape:
        kind = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ParameterError(f"{name} must be bool or integers of {shape[0]} x {shape[1]}, got {kind} {_shape(mask)}")
    return frozen(mask if mask.dtype == np.bool_ else mask != 0)


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number of Python's or NumPy's between ``low`` and ``high``, both included, as a float."""
    number = as_float(name, value)
    if not low <= number <= high:
        raise ParameterError(f"{name} must be in {low:g} … {high:g}, got {quoted(value)}")
    return number


def check_finite(name: str, value: Any) -> float:
    """Return a finite number of Python's or NumPy's as a float."""
    number = as_float(name, value)
    if not math.isfinite(number):
        raise ParameterError(f"{name} must be a finite number, got {quoted(value)}")
    return number


def as_float(name: str, value: Any) -> float:
    """Return a number of Python's or NumPy's (Decimal and Fraction too) as a float; beyond its range it is inf."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise ParameterError(f"{name} must be a number, got {quoted(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except ValueError:  # Decimal("sNaN")
        return math.nan


def check_whole(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number of Python's or NumPy's between ``low`` and ``high``, both included, as an int."""
    if isinstance(value, bool) or not isinstance(value, _WHOLE) or not low <= value <= high:
        raise ParameterError(f"{name} must be a whole number in {low} … {high}, got {quoted(value)}")
    return int(value)


def check_option(name: str, value: Any, options: tuple[str, ...]) -> None:
    """Refuse what is none of the options."""
    if not isinstance(value, str) or value not in options:
        raise ParameterError(f"{name} must be one of {', '.join(options)}, got {quoted(value)}")


def check_shape(shape: Any) -> tuple[int, int]:
    """Return height and width, each at least 1, as plain integers."""
    try:
        height, width = (side.__index__() for side in shape)
    except (AttributeError, TypeError, ValueError):
        raise ParameterError(f"shape must be (height, width), got {quoted(shape)}") from None
    if not (1 <= height <= _MAX_SIDE and 1 <= width <= _MAX_SIDE):
        raise ParameterError(f"shape must be (height, width), each 1 … {_MAX_SIDE}, got {quoted(shape)}")
    return height, width


def _refuse_other_arrays(value: Any, name: str) -> None:
    """Say how to make an array of what people often hand in instead."""
    if type(value) is np.ndarray:
        return
    if isinstance(value, np.ma.MaskedArray):
        raise ParameterError(f"{name} must be a plain array, got a masked one: give {name}.filled(0)")
    if isinstance(value, list | tuple):
        raise ParameterError(f"{name} must be an array, got a {type(value).__name__}: give numpy.asarray({name})")
    if hasattr(value, "numpy"):  # a tensor, of torch or of another framework, which is not imported to ask
        kind = type(value).__name__
        raise ParameterError(f"{name} must be a NumPy array, got a {kind}: give {name}.numpy(), channels last")


def _shape(value: Any) -> str:
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
