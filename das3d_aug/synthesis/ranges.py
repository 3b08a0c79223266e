"""What a number is drawn from: a range, a few values, or a normal distribution between two ends."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, TypeAlias

from das3d_aug._arguments import ReadOnly, check_number
from das3d_aug.errors import ParameterError, quoted
from das3d_aug.randomness import Stream

__all__ = ["Distribution", "Range", "Span", "as_range", "as_span", "draw_log", "draw_whole"]

Range: TypeAlias = tuple[float, float]
Span: TypeAlias = Range | Mapping[str, Any]

_LEAST = 1e-3  # of a normal distribution, that must lie between the ends
_FORMS = "{ choice = [0.05, 0.3] } or { normal = [mean, deviation], within = [low, high] }"


class Distribution(ReadOnly[tuple[float, ...]]):
    """``choice``, or ``normal`` and ``within``."""

    def draw(self, stream: Stream) -> float:
        """Draw a number; a normal one takes one draw of the stream too, by the inverse of its distribution."""
        if "choice" in self:
            return stream.choice(self["choice"])
        normal, (low, high) = NormalDist(*self["normal"]), self["within"]
        share = stream.uniform(normal.cdf(low), normal.cdf(high))
        return min(max(normal.inv_cdf(min(max(share, 1e-12), 1 - 1e-12)), low), high)


def as_range(name: str, value: Any, low: float, high: float) -> Range:
    """Check a range (low, high) of numbers between ``low`` and ``high``."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ParameterError(f"{name} must be a range (low, high), got {quoted(value)}")
    first, second = (check_number(name, end, low, high) for end in value)
    if first > second:
        raise ParameterError(f"{name} must be a range (low, high) with low <= high, got {quoted(value)}")
    return first, second


def as_span(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> Range | Distribution:
    """Check a range or a distribution of numbers, of whole ones if so asked, between ``low`` and ``high``."""
    if not isinstance(value, Mapping):
        if isinstance(value, (tuple, list)) and len(value) > 2:
            raise ParameterError(f"{name} must be a range (low, high), or {_FORMS}, got {quoted(value)}")
        ends = as_range(name, value, low, high)
        found: Range | Distribution = ends
        numbers: tuple[float, ...] = ends
    elif value.keys() == {"choice"}:
        options = value["choice"]
        if not isinstance(options, (tuple, list)) or not options:
            raise ParameterError(f"{name}.choice must be a list of numbers, got {quoted(options)}")
        numbers = tuple(check_number(f"{name}.choice", number, low, high) for number in options)
        found = Distribution(choice=numbers)
    elif value.keys() == {"normal", "within"}:
        ends = as_range(f"{name}.within", value["within"], low, high)
        found = Distribution(normal=_normal(f"{name}.normal", value["normal"], ends, high), within=ends)
        numbers = ends
    else:
        raise ParameterError(f"{name} must be a range (low, high), or {_FORMS}, got {quoted(value)}")
    if not whole:
        return found
    if any(number != int(number) for number in numbers):
        raise ParameterError(f"{name} must be whole numbers, got {quoted(value)}")
    integers = tuple(int(number) for number in numbers)
    if not isinstance(found, Distribution):
        return integers[0], integers[1]
    return Distribution(found | {"choice" if "choice" in found else "within": integers})


def _normal(name: str, value: Any, within: Range, most: float) -> Range:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ParameterError(f"{name} must be mean and standard deviation, got {quoted(value)}")
    mean, deviation = check_number(name, value[0], -most, most), check_number(name, value[1], 1e-12, most)
    normal = NormalDist(mean, deviation)
    if within[0] < within[1] and normal.cdf(within[1]) - normal.cdf(within[0]) < _LEAST:
        raise ParameterError(f"{name} must lie about what is within {quoted(within)}, got {quoted(value)}")
    return mean, deviation


def draw_log(stream: Stream, span: Span) -> float:
    """Draw a length: of a range log-uniform, and 0 if it begins there."""
    if isinstance(span, Mapping):
        return Distribution(span).draw(stream)
    low, high = span
    return stream.log_uniform(low, high) if low > 0 else 0.0


def draw_whole(stream: Stream, span: Span) -> int:
    """Draw a whole number: evenly of a range, rounded of a distribution."""
    if isinstance(span, Mapping):
        return round(Distribution(span).draw(stream))
    low, high = span
    return stream.integer(int(low), int(high))
