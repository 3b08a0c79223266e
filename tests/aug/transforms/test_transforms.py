"""What one call of a transform does to its sample and to its mask."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.transforming import EVERY, RECIPE, alone, part, same, seeded, seeds

from das3d_aug.synthesis import render
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly

import albumentations as A  # isort: skip  (das3d's import of it is the silent one)


@pytest.mark.parametrize("image_dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("depth_dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("kind", EVERY)
def test_shapes_and_dtypes_stay_and_the_mask_covers_every_change(kind, depth_dtype, image_dtype):
    sample = part(image_dtype=image_dtype, depth_dtype=depth_dtype)
    out = seeded(kind(RECIPE, p=1.0))(**sample)
    assert out["image"].dtype == image_dtype
    assert out["depth"].dtype == depth_dtype
    assert out["mask"].dtype == np.uint8
    assert out["mask"].shape == sample["depth"].shape
    assert set(np.unique(out["mask"])) == {0, 1}
    outside = out["mask"] == 0
    for name in ("image", "depth"):
        assert out[name].shape == sample[name].shape
        assert out[name][outside].tobytes() == sample[name][outside].tobytes()


@pytest.mark.parametrize("kind", EVERY)
def test_nothing_given_is_changed_or_aliased(kind):
    sample = part() | {"mask": np.zeros((64, 80), np.uint8)}
    before = {name: array.copy() for name, array in sample.items()}
    out = seeded(kind(RECIPE, p=1.0))(**sample)
    for name, array in sample.items():
        assert array.tobytes() == before[name].tobytes()
        assert not np.shares_memory(out[name], array)


def test_the_recorded_seed_is_the_plan():
    sample = part()
    out = A.ReplayCompose([DAS3DAnomaly(RECIPE, p=1.0)])(**sample)
    plan = RECIPE.draw((64, 80), seed=seeds(out["replay"])[0])
    pair = render(sample["image"], sample["depth"], plan)
    assert same(out, {"image": pair.rgb, "depth": pair.depth, "mask": pair.mask.astype(np.uint8)})


def test_depth_anomalies_leave_every_byte_of_the_image():
    sample = part()
    out = seeded(DepthAnomaly(RECIPE, p=1.0))(**sample)
    assert out["image"].tobytes() == sample["image"].tobytes()
    assert out["depth"].tobytes() != sample["depth"].tobytes()
    assert out["mask"].any()


def test_texture_anomalies_leave_every_byte_of_the_depth():
    sample = part()
    out = seeded(TextureAnomaly(RECIPE, p=1.0))(**sample)
    assert out["depth"].tobytes() == sample["depth"].tobytes()
    assert out["image"].tobytes() != sample["image"].tobytes()
    assert out["mask"].any()


@pytest.mark.parametrize("kind", EVERY)
def test_p_0_is_the_identity(kind):
    sample = part()
    out = alone(kind(RECIPE, p=0.0))(**sample)
    assert out.keys() == sample.keys()
    assert all(out[name].tobytes() == sample[name].tobytes() for name in sample)


def test_p_is_half_by_default():
    pipeline = alone(DAS3DAnomaly(RECIPE))
    applied = sum("mask" in pipeline(**part()) for _ in range(60))
    assert 15 <= applied <= 45


def test_depth_may_have_a_channel():
    sample = part()
    flat = alone(DAS3DAnomaly(RECIPE, p=1.0))(**sample)
    out = alone(DAS3DAnomaly(RECIPE, p=1.0))(image=sample["image"], depth=sample["depth"][:, :, None])
    assert out["depth"].shape == (64, 80, 1)
    assert same(out, flat)


def test_other_targets_pass_through():
    out = DAS3DAnomaly(RECIPE, p=1.0)(**part(), label="good", count=3)
    assert (out["label"], out["count"]) == ("good", 3)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int64, np.float32, ">u2"])
def test_a_mask_of_zeros_gets_ones(dtype):
    sample = part()
    created = seeded(DAS3DAnomaly(RECIPE, p=1.0))(**sample)["mask"]
    out = seeded(DAS3DAnomaly(RECIPE, p=1.0))(**sample, mask=np.zeros((64, 80), dtype))["mask"]
    assert out.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(out, created)


@pytest.mark.parametrize("value", [1, 7, 255])
def test_a_given_mask_is_added_to_in_its_own_convention(value):
    sample = part()
    created = alone(DAS3DAnomaly(RECIPE, p=1.0))(**sample)["mask"]
    rows, columns = np.nonzero(created)
    given = np.zeros((64, 80), np.uint8)
    given[0, 0] = value
    given[rows[0], columns[0]] = 1
    out = alone(DAS3DAnomaly(RECIPE, p=1.0))(**sample, mask=given)["mask"]
    np.testing.assert_array_equal(out, np.where(given > 0, given, value * created))


def test_a_mask_may_have_a_channel():
    created = alone(DAS3DAnomaly(RECIPE, p=1.0))(**part())["mask"]
    out = alone(DAS3DAnomaly(RECIPE, p=1.0))(**part(), mask=np.zeros((64, 80, 1), np.uint8))["mask"]
    np.testing.assert_array_equal(out, created[:, :, None])
