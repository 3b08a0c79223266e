"""How a texture is varied: every operation against a naive twin on pixels, and what a plan may say."""

from __future__ import annotations

import colorsys
import json
import pickle

import numpy as np
import pytest
from helpers.textures import picture

from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream
from das3d_aug.textures import (
    TexturePlan,
    colour_matrix,
    draw_texture,
    sharpness,
    tone_table,
)

POINTWISE = {
    "gamma": ("gamma", 0.6, 1.0, 1.9),
    "brightness": ("brightness", 1.15, -0.1),
    "solarize": ("solarize", 77.5),
    "solarize never": ("solarize", 256.0),
    "posterize": ("posterize", 3.0),
    "posterize to black and white": ("posterize", 1.0),
    "invert": ("invert",),
    "autocontrast": ("autocontrast",),
    "equalize": ("equalize",),
}


def plan_of(*operations: tuple) -> TexturePlan:
    return TexturePlan(pick=0, operations=operations)


def naive(image: np.ndarray, operation: tuple) -> np.ndarray:
    """Apply one operation to pixels, float64 in [0, 1]."""
    name, *values = operation
    out = image.copy()
    for c in range(3):
        v = image[..., c]
        if name == "gamma":
            out[..., c] = v ** values[c]
        elif name == "brightness":
            out[..., c] = np.clip(v * values[0] + values[1], 0, 1)
        elif name == "solarize":
            out[..., c] = np.where(v * 255 >= values[0], 1 - v, v)
        elif name == "posterize":
            steps = 2 ** int(values[0])
            out[..., c] = np.minimum(np.floor(np.rint(v * 65535) / 65536 * steps), steps - 1) / (steps - 1)
        elif name == "invert":
            out[..., c] = 1 - v
        elif name == "autocontrast":
            out[..., c] = (v - v.min()) / (v.max() - v.min()) if v.max() > v.min() else v
        elif name == "equalize":
            share = {tone: (v <= tone).mean() for tone in np.unique(v)}
            darkest = min(share.values())
            if darkest < 1:
                out[..., c] = (np.vectorize(share.get)(v) - darkest) / (1 - darkest)
    return out


def through_table(image: np.ndarray, plan: TexturePlan) -> np.ndarray:
    table = tone_table(image, plan)
    return np.stack([table[image[..., c], c] for c in range(3)], axis=-1)


@pytest.mark.parametrize("operation", POINTWISE.values(), ids=POINTWISE.keys())
def test_each_tone_operation_equals_its_naive_twin(operation):
    image = picture()
    expected = naive(image / 255.0, operation)
    np.testing.assert_allclose(through_table(image, plan_of(operation)), expected, rtol=0, atol=1.01 / 65535)


@pytest.mark.parametrize("seed", range(12))
def test_operations_act_in_the_order_drawn(seed):
    rng = np.random.default_rng(seed)
    chosen = [list(POINTWISE.values())[k] for k in rng.permutation(len(POINTWISE))[:4]]
    image = picture(seed)
    expected = image / 255.0
    for operation in chosen:
        expected = np.rint(naive(expected, operation) * 65535) / 65535
    np.testing.assert_allclose(through_table(image, plan_of(*chosen)), expected, rtol=0, atol=1.01 / 65535)
    if seed == 0:
        swapped = plan_of(("invert",), ("gamma", 2.0, 2.0, 2.0))
        straight = plan_of(("gamma", 2.0, 2.0, 2.0), ("invert",))
        assert not np.array_equal(tone_table(image, swapped), tone_table(image, straight))


def test_tone_table_is_16_bit_levels_and_identity_without_operations():
    image = picture()
    for index in range(50):
        table = tone_table(image, draw_texture(Stream(1, index=index), operations=9))
        assert table.dtype == np.float32
        assert table.shape == (256, 3)
        assert table.flags.c_contiguous
        assert table.min() >= 0
        assert table.max() <= 1
        levels = table.astype(np.float64) * 65535
        np.testing.assert_allclose(levels, np.rint(levels), atol=0.005)
    identity = np.repeat(np.arange(256)[:, None] / 255, 3, axis=1).astype(np.float32)
    for plan in (
        plan_of(),
        plan_of(("sharpness", 0.5), ("hue_saturation", 30.0, 1.1)),
        plan_of(("posterize", 8.0)),
    ):
        np.testing.assert_array_equal(tone_table(image, plan), identity)


def test_histogram_operations_leave_a_flat_texture_as_it_is():
    flat = np.full((9, 7, 3), 93, np.uint8)
    for name in ("autocontrast", "equalize"):
        np.testing.assert_allclose(through_table(flat, plan_of((name,))), 93 / 255, atol=1e-6)


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_histogram_of_a_large_regular_texture_is_not_fooled_by_its_period(period):
    rows, columns = np.indices((256, 256))
    image = np.repeat((np.where(columns % period == 0, 200, 50) + rows % 4)[..., None], 3, axis=2).astype(np.uint8)
    stretched = tone_table(image, plan_of(("autocontrast",)))
    assert stretched[50].max() == 0
    assert stretched[203].min() == 1
    share = tone_table(image, plan_of(("equalize",)))[53, 0]
    expected = (1 - 1 / period - (1 - 1 / period) / 4) / (1 - (1 - 1 / period) / 4)
    assert share == pytest.approx(expected, abs=0.03)


