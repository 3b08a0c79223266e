"""Severity against its definition, written straight; and the kinds of anomaly."""

from __future__ import annotations

import numpy as np
import pytest

import das3d_aug as das
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis import Severity, kind_of, measure_severity

PART = make_part("potato", seed=3, index=0, size=64)


def straight(rgb, depth, pair, foreground):
    valid = [z for z, inside in zip(depth.ravel().tolist(), foreground.ravel(), strict=True) if inside and z > 0]
    marked = [bool(m) for m, inside in zip(pair.mask.ravel(), foreground.ravel(), strict=True) if inside]
    moved = max(abs(float(d)) for d in pair.delta.ravel())
    scale = 255 if rgb.dtype == np.uint8 else 1
    changes = [
        abs(float(pair.rgb[y, x, c]) - float(rgb[y, x, c])) / scale
        for y, x in zip(*np.nonzero(pair.mask), strict=True)
        for c in range(3)
    ]
    return Severity(
        coverage=sum(marked) / len(marked),
        depth_change=moved,
        relative_depth_change=moved / (max(valid) - min(valid)),
        colour_change=sum(changes) / len(changes),
    )


@pytest.mark.parametrize("modality", ["rgbd", "rgb", "depth"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("given", [False, True])
def test_severity_is_what_it_is_defined_as(modality, dtype, given):
    rgb = PART.rgb if dtype == np.uint8 else (PART.rgb / 255).astype(dtype)
    recipe = das.Recipe(dropout=0.0, modality=modality, area=(0.05, 0.2))
    foreground = PART.foreground & PART.valid if given else None
    pair = das.synthesize(rgb, PART.depth, recipe=recipe, seed=4, foreground=foreground)
    assert pair.mask.any()
    inside = das.foreground_mask(PART.depth) if foreground is None else foreground
    found, wanted = (
        measure_severity(rgb, PART.depth, pair, foreground=foreground),
        straight(rgb, PART.depth, pair, inside),
    )
    for name in ("coverage", "depth_change", "relative_depth_change", "colour_change"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-6, abs=1e-12), name
    assert (found.depth_change > 0) == (modality != "rgb")
    assert (found.colour_change > 0) == (modality != "depth")
    assert kind_of(pair) == {"rgbd": "both"}.get(modality, modality)


def test_a_normal_sample_has_none():
    pair = das.synthesize(PART.rgb, PART.depth, recipe=das.Recipe(dropout=1.0), seed=0)
    assert kind_of(pair) == "normal"
    nothing = Severity(coverage=0.0, depth_change=0.0, relative_depth_change=0.0, colour_change=0.0)
    assert measure_severity(PART.rgb, PART.depth, pair) == nothing


def test_a_flat_object_has_no_relative_change():
    depth = np.full((32, 32), 500, np.uint16)
    recipe = das.Recipe(dropout=0.0, magnitude_unit="depth", magnitude=(20, 20), mask_threshold=2.0, area=(0.2, 0.2))
    rgb = np.full((32, 32, 3), 90, np.uint8)
    pair = das.synthesize(rgb, depth, recipe=recipe, seed=1, foreground=depth > 0)
    found = measure_severity(rgb, depth, pair, foreground=depth > 0)
    assert found.depth_change == np.abs(pair.depth.astype(int) - 500).max() > 0
    assert found.relative_depth_change == 0.0


def test_what_a_hole_loses_is_no_change_of_depth():
    depth = (0.5 + 0.01 * np.random.default_rng(0).random((64, 64))).astype(np.float32)  # no background behind it
    rgb = np.full((64, 64, 3), 90, np.uint8)
    pair = das.synthesize(rgb, depth, recipe=das.Recipe(kinds={"hole": 1}, dropout=0.0, size=(0.2, 0.3)), seed=2)
    assert (pair.depth[pair.mask] == 0).any()
    found = measure_severity(rgb, depth, pair)
    kept = np.where(pair.depth > 0, pair.depth - depth, 0)
    assert found.depth_change == np.abs(kept).max() < 0.1


def test_arrays_that_do_not_fit_are_refused():
    pair = das.synthesize(PART.rgb, PART.depth, recipe=das.Recipe(dropout=0.0), seed=0)
    with pytest.raises(ParameterError, match="mask must be bool or integers of 32 x 64"):
        measure_severity(PART.rgb[:32], PART.depth[:32], pair)
