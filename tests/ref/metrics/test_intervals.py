"""Intervals: replicates are sets drawn and measured again, and repeat with the seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.maps import large_set
from scipy import stats

from das3d_ref.metrics import FIGURES, auroc_aupro, counting, evaluate_maps, image_auroc, mark, measure


def replicate(times, images):
    return [image for image, count in zip(images, times.astype(int), strict=True) for _ in range(count)]


@pytest.mark.parametrize("levels", [5, 10**6])
def test_replicates_are_those_sets_measured_again(levels):
    maps, masks, scores, labels = large_set(20, 80)
    maps = [np.float32(np.rint(image * levels) / levels) for image in maps]
    marked = [mark(*pair, name="") for pair in zip(maps, masks, strict=True)]
    assert np.unique(np.concatenate([one.values for one in marked])).size > (1000 if levels > 5 else 1)
    _, by_image = counting.count(maps, marked, by_image=True)
    times = auroc_aupro._draw(np.array(labels), 6, seed=1)
    assert (times.sum(axis=1) == 20).all()
    assert (times @ np.array(labels) == sum(labels)).all()
    found = auroc_aupro._figures(by_image.drawn(times))
    for k in range(6):
        drawn = [replicate(times[k], images) for images in (maps, masks, scores, labels)]
        wanted = evaluate_maps(*drawn)
        # Few values have a group each, many share one.
        for name in FIGURES[1:]:
            assert found[name][k] == pytest.approx(wanted[name], abs=1e-9 if levels == 5 else 1e-3)


def test_the_interval_of_the_i_auroc_is_scipy_s():
    rng = np.random.default_rng(2)
    good, bad = rng.normal(size=40), rng.normal(size=60) + 1
    found = measure([*good, *bad], [False] * 40 + [True] * 60, replicates=4000).intervals["I-AUROC"]

    def statistic(good, bad):
        return image_auroc([*good, *bad], [False] * 40 + [True] * 60)

    wanted = stats.bootstrap(
        (good, bad),
        statistic,
        n_resamples=2000,
        method="percentile",
        vectorized=False,
        random_state=np.random.default_rng(3),
    ).confidence_interval
    assert found == pytest.approx((wanted.low, wanted.high), abs=0.01)


def test_intervals_hold_their_figures_and_repeat_with_the_seed():
    maps, masks, scores, labels = large_set()
    marked = [mark(*pair, name="") for pair in zip(maps, masks, strict=True)]
    first, again, other = (measure(scores, labels, maps=maps, marked=marked, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert first.figures == other.figures
    assert first.intervals != other.intervals
    assert tuple(first.intervals) == FIGURES
    for name, (low, high) in first.intervals.items():
        assert 0 <= low <= first.figures[name] <= high <= 1
        assert other.intervals[name] == pytest.approx((low, high), abs=0.03)
    assert first.intervals["AP"][1] - first.intervals["AP"][0] > 0.01


def test_intervals_of_what_does_not_vary_have_no_width():
    _, masks, _, labels = large_set(4)
    perfect = [mask.astype(np.float32) for mask in masks]
    marked = [mark(*pair, name="") for pair in zip(perfect, masks, strict=True)]
    found = measure([0, 1, 0, 1], labels, maps=perfect, marked=marked, replicates=50)
    assert all(interval == pytest.approx((1, 1)) for interval in found.intervals.values())


@pytest.mark.parametrize(("good", "bad"), [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_one_image_of_a_class_says_nothing_of_others(good, bad):
    maps, masks, scores, labels = large_set(12)
    chosen = [k for k in range(12) if not labels[k]][:good] + [k for k in range(12) if labels[k]][:bad]
    maps, masks, scores, labels = ([one[k] for k in chosen] for one in (maps, masks, scores, labels))
    marked = [mark(*pair, name="") for pair in zip(maps, masks, strict=True)]
    found = measure(scores, labels, maps=maps, marked=marked, replicates=50)
    assert tuple(found.intervals) == (FIGURES if min(good, bad) > 1 else ())
    assert tuple(found.figures) == FIGURES


def test_one_image_with_a_region_says_nothing_of_the_pixels_of_others():
    image, empty = np.arange(36, dtype=np.float32).reshape(6, 6), np.zeros((6, 6), bool)
    marked = [mark(image, one, name="") for one in (empty, empty, empty, image > 30)]
    found = measure([0, 1, 2, 3], [False, False, True, True], maps=[image] * 4, marked=marked, replicates=50)
    assert tuple(found.intervals) == ("I-AUROC",)


def test_replicates_without_a_region_do_not_count():
    image, empty = np.arange(36, dtype=np.float32).reshape(6, 6), np.zeros((6, 6), bool)
    labels = [False, False, True, True, True]
    marked = [mark(image, one, name="") for one in (empty, empty, empty, image > 30, image > 32)]
    found = measure([0, 1, 2, 3, 4], labels, maps=[image] * 5, marked=marked, replicates=200)
    assert not any(math.isnan(end) for interval in found.intervals.values() for end in interval)
    assert tuple(found.intervals) == FIGURES
