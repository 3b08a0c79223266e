"""The memory of normal patches: distances by a literal twin, a sample that covers, and what is far from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from das3d_ref.model.memory import Memory, coreset, nearest_distances


def features(seed, *, shift=0.0):
    """Return features of one image at strides 8 and 16; ``shift`` moves those of one place."""
    random = torch.Generator().manual_seed(seed)
    found = {8: torch.randn(1, 6, 12, 10, generator=random), 16: torch.randn(1, 9, 6, 5, generator=random)}
    found[8][:, :, 7, 2] += shift
    return found


def test_distances_are_those_of_a_literal_search():
    random = torch.Generator().manual_seed(0)
    points, bank = torch.randn(9, 5, generator=random), torch.randn(7, 5, generator=random)
    literal = [min(float((point - other).norm()) for other in bank) for point in points]
    assert nearest_distances(points, bank).tolist() == pytest.approx(literal, abs=1e-3)


def test_a_coreset_takes_the_farthest_of_what_is_left():
    line = torch.tensor([[0.0], [1.0], [10.0], [4.0], [5.5]])
    assert coreset(line, 3).tolist() == [[0.0], [10.0], [5.5]]
    assert coreset(line, 9) is line


def test_what_was_seen_is_near_and_what_was_not_is_far():
    memory = Memory.fit(map(features, range(4)), (8, 16), size=10_000, each=10_000, seed=0)
    assert memory.distances(features(2)).max() < 1e-2
    found = memory.distances(features(2, shift=9.0))
    assert found.shape == (12, 10)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert abs(row - 7) <= 1  # features are means over 3 x 3 neighbours
    assert abs(column - 2) <= 1


def test_a_memory_has_its_size_and_is_drawn_by_its_seed():
    one, same, other = (
        Memory.fit(map(features, range(4)), (8, 16), size=20, each=50, seed=seed).tensors["patches"]
        for seed in (1, 1, 2)
    )
    assert len(one) == 20
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
