"""Figures of defects against their definitions written out, and against defects of known size, colour and depth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.defects import statistics

from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.fitting import measure

NAMES = ("pixels", "area", "length", "elongation", "luminance", "colour", "height", "depth_change", "edge")


def naive(sample, part, spans):
    """Measure pixel by pixel; the part is known."""
    mask = sample.mask
    here = list(zip(*np.nonzero(mask), strict=True))
    extent = math.sqrt(part.sum())
    grid = list(np.ndindex(mask.shape))
    away = {at: min(math.dist(at, other) for other in here) for at in grid}
    joined, pieces = {at for at in grid if away[at] <= max(0.01 * extent, 1)}, []
    while joined:
        piece, edge = set(), [joined.pop()]
        while edge:
            y, x = edge.pop()
            piece.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & joined
            joined -= near
            edge += near
        pieces.append([at for at in piece if mask[at]])
    largest = max(map(len, pieces))
    pieces = sorted((sorted(piece) for piece in pieces if len(piece) >= min(4, largest)), key=min)
    outside = [at for at in np.ndindex(mask.shape[0] + 2, mask.shape[1] + 2) if not np.pad(part, 1)[at]]
    to_edge = {at: min(math.dist((at[0] + 1, at[1] + 1), other) for other in outside) for at in grid if part[at]}
    rows = []
    for piece in pieces:
        y, x = np.array(piece, float).T
        cov = np.array([[y.var(), ((y - y.mean()) * (x - x.mean())).mean()], [0, x.var()]])
        trace, product = cov[0, 0] + cov[1, 1] + 1 / 6, (cov[0, 0] + 1 / 12) * (cov[1, 1] + 1 / 12) - cov[0, 1] ** 2
        root = math.sqrt(max(trace**2 / 4 - product, 0))
        wide, narrow = trace / 2 + root, trace / 2 - root
        width = max(math.sqrt(len(piece) / math.pi) / 2, 3) + 1.5
        whole = [
            at
            for at in np.ndindex(mask.shape[0] + 40, mask.shape[1] + 40)
            if 1.5 < min(math.dist(at, (p[0] + 20, p[1] + 20)) for p in piece) <= width
        ]
        ring = [(v - 20, u - 20) for v, u in whole if (v - 20, u - 20) in away]
        ring = [at for at in ring if part[at] and away[at] > 1.5]
        colours = [np.mean([sample.rgb[at] / 255 for at in some], axis=0) for some in (piece, ring)]
        difference = colours[0] - colours[1]
        measured = [at for at in ring if sample.valid[at]]
        curved = len(measured) >= 0.75 * len(whole)

        def terms(at, curved=curved):
            v, u = (side / 10 for side in at)
            return [1, v, u, v * v, u * v, u * u] if curved else [1, v, u]

        for _ in range(2):
            a, z = np.array([terms(at) for at in measured]), np.array([float(sample.depth[at]) for at in measured])
            surface = np.linalg.solve(a.T @ a, a.T @ z)
            off = np.abs(z - a @ surface)
            limit = 3 * 1.4826 * np.median(off)
            measured = [at for at, far in zip(measured, off, strict=True) if far <= limit]
        inside = [at for at in piece if sample.valid[at]]
        change = np.median([sample.depth[at] - np.dot(terms(at), surface) for at in inside])
        rows.append(
            (
                len(piece), len(piece) / extent**2, 4 * math.sqrt(wide) / extent, math.sqrt(narrow / wide),
                difference @ (0.299, 0.587, 0.114), math.sqrt((difference**2).sum()), change / spans, change,
                np.mean([to_edge[at] for at in piece]) / max(to_edge.values()),
            )
        )  # fmt: skip
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_its_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros((26, 30), bool)
    for _ in range(seed % 3 + 1):
        y, x, high, wide = random.integers([1, 1, 1, 2], [20, 22, 6, 8])
        mask[y : y + high, x : x + wide] = random.random((high, wide)) < 0.8
    depth = (2 + 0.01 * random.random(mask.shape) + np.arange(30) * 0.003).astype(np.float32)
    depth[mask] += 0.05
    depth[random.random(mask.shape) < 0.05] = 0
    part = np.ones(mask.shape, bool)
    part[:, : seed * 2] = False
    part |= mask
    sample = Sample.from_arrays(
        random.integers(0, 255, (*mask.shape, 3), np.uint8), depth, mask=mask, foreground=part, unit="mm"
    )
    rest = depth[part & ~mask & (depth > 0)]
    part = (part & (depth > 0)) | mask  # what was not measured is no part
    found = measure([sample])
    expected = naive(sample, part, float(rest.max()) - float(rest.min()))
    assert len(found) == len(expected) > 0
    rows = np.stack([getattr(found, name) for name in NAMES], axis=1)
    rows, expected = (np.array(sorted(map(tuple, table))) for table in (rows, expected))
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-6)


def dented(*, length: float, width: float, deep: float, size: int = 128) -> Sample:
    """An ellipse, darker and deeper by known amounts, on a curved surface."""
    y, x = np.mgrid[:size, :size].astype(float)
    mask = ((x - 70) / (length / 2)) ** 2 + ((y - 50) / (width / 2)) ** 2 < 1
    surface = 500 + 0.1 * x - 0.05 * y + 0.002 * (x - 60) ** 2
    rgb = np.full((size, size, 3), (200, 100, 50), np.uint8)
    rgb[mask] = (149, 100, 50)
    return Sample.from_arrays(rgb, (surface + deep * mask).astype(np.float32), mask=mask, unit="mm")


def test_a_known_defect() -> None:
    found = measure([dented(length=40, width=16, deep=3.0)], foreground="all")
    assert found.unit == "mm"
    assert found.length[0] * 128 == pytest.approx(40, rel=0.02)
    assert found.elongation[0] == pytest.approx(0.4, rel=0.03)
    assert found.area[0] == found.pixels[0] / 128**2 == pytest.approx(math.pi * 20 * 8 / 128**2, rel=0.02)
    assert found.luminance[0] == pytest.approx(-0.2 * 0.299, abs=1e-3)
    assert found.colour[0] == pytest.approx(0.2, abs=1e-3)
    assert found.depth_change[0] == pytest.approx(3.0, abs=0.01)
    clean = dented(length=40, width=16, deep=0.0)
    assert clean.depth is not None
    assert clean.mask is not None
    assert found.height[0] == pytest.approx(3.0 / np.ptp(clean.depth[~clean.mask]), rel=0.01)
    assert 0.6 < found.edge[0] < 0.8  # 50 of 64 rows, less what lies above its middle


def test_a_bump_is_negative_and_stray_pixels_beside_it_do_not_count() -> None:
    sample = dented(length=30, width=30, deep=-2.0)
    assert sample.depth is not None
    sample.depth[30, 60:80] = 700.0
    assert measure([sample], foreground="all").depth_change[0] == pytest.approx(-2.0, abs=0.05)


def test_signs_are_counted_beyond_a_least_height() -> None:
    some = replace(statistics(0, 5), height=np.array([0.3, 0.01, -0.02, 0.009, np.nan]))
    assert some.signs() == (2, 1)
    assert some.signs(0.1) == (1, 0)


def test_specks_close_together_are_one_defect_and_single_pixels_none() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:24, 20:40:2] = True  # columns with a gap between them
    mask[60:70, 60:70] = True
    mask[90, 10] = True
    sample = Sample.from_arrays(np.zeros((100, 100), np.uint8), mask=mask)
    found = measure([sample])
    assert found.count.tolist() == [2]
    assert sorted(found.pixels) == [40, 100]
    alone = np.zeros((100, 100), bool)
    alone[90, 10] = True
    assert measure([Sample.from_arrays(np.zeros((100, 100), np.uint8), mask=alone)]).pixels.tolist() == [1]


def test_what_a_modality_does_not_tell_is_nan() -> None:
    sample = dented(length=30, width=30, deep=2.0)
    colour = measure([Sample.from_arrays(sample.rgb, mask=sample.mask)])
    depth = measure([Sample.from_arrays(depth=sample.depth, mask=sample.mask)], foreground="all")
    assert np.isnan([colour.height, colour.depth_change, depth.luminance, depth.colour]).all()
    assert np.isfinite([colour.luminance, colour.length, depth.height, depth.length]).all()
    assert sample.depth is not None
    lost = np.where(sample.mask, 0, sample.depth)
    assert np.isnan(measure([Sample.from_arrays(sample.rgb, lost, mask=sample.mask)], foreground="all").height).all()


def test_samples_without_a_defect_are_passed_over() -> None:
    sample = dented(length=30, width=30, deep=2.0)
    normal = Sample.from_arrays(sample.rgb, sample.depth, mask=np.zeros((128, 128), bool))
    found = measure([normal, Sample.from_arrays(sample.rgb), sample, sample], foreground="all")
    assert found.sample.tolist() == [0, 1]
    assert "2 defects on 2 samples" in repr(found)
    none = measure([normal])
    assert len(none) == len(none.count) == 0
    with pytest.raises(ParameterError, match="foreground"):
        measure([Sample.from_arrays(sample.rgb, mask=sample.mask)], foreground="plane")