def test_colour_matrix():
    grey = np.full(3, 0.4)
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_array_equal(colour_matrix(plan_of(("invert",))), np.eye(3, dtype=np.float32))
    matrix = colour_matrix(plan_of(("hue_saturation", 40.0, 1.2)))
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix @ grey, grey, atol=1e-4)
    colour = np.array([0.7, 0.2, 0.4])
    assert luma @ (matrix @ colour) == pytest.approx(luma @ colour, abs=1e-4)
    back = colour_matrix(plan_of(("hue_saturation", -40.0, 1 / 1.2)))
    np.testing.assert_allclose(back @ matrix, np.eye(3), atol=2e-4)
    np.testing.assert_allclose(colour_matrix(plan_of(("hue_saturation", 0.0, 0.0))) @ colour, luma @ colour, atol=1e-4)
    np.testing.assert_allclose(colour_matrix(plan_of(("hue_saturation", 0.0, 1.0))), np.eye(3), atol=2e-5)
    before = colorsys.rgb_to_hsv(0.6, 0.4, 0.4)[0]
    turned = colour_matrix(plan_of(("hue_saturation", 30.0, 1.0))) @ np.array([0.6, 0.4, 0.4])
    assert colorsys.rgb_to_hsv(*turned)[0] * 360 - before * 360 == pytest.approx(30, abs=15)


def test_sharpness():
    assert sharpness(plan_of(("invert",))) == 0
    assert sharpness(plan_of(("invert",), ("sharpness", -0.75))) == np.float32(-0.75)
    assert isinstance(sharpness(plan_of()), np.float32)


def test_plans_are_deterministic_distinct_and_survive_json():
    names = set()
    for index in range(300):
        plan = draw_texture(Stream(3, index=index))
        assert plan == draw_texture(Stream(3, index=index))
        drawn = [operation[0] for operation in plan.operations]
        assert len(set(drawn)) == len(drawn) == 3
        names.update(drawn)
        assert 0 <= plan.row < 1
        assert 0 <= plan.column < 1
        assert -180 <= plan.rotation <= 180
        assert 0.5 <= plan.scale <= 2
        assert plan.name is None
        assert TexturePlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
        assert pickle.loads(pickle.dumps(plan)) == plan
    assert len(names) == 9
    assert draw_texture(Stream(3), operations=0).operations == ()


def test_drawn_numbers_cover_the_ranges():
    drawn: dict[str, list] = {}
    for index in range(1500):
        for name, *values in draw_texture(Stream(4, index=index), operations=9).operations:
            drawn.setdefault(name, []).append(values)
    ranges = {
        "gamma": (0.5, 2.0), "sharpness": (-1, 1), "posterize": (1, 8),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        values = np.array(drawn[name])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    factor, offset = np.array(drawn["brightness"]).T
    assert 0.8 <= factor.min() < 0.82 < 1.18 < factor.max() <= 1.2
    assert np.abs(offset).max() == pytest.approx(30 / 255, rel=0.05)
    degrees, saturation = np.array(drawn["hue_saturation"]).T
    assert np.abs(degrees).max() == pytest.approx(70.6, rel=0.05)
    assert np.abs(saturation - 1).max() == pytest.approx(50 / 255, rel=0.05)
    threshold = np.ravel(drawn["solarize"])
    assert (threshold == 256).mean() == pytest.approx(0.5, abs=0.06)
    acting = threshold[threshold < 256]
    assert 32 <= acting.min() < 35 < 125 < acting.max() <= 128


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": [["blur", 1.0]]}, "blur"),
        ({"operations": [["gamma", 1.0]]}, "gamma takes 3"),
        ({"operations": [["gamma", 1.0, 0.0, 1.0]]}, "gamma must be > 0"),
        ({"operations": [["posterize", 2.5]]}, "posterize"),
        ({"operations": [["brightness", float("nan"), 0.0]]}, "brightness must be a finite"),
        ({"operations": [[["gamma"], 1.0]]}, "operation must be"),
        ({"operations": "gamma"}, "operations must be"),
        ({"operations": [[]]}, "operation must be"),
        ({"scale": 0.0}, "scale"),
        ({"row": "a"}, "row"),
        ({"row": True}, "row"),
        ({"pick": -1}, "pick"),
        ({"pick": 2**64}, "pick"),
        ({"name": 5}, "name"),
        ({"colour": 5}, "keys"),
    ],
)
def test_a_bad_plan_is_a_typed_error(change, message):
    good = draw_texture(Stream(0)).to_dict()
    with pytest.raises(ParameterError, match=message):
        TexturePlan.from_dict({**good, **change})
    with pytest.raises(ParameterError, match="keys"):
        TexturePlan.from_dict({key: value for key, value in good.items() if key != "pick"})
    with pytest.raises(ParameterError, match="operations must be 0"):
        draw_texture(Stream(0), operations=10)
