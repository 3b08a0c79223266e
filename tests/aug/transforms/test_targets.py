"""Names of targets, the foreground, empty samples, one modality, mistakes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.transforming import EVERY, RECIPE, alone, among, labelled, part, same, seeded

from das3d_aug.errors import FileError, ForegroundError, ParameterError
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly

import albumentations as A  # isort: skip  (das3d's import of it is the silent one)


def test_targets_may_have_other_names():
    sample = part()
    usual = alone(DAS3DAnomaly(RECIPE, p=1.0))(**sample)
    transform = DAS3DAnomaly(RECIPE, image="rgb", depth="z", mask="label", p=1.0)
    out = A.Compose([transform], seed=0, strict=True)(rgb=sample["image"], z=sample["depth"])
    assert same({"image": out["rgb"], "depth": out["z"], "mask": out["label"]}, usual)


def test_other_names_follow_their_neighbours():
    sample = labelled()
    sample["z"], other = sample.pop("depth"), sample["mask"]
    transform = DAS3DAnomaly(RECIPE, depth="z", mask="label", p=1.0)
    targets = {"z": "mask", "label": "mask"}
    first = A.Compose([transform], seed=0)(**sample)
    second = A.Compose([transform, A.HorizontalFlip(p=1.0)], additional_targets=targets, seed=0)(**sample)
    np.testing.assert_array_equal(second["mask"], other)
    for name in ("image", "z", "label"):
        np.testing.assert_array_equal(second[name], first[name][:, ::-1])


def test_the_foreground_target_bounds_the_defects():
    sample = part()
    left = np.zeros((64, 80), np.uint8)
    left[:, :40] = 255
    out = seeded(DAS3DAnomaly(RECIPE, foreground="part", p=1.0))(**sample, part=left)
    assert out["part"] is left
    assert out["mask"].any()
    far = np.zeros((64, 80), bool)
    far[:, 70:] = True
    assert not out["mask"][far].any()


@pytest.mark.parametrize("kind", EVERY)
def test_an_empty_sample_raises_or_is_left_alone(kind):
    sample = part() | {"depth": np.zeros((64, 80), np.float32)}
    with pytest.raises(ForegroundError):
        kind(RECIPE, p=1.0)(**sample)
    out = kind(RECIPE, on_empty="skip", p=1.0)(**sample)
    for name, array in sample.items():
        assert out[name].tobytes() == array.tobytes()
        assert not np.shares_memory(out[name], array)
    assert out["mask"].dtype == np.uint8
    assert not out["mask"].any()


def test_an_empty_foreground_target_counts_as_empty():
    nothing = np.zeros((64, 80), bool)
    with pytest.raises(ForegroundError):
        DAS3DAnomaly(RECIPE, foreground="part", p=1.0)(**part(), part=nothing)


@pytest.mark.parametrize(
    ("kind", "given", "missing"),
    [
        (DAS3DAnomaly, (), "image"),
        (TextureAnomaly, ("depth",), "image"),
        (DepthAnomaly, ("image",), "depth"),
        (TextureAnomaly, (), "image"),
    ],
)
def test_a_missing_target_is_named(kind, given, missing):
    sample = {name: array for name, array in part().items() if name in given}
    with pytest.raises(ParameterError, match=f"target '{missing}' is missing"):
        kind(RECIPE, p=1.0).apply_with_params({"seed": 1}, **sample)


@pytest.mark.parametrize("kind", [DAS3DAnomaly, DepthAnomaly])
def test_depth_alone_is_enough(kind):
    sample = part()
    del sample["image"]
    out = seeded(kind(RECIPE, p=1.0))(**sample)
    assert set(out) == {"depth", "mask"}
    np.testing.assert_array_equal(out["mask"] > 0, out["depth"] != sample["depth"])
    assert out["mask"].any()


@pytest.mark.parametrize("shape", ["rgb", "grey", "channel"])
@pytest.mark.parametrize("kind", [DAS3DAnomaly, TextureAnomaly])
def test_an_image_alone_is_enough(kind, shape):
    image = part()["image"]
    image = {"rgb": image, "grey": image[:, :, 0], "channel": image[:, :, :1]}[shape]
    out = seeded(kind(RECIPE, p=1.0))(image=image)
    assert set(out) == {"image", "mask"}
    assert out["image"].shape == image.shape
    different = out["image"] != image
    np.testing.assert_array_equal(out["mask"] > 0, different if shape == "grey" else different.any(axis=-1))
    assert out["mask"].any()
    through = A.Compose([kind(RECIPE, p=1.0)], seed=0)(image=image)
    assert through["mask"].any()


def test_an_image_after_normalize_is_refused():
    pipeline = among(A.Normalize(p=1.0), DAS3DAnomaly(RECIPE, p=1.0))
    with pytest.raises(ParameterError, match="put it before Normalize"):
        pipeline(**labelled())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"mask": np.zeros((64, 79), np.uint8)}, "'mask' must be"),
        ({"mask": np.zeros((64, 80, 2), np.uint8)}, "'mask' must be H x W"),
        ({"depth": np.zeros((64, 80, 3), np.float32)}, "'depth' must be H x W"),
        ({"depth": [[1.0]]}, "'depth' must be a NumPy array"),
        ({"image": np.zeros((64, 80, 4), np.uint8)}, "'image' must be H x W x 3 or H x W"),
        ({"image": [[1]]}, "'image' must be a NumPy array"),
        ({"image": torch.zeros(3, 64, 80)}, "'image' must be a NumPy array, got Tensor"),
        ({"image": np.zeros((32, 80, 3), np.uint8)}, "rgb|image"),
    ],
)
def test_bad_targets_are_refused(bad, message):
    with pytest.raises(ParameterError, match=message):
        DAS3DAnomaly(RECIPE, p=1.0)(**part() | bad)


def test_compose_checks_the_shapes_of_image_and_depth():
    with pytest.raises(ValueError, match=r"[Hh]eight"):
        among(DAS3DAnomaly(RECIPE, p=1.0))(**labelled() | {"depth": np.ones((64, 79), np.float32)})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"recipe": 3}, "recipe must be a Recipe"),
        ({"recipe": {"no_such_range": 1}}, "no_such_range"),
        ({"texture": 3}, "texture must be"),
        ({"image": "depth"}, "distinct names"),
        ({"mask": ""}, "distinct names"),
        ({"foreground": "mask"}, "distinct names"),
        ({"on_empty": "ignore"}, "on_empty must be"),
        ({"p": 1.5}, "p must be a probability"),
    ],
)
def test_bad_arguments_are_refused(bad, message):
    with pytest.raises(ParameterError, match=message):
        DAS3DAnomaly(**bad)


def test_a_missing_texture_folder_is_named(tmp_path):
    with pytest.raises(FileError, match="nowhere"):
        DAS3DAnomaly(texture=tmp_path / "nowhere")
