"""Outlines filled again are the mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers.outlines import filled, unrun
from numpy.typing import NDArray
from scipy import ndimage

from das3d_aug.labels.outlines import box, joined, regions, runs, without_between


def masks() -> dict[str, NDArray[np.bool_]]:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(40, 60)), 2) > 0.03
    ring = np.zeros((12, 15), bool)
    ring[2:11, 3:14] = True
    ring[4:9, 5:8] = ring[4:6, 9:12] = False
    nested = ring.copy()
    nested[6, 6] = True
    diagonal = np.eye(9, dtype=bool)
    line = np.zeros((20, 20), bool)
    line[7, 2:18] = True
    return {
        "one pixel": np.eye(1, dtype=bool),
        "all": np.ones((5, 7), bool),
        "line": line,
        "diagonal": diagonal,
        "crossing": diagonal | diagonal[::-1],
        "holes": ring,
        "island in a hole": nested,
        "blots": smooth,
        **{f"noise {share}": rng.random((23, 31)) < share for share in (0.1, 0.5, 0.9)},
    }


@pytest.mark.parametrize("name", masks())
def test_outlines_filled_again_are_the_mask(name: str) -> None:
    mask = masks()[name]
    found = regions(mask)
    rings = [without_between(ring) for rings in found for ring in rings]
    np.testing.assert_array_equal(filled(rings, mask.shape), mask)
    assert len(found) == ndimage.label(mask, np.ones((3, 3)))[1]
    for outline, *holes in found:
        alone = filled([outline], mask.shape)
        assert not any((filled([hole], mask.shape) & ~alone).any() for hole in holes)


@pytest.mark.parametrize("name", masks())
def test_regions_joined_to_one_ring_are_the_mask_too(name: str) -> None:
    mask = masks()[name]
    rings = [without_between(joined(region)) for region in regions(mask)]
    np.testing.assert_array_equal(filled(rings, mask.shape), mask)
    drawn = np.zeros(mask.shape, np.uint8)
    for ring in rings:  # as trainers do, whose polygons include their last pixels, and the way to a hole
        cv2.fillPoly(drawn, [ring.astype(np.int32)], 1)
    assert not ((drawn > 0) & ~ndimage.binary_dilation(mask, np.ones((3, 3)))).any()
    assert not (mask & (drawn == 0)).any()


@pytest.mark.parametrize("name", masks())
def test_runs_spelled_out_are_the_mask(name: str) -> None:
    mask = masks()[name]
    np.testing.assert_array_equal(unrun(runs(mask), mask.shape), mask)


def test_nothing_has_no_outline_and_a_box_has_its_last_pixel() -> None:
    mask = np.zeros((5, 6), bool)
    assert regions(mask) == []
    mask[1:3, 2:6] = True
    assert box(mask) == (2, 1, 4, 2)
    assert sorted(map(tuple, without_between(regions(mask)[0][0]).tolist())) == [(2, 1), (2, 3), (6, 1), (6, 3)]
