import copy
import dataclasses
import json
import math
import pickle

import numpy as np
import pytest
from helpers.pairs import pair

from das3d_aug import FileError, ParameterError, Plan, Recipe, render
from das3d_aug.randomness import Stream
from das3d_aug.synthesis.recipe_fields import LIMITS, OF_KINDS


def test_a_draw_depends_on_its_keys_alone():
    recipe = Recipe()
    plans = {(s, e, i): recipe.draw((64, 80), seed=s, epoch=e, index=i) for s in (0, 1) for e in (0, 1) for i in (0, 1)}
    assert len({plan.to_json() for plan in plans.values()}) == 8
    assert recipe.draw((64, 80), seed=1, epoch=0, index=1) == plans[1, 0, 1]


def test_every_number_lies_in_its_range():
    recipe = Recipe(bump_magnitude=(1.0, 2.0), probability=0.7, dropout=0.25, threshold=(0.4, 0.8))
    plans = [recipe.draw((64, 80), seed=3, index=k) for k in range(2000)]
    assert {p.resolution[0] for p in plans} == {p.resolution[1] for p in plans} == {1, 2, 4, 8, 16, 32}
    for name, (low, high) in {
        "rotation": recipe.rotation, "threshold": recipe.threshold, "area": recipe.area,
        "dent": recipe.magnitude, "bump": (1.0, 2.0), "beta": recipe.beta,
    }.items():  # fmt: skip
        values = np.array([getattr(p, name) for p in plans])
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
    for p in plans:
        a, b, c = p.covariance
        small, large = np.sqrt(np.linalg.eigvalsh([[a, b], [b, c]]))
        assert 1 - 1e-9 <= large <= 4 + 1e-9
        assert 0.5 - 1e-9 <= small / large <= 1 + 1e-9
    assert np.mean([p.anomalous for p in plans]) == pytest.approx(0.7, abs=0.04)
    assert np.mean([p.drop_rgb for p in plans]) == pytest.approx(0.25, abs=0.04)
    assert np.mean([p.drop_rgb and p.drop_depth for p in plans]) == pytest.approx(0.0625, abs=0.025)
    assert np.median([p.area for p in plans]) == pytest.approx(math.sqrt(0.001 * 0.08), rel=0.15)


@pytest.mark.parametrize(("modality", "dropped"), [("rgb", (False, True)), ("depth", (True, False))])
def test_single_modality(modality, dropped):
    plans = [Recipe(modality=modality, dropout=0.5).draw((4, 4), seed=0, index=k) for k in range(20)]
    assert {(p.drop_rgb, p.drop_depth) for p in plans} == {dropped}


