"""The gap is none between alike sets, grows as they move apart, and its classifier sees only what it did not learn."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers.defects import statistics
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from das3d_aug.errors import ParameterError
from das3d_aug.fitting import gap
from das3d_aug.fitting.distance import COMPARED

module = sys.modules["das3d_aug.fitting.distance"]


def test_alike_sets_have_no_gap() -> None:
    one = statistics(0)
    same = gap(one, one)
    assert set(same.distances) == set(COMPARED)
    assert all(found.wasserstein == found.ks == 0 for found in same.distances.values())
    assert same.wasserstein == 0
    aurocs = [gap(statistics(seed), statistics(seed + 100)).auroc for seed in range(12)]
    assert 0.45 < np.mean(aurocs) < 0.55  # a classifier asked about what it has learnt would have 0.7


def test_the_gap_grows_as_sets_move_apart_and_does_not_depend_on_their_order() -> None:
    real, near, far = statistics(1), statistics(2, length=0.15), statistics(2, length=0.4)
    small, large = gap(near, real), gap(far, real)
    assert 0.5 < small.auroc < large.auroc
    assert large.auroc > 0.97
    assert small.distances["length"].wasserstein < large.distances["length"].wasserstein
    assert small.distances["length"].ks < large.distances["length"].ks
    assert gap(real, far).distances["length"].wasserstein == pytest.approx(large.distances["length"].wasserstein)
    assert large.defects == (60, 60)
    assert large.samples == (30, 30)
    assert large == gap(far, real)
    # wider, not larger: squares tell that
    assert gap(statistics(3, spread=0.05), statistics(4, spread=1.0)).auroc > 0.8


def test_distances_are_those_of_the_definition() -> None:
    a, b = statistics(5), statistics(6, length=0.2)
    found = gap(a, b).distances["length"]
    x, y = np.sort(np.log10(a.length)), np.sort(np.log10(b.length))
    assert found.wasserstein == pytest.approx(np.abs(x - y).mean() / np.concatenate([x, y]).std())
    every = np.concatenate([x, y])
    assert found.ks == pytest.approx(max(abs((x <= at).mean() - (y <= at).mean()) for at in every))
    assert found.medians == (np.median(a.length), np.median(b.length))


def test_the_classifier_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    rows, label = random.normal(size=(120, 3)), np.repeat([0.0, 1.0], [80, 40])
    rows[label > 0] += 0.7
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    features = np.concatenate([scaled, np.minimum(scaled**2, 9)], axis=1)
    twin = LogisticRegression(class_weight="balanced", max_iter=10_000, tol=1e-10).fit(features, label)
    odds = module._classifier(rows, label)(rows)
    np.testing.assert_allclose(odds, twin.decision_function(features), atol=0.02)
    assert module._auroc(odds, label) == pytest.approx(roc_auc_score(label, odds))
    tied = np.round(odds)
    assert module._auroc(tied, label) == pytest.approx(roc_auc_score(label, tied))


def test_the_error_of_the_auroc_is_about_its_spread_over_sets() -> None:
    for count, length in ((60, 0.1), (60, 0.15), (24, 0.1), (200, 0.12)):
        found = [gap(statistics(k, count), statistics(k + 100, count, length=length)) for k in range(16)]
        spread, error = np.std([one.auroc for one in found]), np.median([one.auroc_error for one in found])
        assert 0.5 * spread < error < 2 * spread, (count, length, spread, error)
    assert np.isnan(gap(statistics(9, count=2), statistics(8)).auroc_error)
    sure = gap(statistics(2, length=4.0), statistics(1))
    assert sure.auroc == 1
    assert sure.auroc_error == 0
    single = gap(statistics(1, count=1, each=1), statistics(2, count=1, each=1))
    assert np.isnan(single.wasserstein)


def test_missing_figures_and_too_few_samples() -> None:
    one, other = statistics(7), statistics(8)
    flat = replace(one, height=np.full(60, np.nan))
    assert "height" not in gap(flat, other).distances
    some = replace(one, height=np.where(np.arange(60) % 3 == 0, np.nan, one.height))
    assert np.isfinite(gap(some, other).distances["height"].wasserstein)
    assert 0 <= gap(some, other).auroc <= 1
    single = statistics(9, count=2)
    assert np.isnan(gap(single, other).auroc)
    none = statistics(0, count=0)
    with pytest.raises(ParameterError, match="b must have at least one labelled defect"):
        gap(one, none)
