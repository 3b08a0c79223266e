"""Thresholds from good scores: what they promise is what new scores do."""

import math

import numpy as np
import pytest

from das3d_aug.errors import ParameterError
from das3d_ref.model.score import Calibration, image_floor, otherwise_taken

COUNTS = (1, 2, 5, 19, 20, 24, 60, 200)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.2, 0.5, 0.95])
def test_the_threshold_is_the_lowest_score_that_promises_the_share(count, share):
    scores = np.random.default_rng(count).permutation(count).astype(float)
    found = Calibration(scores).threshold(share)
    # Literally: a new score is equally likely to fall into each of the n + 1 gaps.
    kept = [score for score in sorted(scores) if (1 + sum(scores > score)) / (count + 1) <= share + 1e-12]
    assert found == (kept[0] if kept else max(scores))


@pytest.mark.parametrize("count", [5, 24, 60])
def test_new_scores_pass_as_often_as_was_promised(count):
    random = np.random.default_rng(0)
    shares, inside, promised = [], 0, None
    for _ in range(2000):
        calibration = Calibration(random.normal(size=count))
        threshold = calibration.threshold(0.1)
        promised = calibration.expected(threshold)
        share = math.erfc(threshold / math.sqrt(2)) / 2  # exact, of a normal score
        shares.append(share)
        inside += promised.low <= share <= promised.high
    assert np.mean(shares) == pytest.approx(promised.mean, abs=0.1 * promised.mean)
    assert inside / 2000 == pytest.approx(0.9, abs=0.03)


def test_a_p_value_is_the_share_of_good_scores_as_high():
    random = np.random.default_rng(1)
    values = np.array([Calibration(random.normal(size=19)).p_value(random.normal()) for _ in range(4000)])
    for share in (0.05, 0.25, 0.5):
        assert (values <= share + 1e-9).mean() == pytest.approx(share, abs=0.03)
    calibration = Calibration([3, 1, 2])
    assert [calibration.p_value(score) for score in (0, 1, 2.5, 9)] == [1, 1, 0.5, 0.25]


def test_a_threshold_below_all_scores_promises_nothing():
    assert Calibration([1, 2]).expected(0.5) == (1, 0, 1)
    assert str(Calibration(range(24)).expected(23)) == "4.0 % (90 % interval 0.2 – 11.7 %)"


@pytest.mark.parametrize("scores", [[], [math.nan], [1, math.inf]])
def test_scores_that_say_nothing_are_refused(scores):
    with pytest.raises(ParameterError, match=r"scores must be (a finite number|at least one number)"):
        Calibration(scores)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ParameterError, match="false_positives must be at least 0 and below 1"):
        Calibration([1.0]).threshold(share)


def test_the_floor_is_what_nine_tenths_of_the_part_exceed():
    found = np.arange(200, dtype=np.float32).reshape(10, 20)
    part = found >= 100
    assert image_floor(found, None) == pytest.approx(19.9)
    assert image_floor(found, part) == pytest.approx(109.9)
    assert image_floor(found, np.zeros_like(part)) == pytest.approx(19.9)


def test_a_defect_leaves_the_floor_where_it_was_and_another_light_does_not():
    usual = np.random.default_rng(0).uniform(0.1, 0.3, (40, 40)).astype(np.float32)
    defect = usual.copy()
    defect[:, :20] = 0.9
    assert image_floor(defect, None) < image_floor(usual, None) + 0.03
    assert image_floor(usual + 0.1, None) > image_floor(usual, None) + 0.09


@pytest.mark.parametrize(("known", "of", "above"), [(4, 3, 2), (30, 5, 1), (2, 8, 8)])
def test_so_many_new_images_above_all_known_ones_are_as_likely_as_in_trials(known, of, above):
    random = np.random.default_rng(0)
    drawn = random.normal(size=(40_000, known + of))
    seen = ((drawn[:, known:] > drawn[:, :known].max(axis=1, keepdims=True)).sum(axis=1) >= above).mean()
    assert Calibration(range(known)).chance(above, of) == pytest.approx(seen, abs=0.006)


@pytest.mark.parametrize(
    ("known", "unlike", "of", "said"),
    [
        (30, 3, 3, True),
        (30, 1, 1, False),  # one in 31 good images is
        (30, 6, 60, False),
        (30, 20, 60, True),
        (2, 8, 8, False),  # of two validation images one cannot say
        (30, 0, 12, False),
        (30, 0, 0, False),
    ],
)
def test_images_taken_otherwise_are_told_from_chance(known, unlike, of, said):
    assert bool(otherwise_taken(Calibration(range(known)), unlike, of)) is said
