"""Depth to (0, 1) and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.errors import ParameterError


@given(
    low=st.floats(0, 10),
    span=st.floats(0, 10),
    shares=st.lists(st.floats(-0.5, 2.0), min_size=1, max_size=20),
)
def test_normalisation_is_invertible_and_never_makes_an_invalid_pixel(
    low: float, span: float, shares: list[float]
) -> None:
    depth = np.array([low + share * span for share in shares] + [0.0, np.nan, -1.0, np.inf], np.float32)
    normalisation = Normalisation(low, low + span)
    normalised = normalisation.apply(depth)
    valid = np.isfinite(depth) & (depth > 0)
    np.testing.assert_array_equal(normalised > 0, valid)
    assert normalised.dtype == np.float32
    inside = valid & (depth >= low) & (span > 0)
    back = normalisation.invert(normalised)
    np.testing.assert_allclose(back[inside], depth[inside], rtol=2e-6, atol=2e-6 * (low + span))
    np.testing.assert_array_equal(back[~valid], 0)


@pytest.mark.parametrize("numbers", [(1.0, 0.5), (-1.0, 1.0), (0.0, np.inf), (np.nan, 1.0), ("0", 1.0), (True, 1.0)])
def test_a_range_that_is_none_is_refused(numbers: tuple[Any, Any]) -> None:
    with pytest.raises(ParameterError, match=r"low|high"):
        Normalisation(*numbers)
