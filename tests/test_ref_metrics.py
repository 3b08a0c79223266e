"""AUROC and AUPRO against a literal sweep over all thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from das3d_aug.errors import ParameterError
from das3d_ref.metrics import FIGURES, aupro, evaluate_maps, image_auroc


def curve(maps, masks):
    """Every threshold's (false-positive rate, mean overlap of the regions), by definition."""
    regions = []
    for image, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [image[labels == k + 1] for k in range(count)]
    normal = np.concatenate([image[~mask] for image, mask in zip(maps, masks, strict=True)])
    thresholds = [math.inf, *sorted({value for image in maps for value in image.ravel()}, reverse=True)]
    rates = [np.mean(normal >= t) for t in thresholds]
    overlaps = [np.mean([np.mean(region >= t) for region in regions]) for t in thresholds]
    return np.array(rates), np.array(overlaps)


def area_by_sweep(maps, masks, limit):
    """Sum the trapezia left of the limit; the one that crosses it is cut."""
    total = 0.0
    rates, overlaps = curve(maps, masks)
    for k in range(len(rates) - 1):
        (x0, x1), (y0, y1) = rates[k : k + 2], overlaps[k : k + 2]
        if x0 >= limit or x1 == x0:
            continue
        end = min(x1, limit)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        total += (end - x0) * (y0 + y_end) / 2
    return total / limit


def auroc_by_pairs(scores, labels):
    good, bad = ([s for s, label in zip(scores, labels, strict=True) if label == k] for k in (False, True))
    return np.mean([[1.0 if b > g else 0.5 if b == g else 0.0 for b in bad] for g in good])


def random_set(seed, *, levels):
    rng = np.random.default_rng(seed)
    maps = [rng.integers(0, levels, size).astype(np.float32) / levels for size in ((9, 12), (7, 7), (1, 30))]
    masks = [ndimage.binary_dilation(rng.random(image.shape) > 0.93) for image in maps]
    masks[1][:] = False
    masks[0][2, 2] = True
    return [image + 0.3 * mask.astype(np.float32) for image, mask in zip(maps, masks, strict=True)], masks


@given(seed=st.integers(0, 1000), levels=st.sampled_from([2, 5, 10**6]), limit=st.sampled_from([0.01, 0.1, 0.3, 1.0]))
def test_aupro_is_the_sweep_s(seed, levels, limit):
    maps, masks = random_set(seed, levels=levels)
    assert aupro(maps, masks, limits=(limit,))[limit] == pytest.approx(area_by_sweep(maps, masks, limit), abs=1e-9)


def test_degenerate_maps():
    mask = np.zeros((8, 8), bool)
    mask[2:4, 2:4] = True
    flat = np.full((8, 8), 0.5, np.float32)
    assert aupro([flat], [mask], limits=(1.0,))[1.0] == pytest.approx(0.5)
    assert aupro([mask.astype(np.float32)], [mask])[0.3] == pytest.approx(1.0)
    assert aupro([1.0 - mask], [mask])[0.3] == pytest.approx(0.0)
    assert aupro([flat], [mask])[0.3] == pytest.approx(0.15)  # half the limit: the diagonal


def test_regions_touch_at_corners():
    mask = np.eye(6, dtype=bool)
    image = np.zeros((6, 6), np.float32)
    image[0, 0] = 1  # one sixth of the one region
    assert aupro([image], [mask], limits=(0.01,))[0.01] == pytest.approx(1 / 6, abs=0.01)


def test_what_cannot_be_said_is_nan():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    image = np.zeros((4, 4), np.float32)
    assert all(math.isnan(value) for value in aupro([image], [empty]).values())
    assert all(math.isnan(value) for value in aupro([image], [full]).values())
    assert math.isnan(image_auroc([0.1, 0.2], [True, True]))
    assert all(math.isnan(value) for value in evaluate_maps([image], [empty], [0.0], [False]).values())


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_auroc_is_the_share_of_pairs_in_order(pairs):
    scores, labels = zip(*pairs, strict=True)
    if len(set(labels)) == 2:
        assert image_auroc(scores, labels) == pytest.approx(auroc_by_pairs(scores, labels))


def test_all_figures():
    maps, masks = random_set(7, levels=9)
    scores, labels = [0.3, 0.2, 0.9], [True, False, True]
    found = evaluate_maps(maps, masks, scores, labels)
    assert tuple(found) == FIGURES
    flat, truth = np.concatenate([m.ravel() for m in maps]), np.concatenate([m.ravel() for m in masks])
    assert found["I-AUROC"] == 1.0
    assert found["P-AUROC"] == pytest.approx(auroc_by_pairs(flat, truth))
    recalls, precision = 0.0, 0.0
    for threshold in sorted(set(flat), reverse=True):
        above = flat >= threshold
        recall = truth[above].sum() / truth.sum()
        precision += truth[above].mean() * (recall - recalls)
        recalls = recall
    assert found["AP"] == pytest.approx(precision)
    for limit in (0.3, 0.1, 0.05, 0.01):
        assert found[f"AUPRO@{limit:g}"] == pytest.approx(area_by_sweep(maps, masks, limit), abs=1e-9)


def test_sizes_that_differ_are_refused():
    with pytest.raises(ParameterError, match="must be as many, and of the same shapes"):
        aupro([np.zeros((3, 3))], [np.zeros((3, 4), bool)])
    with pytest.raises(ParameterError, match="must be as many"):
        aupro([np.zeros((3, 3))], [])
