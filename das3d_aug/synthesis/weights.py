"""Weights by name, of what is drawn: kinds of defects, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from das3d_aug._arguments import ReadOnly, check_number
from das3d_aug.errors import ParameterError, quoted
from das3d_aug.randomness import Stream

__all__ = ["as_weights", "weighted"]


def as_weights(field: str, value: Any, example: str, check_name: Callable[[str], object]) -> ReadOnly[float]:
    """Check weights of a recipe's field, of which one must be above 0; ``check_name`` raises for an unknown name."""
    if not isinstance(value, Mapping) or not value:
        raise ParameterError(f"{field} must be weights by name, such as {{{example!r}: 1}}, got {quoted(value)}")
    for name in value:
        check_name(name)
    weights = ReadOnly({name: check_number(f"{field}.{name}", weight, 0, 1e9) for name, weight in value.items()})
    if not any(weights.values()):
        raise ParameterError(f"{field} must have a weight above 0, all are 0")
    return weights


def weighted(stream: Stream, weights: Mapping[str, float]) -> str:
    """Draw a name with a chance in proportion to its weight."""
    left = stream.uniform(0.0, sum(weights.values()))
    for name, weight in weights.items():
        left -= weight
        if left < 0 and weight > 0:
            return name
    return max(weights, key=lambda name: weights[name])  # rounding: nothing is left of the last one
