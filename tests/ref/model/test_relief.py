"""Residual depth: by a literal twin, what a plane leaves over, holes, and what a dent of each scale does."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from das3d_ref.model.relief import MISSING, RESIDUALS, relief

ROWS, COLUMNS = np.mgrid[:64, :80].astype(np.float32)
PLANE = 100 + 0.5 * ROWS - 0.25 * COLUMNS
WHOLE = np.ones(PLANE.shape, bool)


def dent(sigma, depth=2.0):
    return PLANE + np.float32(depth) * np.exp(-((ROWS - 30) ** 2 + (COLUMNS - 40) ** 2) / (2 * sigma**2))


def test_a_plane_leaves_nothing():
    found = relief(PLANE, measured=WHOLE, part=WHOLE)
    assert found.shape == (RESIDUALS + 1, *PLANE.shape)
    assert found.dtype == np.float32
    assert np.abs(found[:RESIDUALS]).max() < 1e-3
    assert (found[RESIDUALS] == 1).all()


def test_the_scales_are_differences_of_gaussians_of_the_residual():
    bumps = PLANE + np.sin(ROWS / 3) * np.cos(COLUMNS / 4)
    found = relief(bumps, measured=WHOLE, part=WHOLE)
    basis = np.stack([ROWS.ravel(), COLUMNS.ravel(), np.ones(ROWS.size)], axis=1)
    fitted = np.ones(ROWS.size, bool)
    for _ in range(3):
        plane, *_ = np.linalg.lstsq(basis[fitted], bumps.ravel()[fitted], rcond=None)
        rest = bumps.ravel() - basis @ plane
        fitted = np.abs(rest) <= 2.5 * 1.4826 * np.median(np.abs(rest[fitted]))
    rest = rest.reshape(bumps.shape)
    inner = np.s_[24:40, 24:56]  # both agree on what lies beyond an edge only far from it
    for channel, sigma in ((0, 80 / 64), (1, 80 / 32), (2, 80 / 16)):
        wanted = ndimage.gaussian_filter(rest, 0.8) - ndimage.gaussian_filter(rest, sigma)
        np.testing.assert_allclose(found[channel][inner], wanted[inner], atol=0.02)


def test_a_dent_shows_where_it_lies_a_narrow_one_on_all_scales_a_wide_one_on_the_coarse():
    narrow, wide = (relief(dent(sigma), measured=WHOLE, part=WHOLE) for sigma in (1.5, 12.0))
    for found in (narrow, wide):
        assert np.unravel_index(found[4].argmax(), PLANE.shape) == (30, 40)
        assert found[4, 30, 40] > 1  # deeper is positive
    assert narrow[0, 30, 40] > 0.1 * narrow[4, 30, 40]
    assert wide[0, 30, 40] < 0.02 * wide[4, 30, 40] < 0.2 * wide[3, 30, 40]


def test_what_is_not_the_part_is_0_and_does_not_tilt_the_plane():
    part = (ROWS > 10) & (COLUMNS > 20)
    found = relief(np.where(part, PLANE, 500).astype(np.float32), measured=WHOLE, part=part)
    assert np.abs(found[:RESIDUALS]).max() < 1e-3
    assert (found[RESIDUALS] == part).all()


def test_holes_of_the_part_are_its_own_and_missing_measurements_are_seen():
    part = WHOLE.copy()
    part[20:24, 20:24] = False
    assert (relief(PLANE, measured=WHOLE, part=part)[RESIDUALS] == 1).all()
    measured = WHOLE.copy()
    measured[40:48, 40:48] = False
    missing = relief(PLANE, measured=measured, part=WHOLE)[MISSING]
    assert missing[44, 44] > 0.9
    assert missing[10, 10] == 0


def test_the_unit_scales_all_but_what_is_missing():
    one, thousand = (relief(dent(5) * np.float32(k), measured=WHOLE, part=WHOLE) for k in (1, 1000))
    np.testing.assert_allclose(thousand[:MISSING], one[:MISSING] * 1000, atol=2)
    assert np.abs(thousand[0]).max() > 10
