"""Every figure against a literal sweep over all thresholds and against scikit-learn; the curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.maps import large_set
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from das3d_aug.errors import ParameterError
from das3d_ref.metrics import FIGURES, PUBLISHED, aupro, counting, evaluate_maps, image_auroc, mark, measure

LIMITS = (0.3, 0.1, 0.05, 0.01)


def parts(maps, masks):
    """Return the values of each region, and those of all normal pixels."""
    regions = []
    for image, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [image[labels == k + 1] for k in range(count)]
    return regions, np.concatenate([image[~mask] for image, mask in zip(maps, masks, strict=True)])


def curve(maps, masks):
    """Every threshold's (false-positive rate, mean overlap of the regions), by definition."""
    regions, normal = parts(maps, masks)
    # Above infinity there is nothing; None stands for a threshold that nothing reaches.
    thresholds = [None, *sorted({value for image in maps for value in image.ravel()}, reverse=True)]
    rates = [0.0 if t is None else np.mean(normal >= t) for t in thresholds]
    overlaps = [0.0 if t is None else np.mean([np.mean(region >= t) for region in regions]) for t in thresholds]
    return rates, overlaps


def area(rates, overlaps, limit):
    """Sum the trapezia left of the limit; the one that crosses it is cut."""
    total = 0.0
    for k in range(len(rates) - 1):
        (x0, x1), (y0, y1) = rates[k : k + 2], overlaps[k : k + 2]
        if x0 >= limit or x1 == x0:
            continue
        end = min(x1, limit)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        total += (end - x0) * (y0 + y_end) / 2
    return total / limit


def area_by_sweep(maps, masks, limit):
    return area(*curve(maps, masks), limit)


def area_of_few_thresholds(maps, masks, limit, thresholds):
    """The normal pixels in order; at equal steps of rank: 1 - (rank + 1) / number, and the overlap above the value."""
    regions, normal = parts(maps, masks)
    normal = np.sort(normal)
    rates, overlaps = [1.0], [1.0]
    for rank in np.linspace(0, len(normal) - 1, thresholds, dtype=int):
        rates.append(1 - (rank + 1) / len(normal))
        overlaps.append(np.mean([np.mean(region > normal[rank]) for region in regions]))
    return area(rates[::-1], overlaps[::-1], limit)


def random_set(seed, *, levels, dtype=np.float32):
    rng = np.random.default_rng(seed)
    maps = [rng.integers(0, levels, size).astype(dtype) / dtype(levels) for size in ((9, 12), (7, 7), (1, 30))]
    masks = [ndimage.binary_dilation(rng.random(image.shape) > 0.93) for image in maps]
    masks[1][:] = False
    masks[0][2, 2] = True
    return [image + dtype(0.3) * mask for image, mask in zip(maps, masks, strict=True)], masks


def expected(maps, masks):
    """Figures of pixels by scikit-learn and the sweep."""
    truth, flat = (np.concatenate([image.ravel() for image in images]) for images in (masks, maps))
    precision, recall, _ = precision_recall_curve(truth, flat)
    return {
        "P-AUROC": roc_auc_score(truth, flat),
        "AP": average_precision_score(truth, flat),
        "F1": np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300)),
        **{f"AUPRO@{limit:g}": area_by_sweep(maps, masks, limit) for limit in LIMITS},
    }


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    levels=st.sampled_from([1, 2, 5, 10**6]),
    dtype=st.sampled_from([np.float32, np.float64]),
    shift=st.sampled_from([0, -0.6, -7]),
)
def test_figures_are_those_of_the_sweep_and_of_scikit_learn(seed, levels, dtype, shift):
    maps, masks = random_set(seed, levels=levels, dtype=dtype)
    maps = [image + dtype(shift) for image in maps]
    found = evaluate_maps(maps, masks, [0.3, 0.2, 0.9], [True, False, True])
    assert tuple(found) == FIGURES
    assert found.pop("I-AUROC") == 1.0
    assert found == pytest.approx(expected(maps, masks), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), levels=st.sampled_from([1, 3, 10**6]), limit=st.sampled_from([0.01, 0.3, 0.77, 1.0]))
