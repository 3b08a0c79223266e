"""Spreads of numbers that come one by one are those of all of them together."""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from das3d_aug.generation import Spread, spreads
from das3d_aug.generation.spreads import Numbers

RNG = np.random.default_rng(0)


def spread(numbers: Any) -> Spread | None:
    found = Numbers()
    for number in numbers:
        found.add(number)
    return found.spread()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 50, 51])
@pytest.mark.parametrize(
    "draw",
    [
        lambda count: RNG.integers(1, 9, count).tolist(),  # many alike
        lambda count: RNG.integers(1, 10**6, count).tolist(),
        lambda count: RNG.lognormal(0, 3, count).tolist(),
        lambda count: [0.0] * count,
    ],
)
def test_few_are_exact_and_of_their_type(draw: Callable[[int], list[float]], count: int) -> None:
    numbers = draw(count)
    found, median = spread(numbers), statistics.median(numbers)
    assert found == Spread(least=min(numbers), median=median, most=max(numbers))
    assert found is not None
    assert [type(one) for one in (found.least, found.median, found.most)] == [
        *map(type, (numbers[0], median, numbers[0]))
    ]


def test_none_have_no_spread() -> None:
    assert spread([]) is None


@pytest.mark.parametrize("count", [101, 1000, 2001])
def test_of_many_the_median_is_a_thousandth_too_small_at_most(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(spreads, "_EXACT", 100)
    for numbers in (
        RNG.lognormal(0, 3, count).tolist(),
        RNG.integers(0, 640_000, count).tolist(),
        [1e-9, *[0.1] * (count - 2), 5e9],
    ):
        found, median = spread(numbers), statistics.median(numbers)
        assert found is not None
        assert (found.least, found.most) == (min(numbers), max(numbers))
        assert 0.999 * median <= found.median <= median
        assert type(found.median) is type(median)


def test_memory_does_not_follow_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreads, "_EXACT", 1000)
    numbers = RNG.uniform(1, 2, 40_000).tolist()
    found, held = Numbers(), []
    tracemalloc.start()
    try:
        for place, number in enumerate(numbers, start=1):
            found.add(number)
            if place % 20_000 == 0:
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[1] < held[0] + 20_000  # where 20 000 floats take 160 000 bytes and more
