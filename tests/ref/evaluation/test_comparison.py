from __future__ import annotations

import numpy as np

from das3d_ref.evaluation import Evaluation
from das3d_ref.evaluation.baselines import BaselineResult
from das3d_ref.evaluation.comparison import beside
from das3d_ref.metrics import mark, measure


def result(scores, labels, **figures):
    measured = measure(scores, labels)
    found = Evaluation({**measured.figures, **figures}, (), {}, replicates=measured.replicates)
    return BaselineResult(found, 1.0)


def test_a_detector_stands_beside_the_best_of_each_figure():
    results = {
        name: BaselineResult(Evaluation(figures=figures, images=(), protocol={}), 1.0)
        for name, figures in {
            "ruler": {"I-AUROC": 0.9, "AUPRO@0.3": 0.2},
            "neighbours": {"I-AUROC": 0.7, "AUPRO@0.3": 0.6},
        }.items()
    }
    own = Evaluation(figures={"I-AUROC": 0.8, "AP": 0.1, "AUPRO@0.3": 0.59999}, images=(), protocol={})
    ((caption, head, rows), (_, _, differences)), compared = beside(own, results)
    assert (caption, head) == ("Simple methods on the same images", ("", "I-AUROC", "AUPRO@0.3"))
    assert rows[0] == ("the detector", "0.8000", "0.6000")
    assert [row[0] for row in rows[1:]] == ["ruler", "neighbours"]
    assert [one.lost for one in compared] == [True, False]  # as the neighbours, as printed: no reason to warn
    assert str(compared[0]) == "ruler scores higher than the detector: I-AUROC 0.9000, the detector has 0.8000"
    assert "neighbours, the best simple method, has 0.6000, the detector 0.6000" in str(compared[1])
    assert differences[0] == ("I-AUROC", "ruler", "-0.1000")


def test_on_the_same_images_a_small_difference_can_be_established():
    """Two methods that agree but for a few images: the pair tells them apart where two intervals overlap widely."""
    random = np.random.default_rng(0)
    labels = np.arange(120) >= 60
    rival = random.normal(size=120) + 1.2 * labels
    own = rival + 0.25 * labels
    (better,) = beside(result(own, labels).evaluation, {"ruler": result(rival, labels)})[1]
    low, high = better.span
    assert 0 < low < better.own - better.reached < high < 0.1
    assert "no difference is established" not in str(better)
    spans = [measure(scores, labels).intervals["I-AUROC"] for scores in (own, rival)]
    assert spans[0][0] < spans[1][1]  # alone, they overlap
    (worse,) = beside(result(rival, labels).evaluation, {"ruler": result(own, labels)})[1]
    assert "ruler is better than the detector" in str(worse)
    (lucky,) = beside(result(rival, labels).evaluation, {"ruler": result(rival + 0.01 * random.random(120), labels)})[1]
    assert "is better" not in str(lucky)
    (equal,) = beside(result(rival, labels).evaluation, {"ruler": result(random.permutation(rival), labels)})[1]
    assert equal.span[0] < equal.own - equal.reached < equal.span[1]


def test_what_was_not_seen_anew_has_no_interval():
    (one,) = beside(
        Evaluation({"I-AUROC": 0.8}, (), {}), {"ruler": BaselineResult(Evaluation({"I-AUROC": 0.7}, (), {}), 1.0)}
    )[1]
    assert one.span is None
    assert str(one) == "I-AUROC: ruler, the best simple method, has 0.7000, the detector 0.8000"


def test_replicates_of_maps_are_paired_too():
    masks = [np.zeros((8, 8), bool) for _ in range(6)]
    for mask in masks[3:]:
        mask[2:4, 2:5] = True
    random = np.random.default_rng(1)
    noise = [random.normal(size=(8, 8)) for _ in masks]
    first, second = (
        measure(
            [image.max() for image in maps],
            [mask.any() for mask in masks],
            maps=maps,
            marked=[mark(image, mask, name="map") for image, mask in zip(maps, masks, strict=True)],
        )
        for maps in (noise, [image + 1e-9 for image in noise])
    )
    np.testing.assert_allclose(first.replicates["AUPRO@0.3"], second.replicates["AUPRO@0.3"])
    assert len(first.replicates["I-AUROC"]) == 1000
