"""The transforms among those of albumentations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.transforming import RECIPE, alone, among, digest, labelled, part, same

from das3d_aug.errors import ForegroundError
from das3d_aug.synthesis import render
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly

import albumentations as A  # isort: skip  (das3d's import of it is the silent one)
from albumentations.pytorch import ToTensorV2  # isort: skip


def test_seeds_decide_the_draws():
    def run(seed: int | None) -> list[str]:
        pipeline = among(A.HorizontalFlip(), DAS3DAnomaly(RECIPE, p=1.0), seed=seed)
        return [digest(pipeline(**labelled())) for _ in range(4)]

    first = run(1)
    assert run(1) == first
    assert len({*first, *run(2), *run(None), *run(None)}) == 16


def test_flips_after_it_take_the_mask_along():
    sample = labelled()
    plain = alone(DAS3DAnomaly(RECIPE, p=1.0))(**sample)
    flipped = among(DAS3DAnomaly(RECIPE, p=1.0), A.HorizontalFlip(p=1.0))(**sample)
    for name in ("image", "depth", "mask"):
        np.testing.assert_array_equal(flipped[name], plain[name][:, ::-1])


def test_flips_after_it_take_a_created_mask_along():
    transform = DAS3DAnomaly(RECIPE, p=1.0)
    plain = A.Compose([transform], seed=0)(**part())["mask"]
    flipped = A.Compose([transform, A.HorizontalFlip(p=1.0)], seed=0)(**part())["mask"]
    np.testing.assert_array_equal(flipped, plain[:, ::-1])


def test_flips_before_it_are_seen():
    sample = labelled()
    mirrored = {name: np.ascontiguousarray(array[:, ::-1]) for name, array in sample.items()}
    plain = alone(DAS3DAnomaly(RECIPE, p=1.0))(**mirrored)
    assert same(among(A.HorizontalFlip(p=1.0), DAS3DAnomaly(RECIPE, p=1.0))(**sample), plain)


@pytest.mark.parametrize("depth_dtype", [np.uint16, np.float32])
def test_crop_resize_normalise_and_tensors(depth_dtype):
    pipeline = among(
        A.VerticalFlip(p=1.0),
        DAS3DAnomaly(RECIPE, p=1.0),
        A.RandomCrop(48, 56, p=1.0),
        A.Resize(32, 40, p=1.0),
        A.Normalize(p=1.0),
        ToTensorV2(p=1.0),
    )
    sample = labelled(depth_dtype=depth_dtype)
    out = pipeline(**sample)
    assert all(isinstance(out[name], torch.Tensor) for name in ("image", "depth", "mask"))
    assert (out["image"].shape, out["image"].dtype) == ((3, 32, 40), torch.float32)
    assert out["mask"].dtype == torch.uint8
    assert out["depth"].numpy().dtype == depth_dtype
    assert out["mask"].shape == out["depth"].shape == (32, 40)
    assert set(out["mask"].unique().tolist()) == {0, 1}
    untouched = out["depth"][out["mask"] == 0].numpy()
    assert np.isin(untouched, sample["depth"]).all()


@pytest.mark.filterwarnings("ignore:depth has no range")
@pytest.mark.parametrize("corner", [(15, 15, 65, 50), (0, 0, 40, 40), (0, 0, 9, 64), (30, 20, 50, 40)])
def test_crops_may_come_before_it(corner):
    """The middle of the part, its edge, background alone, nothing but a slope."""
    sample = among(A.Crop(*corner, p=1.0), DAS3DAnomaly(RECIPE, p=1.0))(**labelled())
    height, width = corner[3] - corner[1], corner[2] - corner[0]
    assert sample["mask"].shape == sample["depth"].shape == sample["image"].shape[:2] == (height, width)
    assert sample["mask"].any()


def test_a_foreground_target_is_cropped_along():
    transform = DAS3DAnomaly(RECIPE, foreground="part", p=1.0)
    pipeline = A.Compose(
        [A.Crop(15, 15, 65, 50, p=1.0), transform], additional_targets={"depth": "mask", "part": "mask"}, seed=0
    )
    given = np.zeros((64, 80), np.uint8)
    given[:, :40] = 255
    out = pipeline(**labelled(), part=given)
    assert out["mask"].any()
    assert not out["mask"][:, 40:].any()


@pytest.mark.parametrize("policy", ["auto", "all", "plane"])
def test_a_policy_may_be_named(policy):
    sample = part()
    plan = RECIPE.draw((64, 80), seed=5)
    out = DAS3DAnomaly(RECIPE, foreground=policy, p=1.0).apply_with_params({"seed": 5}, **sample)
    np.testing.assert_array_equal(out["mask"], render(*sample.values(), plan, foreground=policy).mask)
    with pytest.raises(ForegroundError, match="nothing stands out"):
        DAS3DAnomaly(RECIPE, foreground="plane", p=1.0)(**sample | {"depth": np.ones((64, 80), np.float32)})


def test_a_sample_without_the_foreground_target_is_estimated():
    sample = part()
    found = [
        DAS3DAnomaly(RECIPE, foreground=name, p=1.0).apply_with_params({"seed": 5}, **sample)
        for name in ("part", "auto", None)
    ]
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def test_one_of_changes_one_modality():
    sample = labelled()
    pipeline = among(A.OneOf([DepthAnomaly(RECIPE, p=1.0), TextureAnomaly(RECIPE, p=1.0)], p=1.0))
    changed = set()
    for _ in range(12):
        out = pipeline(**sample)
        changed.add(tuple(out[name].tobytes() != sample[name].tobytes() for name in ("image", "depth")))
    assert changed == {(True, False), (False, True)}


def test_some_of_adds_up():
    sample = labelled()
    both = [DepthAnomaly(RECIPE, p=1.0), TextureAnomaly(RECIPE, p=1.0)]
    out = among(A.SomeOf(both, n=2, p=1.0))(**sample)
    assert out["image"].tobytes() != sample["image"].tobytes()
    assert out["depth"].tobytes() != sample["depth"].tobytes()
    outside = out["mask"] == 0
    np.testing.assert_array_equal(out["image"][outside], sample["image"][outside])
    np.testing.assert_array_equal(out["depth"][outside], sample["depth"][outside])


def test_a_strict_compose_knows_the_targets():
    pipeline = A.Compose([DAS3DAnomaly(RECIPE, foreground="part", p=1.0)], strict=True)
    out = pipeline(**part(), mask=np.zeros((64, 80), np.uint8), part=np.ones((64, 80), np.uint8))
    assert out["mask"].any()
