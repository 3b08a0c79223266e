"""Kernels equal the naive twin, at all sizes: 1×1, 1×N, N×1, odd (each kernel alone: tests/aug/synthesis)."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks import straight
from das3d_aug import Recipe, render

RECIPE = Recipe(dropout=0, area=(0.05, 0.5), sigma=(1, 4), texture_operations=2)
SIZES = st.integers(1, 70)


@pytest.mark.filterwarnings("ignore:depth has no range")
def test_all_of_them_together_on_any_size(record_property):
    compared = []

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(shape=st.tuples(SIZES, SIZES), seed=st.integers(0, 2**32))
    @example(shape=(1, 1), seed=0)
    @example(shape=(1, 64), seed=1)
    @example(shape=(64, 1), seed=2)
    @example(shape=(1, 2), seed=3)
    @example(shape=(63, 65), seed=4)
    def compare(shape, seed):
        rng = np.random.default_rng(seed)
        rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        depth = rng.uniform(0.4, 0.6, shape).astype(np.float32)
        if min(shape) > 2:
            depth[0, 0] = 0
        everywhere = np.ones(shape, bool)
        plan = RECIPE.draw(shape, seed=seed)
        if np.ptp(depth[depth > 0]) == 0:  # magnitudes in a range that is none: the twin has no rule for it
            assert render(rgb, depth, plan, foreground=everywhere).depth.tobytes() == depth.tobytes()
            return
        fast = render(rgb, depth, plan, foreground=everywhere)
        slow = straight.render(rgb, depth, plan, given=everywhere)
        same = fast.mask == slow.mask
        assert (~same).sum() <= 2
        assert np.abs(fast.depth.astype(float) - slow.depth)[same].max(initial=0) < 1e-5
        # A texture coordinate on a texel's edge may fall to either side: few pixels, never many.
        off = np.abs(fast.rgb.astype(float) - slow.rgb)[same].max(axis=-1, initial=0) > 1.01
        assert off.sum() <= max(2, off.size // 500)
        compared.append(int(fast.mask.sum()))

    compare()
    assert sum(count > 0 for count in compared) > 30
    record_property(
        "figure", f"{len(compared)} sizes from 1×1, {sum(compared):,} defective pixels: all within rounding"
    )