def test_few_thresholds_are_the_literal_ones(seed, levels, limit):
    maps, masks = random_set(seed, levels=levels)
    for thresholds in (2, 10, 100, 1000):
        found = aupro(maps, masks, limits=(limit,), thresholds=thresholds)
        wanted = area_of_few_thresholds(maps, masks, limit, thresholds)
        assert found == pytest.approx({limit: wanted}, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_image_auroc_is_scikit_learn_s(pairs):
    scores, labels = zip(*pairs, strict=True)
    if len(set(labels)) == 2:
        assert image_auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_degenerate_maps():
    mask = np.zeros((8, 8), bool)
    mask[2:4, 2:4] = True
    flat = np.full((8, 8), 0.5, np.float32)
    assert aupro([flat], [mask], limits=(1.0,))[1.0] == pytest.approx(0.5)
    assert aupro([flat], [mask])[0.3] == pytest.approx(0.15)  # half the limit: the diagonal
    assert set(aupro([mask.astype(np.float32)], [mask]).values()) == {1.0}
    assert set(aupro([1.0 - mask], [mask]).values()) == {0.0}


def test_regions_touch_at_corners():
    mask = np.eye(6, dtype=bool)
    image = np.zeros((6, 6), np.float32)
    image[0, 0] = 1  # one sixth of the one region
    assert aupro([image], [mask], limits=(0.01,))[0.01] == pytest.approx(1 / 6, abs=0.01)


def test_infinities_and_zeros_of_both_signs_are_ordered():
    maps, masks = random_set(3, levels=4)
    maps[0][2, 2:5], maps[0][4, :3], maps[2][0, :4] = math.inf, -math.inf, math.inf
    maps[1][:2], maps[0][6, :6], maps[2][0, 5:9] = -0.0, 0.0, -0.0
    masks[0][6, 2:4] = True
    found = evaluate_maps(maps, masks, [0, 1, 2], [True, False, True])
    # scikit-learn takes no infinity: the same order in other numbers
    finite = [np.clip(image, -9, 9) + 0.0 for image in maps]
    assert {name: found[name] for name in FIGURES[1:]} == pytest.approx(expected(finite, masks), abs=1e-9)


def test_values_are_compared_in_their_own_type():
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    near = np.where(mask, 1 + 1e-12, 1.0)  # equal as float32
    assert aupro([near], [mask])[0.3] == 1.0
    assert aupro([near.astype(np.float32)], [mask])[0.3] == pytest.approx(0.15)
    empty = np.zeros((4, 4), bool)
    mixed = [np.full((4, 4), 1 - 1e-12), np.ones((4, 4), np.float32)]  # the one without a region is the finer
    assert aupro(mixed, [empty, mask])[0.3] == pytest.approx(0.3 / 2 / (12 / 28))
    maps, masks = random_set(2, levels=50)
    whole = [np.uint16(1000 * image) for image in maps]
    assert evaluate_maps(whole, masks, [1, 2, 3], [True, False, True]) == pytest.approx(
        {"I-AUROC": 0.5, **expected(whole, masks)}
    )


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_chunks_add_up(monkeypatch, chunk):
    maps, masks, *_ = large_set(4, 20)
    whole = aupro(maps, masks)
    monkeypatch.setattr(counting, "_CHUNK", chunk)
    assert aupro(maps, masks) == whole
    masks[1][:], masks[3][:] = False, False
    masks[1][3, 4:6] = True  # few values, so the chunk is not longer
    few = aupro(maps, masks)
    assert few == pytest.approx({limit: area_by_sweep(maps, masks, limit) for limit in LIMITS}, abs=1e-9)


def test_what_cannot_be_said_is_nan():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    image = np.zeros((4, 4), np.float32)
    for mask in (empty, full):
        for thresholds in (None, 100):
            assert all(math.isnan(value) for value in aupro([image], [mask], thresholds=thresholds).values())
        assert all(math.isnan(value) for value in evaluate_maps([image], [mask], [0.0], [False]).values())
        found = measure([1, 2], [True, True], maps=[image] * 2, marked=[mark(image, mask, name="")] * 2)
        assert (found.intervals, found.curves) == ({}, {})
    assert math.isnan(image_auroc([0.1, 0.2], [True, True]))
    # An anomalous image without a marked pixel: only the images can be judged.
    found = evaluate_maps([image, image], [empty, empty], [1.0, 0.0], [True, False])
    assert found["I-AUROC"] == 1.0
    assert all(math.isnan(found[name]) for name in FIGURES[1:])


def test_what_does_not_fit_is_named():
    image, mask = np.zeros((3, 3)), np.zeros((3, 3), bool)
    for maps, masks, said in (
        ([image, image[:, :2]], [mask, mask], r"map 1 has the shape \(3, 2\), its mask \(3, 3\)"),
        ([image[0]], [mask[0]], r"map 0 has the shape \(3,\)"),
        ([image[:0]], [mask[:0]], r"map 0 has the shape \(0, 3\)"),
        ([image], [], "must be as many, got 1 and 0"),
        ([], [], "must be as many, got 0 and 0"),
        ([image, image + np.nan], [mask, mask], "map 1 holds NaN"),
        ([image.astype(str)], [mask], "map 0 must hold numbers"),
    ):
        with pytest.raises(ParameterError, match=said):
            aupro(maps, masks)
    with pytest.raises(ParameterError, match="limits must be above 0 and at most 1, got 30"):
        aupro([image], [mask], limits=(0.1, 30))
    with pytest.raises(ParameterError, match="thresholds must be at least 2, got 1"):
        aupro([image], [mask], thresholds=1)
    with pytest.raises(ParameterError, match="must be as many, got 1 and 2"):
        image_auroc([1.0], [True, False])
    with pytest.raises(ParameterError, match="number 1 is"):
        image_auroc([1.0, math.nan], [True, False])


def test_curves_are_short_and_have_the_areas_of_their_figures():
    maps, masks, scores, labels = large_set()
    marked = [mark(*pair, name="") for pair in zip(maps, masks, strict=True)]
    found = measure(scores, labels, maps=maps, marked=marked, replicates=0, as_published=True)
    assert tuple(found.figures) == FIGURES + PUBLISHED
    assert found.intervals == {}
    assert list(found.figures.values())[-4:] == [pytest.approx(v) for v in aupro(maps, masks, thresholds=100).values()]
    x, y = found.curves["PRO"]
    assert len(x) == len(y) <= 500
    assert (x[0], y[0], x[-1]) == (0, 0, 0.3)
    assert all(np.diff(x) >= 0)
    assert all(np.diff(y) >= 0)
    assert np.trapezoid(y, x) / 0.3 == pytest.approx(found.figures["AUPRO@0.3"], abs=1e-3)
    x, y = found.curves["ROC"]
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(found.figures["I-AUROC"])


def test_a_long_roc_is_thinned():
    rng = np.random.default_rng(0)
    labels = rng.random(4000) > 0.4
    scores = rng.normal(size=4000) + labels
    found = measure(scores, labels, replicates=0)
    x, y = found.curves["ROC"]
    assert len(x) <= 500
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(found.figures["I-AUROC"], abs=1e-3)


def test_replicates_are_no_part_of_what_is_compared_or_shown():
    scores, labels = np.random.default_rng(0).random(40), np.arange(40) % 2 == 0
    one, other = (measure(scores, labels, replicates=50) for _ in range(2))
    assert one.replicates
    assert one == other
    assert "replicates" not in repr(one)
