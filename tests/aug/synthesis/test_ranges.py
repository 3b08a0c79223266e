"""A choice or a normal distribution in the place of a range: what is drawn, what is kept, and what is refused."""

import json
import math
from statistics import NormalDist

import numpy as np
import pytest

from das3d_aug import ParameterError, Recipe
from das3d_aug.randomness import Stream
from das3d_aug.synthesis.ranges import as_span, draw_log, draw_whole

CHOICE = {"choice": [0.3, 0.05, 0.05, 0.1]}
NORMAL = {"normal": [0.2, 0.1], "within": [0.1, 0.5]}


def numbers(span, count=4000, *, whole=False):
    found = as_span("size", span, 1e-4, 32, whole=whole)
    stream = Stream(5)
    return np.array([(draw_whole if whole else draw_log)(stream, found) for _ in range(count)])


def test_a_choice_is_even_over_its_values():
    found = numbers(CHOICE)
    assert set(found) == {0.3, 0.05, 0.1}
    assert np.mean(found == 0.05) == pytest.approx(0.5, abs=0.03)


def test_a_normal_distribution_is_cut_and_not_piled_up_at_its_ends():
    found = np.sort(numbers(NORMAL))
    assert 0.1 < found[0] < found[-1] < 0.5
    normal = NormalDist(0.2, 0.1)
    low, high = normal.cdf(0.1), normal.cdf(0.5)
    wanted = (np.array([normal.cdf(value) for value in found]) - low) / (high - low)
    assert np.abs(wanted - (np.arange(found.size) + 0.5) / found.size).max() < 0.03


def test_whole_numbers():
    assert set(numbers({"choice": [1, 8]}, whole=True)) == {1, 8}
    found = numbers({"normal": [4.2, 3], "within": [2, 7]}, whole=True)
    assert set(found) == {2, 3, 4, 5, 6, 7}


@pytest.mark.parametrize("span", [CHOICE, NORMAL, {"normal": [3, 0.1], "within": [2, 2]}])
def test_a_number_takes_one_draw_whatever_it_is_drawn_from(span):
    stream, other = Stream(1), Stream(1)
    draw_log(stream, as_span("size", span, 1e-4, 32))
    other.bits()
    assert stream.bits() == other.bits()


def test_other_numbers_of_a_sample_stay():
    plain, chosen = (
        Recipe(kinds={"dent": 1}, size=size).draw((64, 64), seed=3).defects.items for size in ((0.1, 0.2), CHOICE)
    )
    for one, other in zip(plain, chosen, strict=True):
        assert other.size in CHOICE["choice"]
        assert one.to_dict() | {"size": other.size} == other.to_dict()


def test_recipes_draw_from_them_and_keep_them(tmp_path):
    recipe = Recipe(kinds={"dent": 1}, count={"choice": [2, 5]}, size=CHOICE, height=NORMAL)
    plans = [recipe.draw((64, 64), seed=0, index=index).defects.items for index in range(40)]
    assert {len(items) for items in plans} == {2, 5}
    assert {item.size for items in plans for item in items} == {0.3, 0.05, 0.1}
    assert all(0.1 <= abs(item.height) <= 0.5 for items in plans for item in items)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert again.draw((64, 64), seed=0, index=7) == recipe.draw((64, 64), seed=0, index=7)
    (tmp_path / "recipe.toml").write_text(
        "kinds = { dent = 1 }\ncount = { choice = [2, 5] }\nsize = { choice = [0.3, 0.05, 0.05, 0.1] }\n"
        "height = { normal = [0.2, 0.1], within = [0.1, 0.5] }\n"
    )
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe
    assert json.dumps(Recipe(kinds={"dent": 1}, count=(2.0, 3)).to_dict()["count"]) == "[2, 3]"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": [0.1, 0.2, 0.3]}, r"size must be a range \(low, high\), or { choice = "),
        ({"size": {"choose": [1]}}, r"size must be a range \(low, high\), or { choice = "),
        ({"size": {"normal": [1, 2]}}, r"size must be a range \(low, high\), or { choice = "),
        ({"size": {"choice": []}}, "size.choice must be a list of numbers"),
        ({"size": {"choice": 0.3}}, "size.choice must be a list of numbers"),
        ({"size": {"choice": [0.1, -1]}}, "size.choice must be in"),
        ({"height": {"normal": [0.2], "within": [0.1, 0.5]}}, "height.normal must be mean and standard deviation"),
        ({"height": {"normal": [0.2, 0], "within": [0.1, 0.5]}}, "height.normal must be in"),
        ({"height": {"normal": [math.nan, 1], "within": [0.1, 0.5]}}, "height.normal must be in"),
        ({"height": {"normal": [0.2, 0.1], "within": [0.5, 0.1]}}, "height.within must be a range .* low <= high"),
        ({"height": {"normal": [9, 0.1], "within": [0.1, 0.5]}}, "height.normal must lie about what is within"),
        ({"count": {"choice": [1, 2.5]}}, "count must be whole numbers"),
        ({"count": None}, r"count must be a range \(low, high\)"),
        ({"sigma": {"choice": [1, 2]}}, r"sigma must be a range \(low, high\)"),
        ({"dents": 1.5}, "dents must be in 0 … 1"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(change, said):
    with pytest.raises(ParameterError, match=said):
        Recipe(**{"kinds": {"dent": 1}} | change)