def test_reference_size_scales_the_kernel():
    recipe = Recipe(reference_size=256)
    at_256, at_512 = (recipe.draw((n, n // 2), seed=5) for n in (256, 512))
    np.testing.assert_allclose(np.array(at_512.covariance), 4 * np.array(at_256.covariance))
    np.testing.assert_allclose(np.array(at_512.alpha), np.array(at_256.alpha) / 2)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(area=None, skew=False, sigma=[2, 2], dropout=0)])
def test_recipe_and_plan_survive_json(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    plan = recipe.draw((31, 77), seed=2**64 - 1, index=5)
    assert Plan.from_json(plan.to_json()) == plan


def test_recipe_from_toml(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('sigma = [2.0, 2.0]\narea = "none"\nmagnitude_unit = "depth"\n')
    assert Recipe.from_toml(path) == Recipe(sigma=(2, 2), area=None, magnitude_unit="depth")
    for text, said in (
        ("sgima = 3", "no field sgima"),
        ("sigma = ", "is not TOML"),
        ("beta = [0, 2]", "beta"),
    ):
        path.write_text(text)
        with pytest.raises(FileError, match=said) as caught:
            Recipe.from_toml(path)
        assert "recipe.toml" in str(caught.value)
    with pytest.raises(FileError, match="cannot be read"):
        Recipe.from_toml(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    "change",
    [
        {"sigma": 3}, {"sigma": (4, 1)}, {"sigma": (0, 1)}, {"sigma": (1, math.nan)}, {"sigma": ("1", 2)},
        {"resolution": (3, 8)}, {"resolution": (0, 8)}, {"area": (0, 0.1)}, {"beta": (0, 1.1)},
        {"probability": 1.2}, {"dropout": -0.1}, {"mask_threshold": 0}, {"modality": "both"},
        {"magnitude_unit": "mm"}, {"depth_axis": "up"}, {"texture_operations": 10}, {"texture_operations": 1.5},
        {"reference_size": 0}, {"skew": 1}, {"threshold": None}, {"magnitude": (-1, 1)},
    ],
)  # fmt: skip
def test_recipe_refuses_by_name(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        Recipe(**change)


def test_plan_refuses_by_name():
    good = Recipe().draw((8, 8), seed=0).to_dict()
    for name, value in {
        "version": 4, "shape": [0, 8], "resolution": [1], "covariance": [1, 2, 1], "beta": 3, "dent": -1,
        "anomalous": 1, "noise_seed": -1, "alpha": ["a", 0], "depth_axis": "x", "mask_threshold": 0,
    }.items():  # fmt: skip
        with pytest.raises(ParameterError, match=name):
            Plan.from_dict(good | {name: value})
    with pytest.raises(ParameterError, match="unknown"):
        Plan.from_dict(good | {"extra": 1})
    with pytest.raises(ParameterError, match="not JSON"):
        Plan.from_json("{")


@pytest.mark.parametrize("keys", [{"seed": -1}, {"seed": 1.5}, {"seed": 0, "index": 2**64}, {"seed": None}])
def test_bad_keys(keys):
    with pytest.raises(ParameterError, match=r"seed|index"):
        Recipe().draw((4, 4), **keys)


def test_streams_are_uniform_and_unrelated():
    draws = np.array([Stream(7, index=k).uniform() for k in range(4000)])
    assert np.abs(np.sort(draws) - (np.arange(4000) + 0.5) / 4000).max() < 0.03
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.05
    stream = Stream(1)
    normal = np.array([stream.normal() for _ in range(4000)])
    assert abs(normal.mean()) < 0.06
    assert normal.std() == pytest.approx(1, abs=0.05)
    counts = np.bincount([stream.integer(2, 5) for _ in range(4000)])
    assert counts[:2].sum() == 0
    assert counts[2:].min() > 900
    child = stream.spawn(3)
    assert child.bits() == stream.spawn(3).bits() != stream.spawn(4).bits()


def test_recipe_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().sigma = (1, 2)


def test_weights_and_values_stay_as_they_were_checked():
    given = {"dent": 1.0, "crack": 2.0}
    recipe = Recipe(kinds=given)
    given["dent"] = -1.0
    defect = recipe.draw((64, 80), seed=0).defects.items[0]
    for numbers in (recipe.kinds, defect.values):
        before = dict(numbers)
        for change in (
            lambda numbers: numbers.__setitem__("dent", -5), lambda numbers: numbers.__delitem__(next(iter(numbers))),
            lambda numbers: numbers.__ior__({"x": 1}), lambda numbers: numbers.update(x=1),
            lambda numbers: numbers.pop("dent", 0), lambda numbers: numbers.popitem(),
            lambda numbers: numbers.setdefault("x", 1), lambda numbers: numbers.clear(),
        ):  # fmt: skip
            with pytest.raises(TypeError, match="read-only"):
                change(numbers)
        assert numbers == before
    for same in (
        pickle.loads(pickle.dumps(recipe)), copy.deepcopy(recipe), dataclasses.replace(recipe),
        Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))), Recipe(kinds={"crack": 2, "dent": 1}),
    ):  # fmt: skip
        assert same == recipe
        assert hash(same) == hash(recipe)
        with pytest.raises(TypeError, match="read-only"):
            same.kinds["dent"] = 3.0
    assert json.loads(json.dumps(dataclasses.asdict(recipe)["kinds"])) == {"dent": 1, "crack": 2}
    assert repr(recipe) == "Recipe(kinds={'dent': 1.0, 'crack': 2.0})"
    assert pickle.loads(pickle.dumps(defect)) == defect
    assert hash(recipe.draw((64, 80), seed=0)) == hash(recipe.draw((64, 80), seed=0))


@pytest.mark.parametrize(
    "idle", [{"size": (0.1, 0.2)}, {"height": (0.1, 0.2)}, {"count": (1, 9)}, {"relight": False},
             {"length_unit": "mm", "size": (1, 2), "height": (1, 2)}], ids=str,
)  # fmt: skip
def test_what_means_nothing_without_kinds_is_refused(idle):
    with pytest.raises(ParameterError, match="is of kinds of defects, and there are none"):
        Recipe(**idle)
    assert Recipe(kinds={"dent": 1}, **idle) == Recipe.from_dict(Recipe(kinds={"dent": 1}, **idle).to_dict())
    assert Recipe(count=[1, 3], relight=True, size=None) == Recipe()


@pytest.mark.parametrize("recipe", [Recipe(dropout=0.0), Recipe(kinds={"stain": 1}, dropout=0.0)])
def test_what_a_plan_says_of_foreign_text_is_one_short_line(recipe):
    plan = recipe.draw((32, 32), seed=0).to_dict()
    texts = ("x" * 5000, "a\nb\x1b[31m", "\ud800")

    def spoilt(node):
        """Yield the plan with a text in the place of each value, one after the other."""
        for key in node if isinstance(node, dict) else range(len(node)):
            before = node[key]
            for text in texts:
                node[key] = text
                yield
            node[key] = before
            if isinstance(before, dict | list):
                yield from spoilt(before)

    rgb, depth = pair(32, 32)
    said = []
    for _ in spoilt(plan):
        try:
            render(rgb, depth, Plan.from_dict(plan), foreground="all")
        except ParameterError as error:
            said.append(str(error))
    assert len(said) > 90
    assert all(len(line) < 400 and line.isprintable() for line in said)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(area=None, skew=False, sigma=(1.5, 1e-1 * 30), reference_size=256, mask_threshold=1e-12),
        Recipe.realistic(
            size={"choice": (0.05, 0.3)},
            height={"normal": (0.1, 0.05), "within": (0.01, 0.4)},
            placement={"edge": 1, "anywhere": 0},
        ),
        Recipe(kinds={"skewed": 0, "stain": 0.25}, modality="rgb", relight=False),
    ],
)
def test_a_recipe_survives_toml(tmp_path, recipe):
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe
    assert Recipe.from_toml("gone.toml", data=recipe.to_toml().encode()) == recipe
    assert list(Recipe.from_toml("it", data=recipe.to_toml().encode()).kinds or ()) == list(recipe.kinds or ())


def test_every_field_with_numbers_has_its_limits():
    named = {f.name for f in dataclasses.fields(Recipe) if f.init}
    assert {*LIMITS, *OF_KINDS} <= named
    without = named - {*LIMITS}
    assert all(isinstance(getattr(Recipe(), name), (bool, str)) for name in without)
    for name, limits in LIMITS.items():
        (least, most), (first, last) = limits.ends, limits.usual
        assert least <= first < last <= most, name
        assert limits.scale == "linear" or first > 0, name
