"""The transforms inside the pipelines, files and loaders that albumentations users have."""

from __future__ import annotations

import hashlib
import json
import pickle
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from das3d_aug.errors import FileError, ForegroundError, ParameterError
from das3d_aug.synthesis import Recipe, render
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly, worker_init_fn

import albumentations as A  # isort: skip  (das3d's import of it is the silent one)
from albumentations.pytorch import ToTensorV2  # isort: skip

RECIPE = Recipe(dropout=0.0, area=(0.1, 0.15))  # never too small to be seen
EVERY = (DAS3DAnomaly, DepthAnomaly, TextureAnomaly)
DEPTH_AS_MASK = {"depth": "mask"}
Sample = dict[str, Any]


def part(*, image_dtype: type = np.uint8, depth_dtype: type = np.float32) -> Sample:
    """A smooth part before a flat background, with holes in its depth; write-protected."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :80]
    depth = np.full((64, 80), 700.0)
    body = (abs(rows - 32) < 22) & (abs(columns - 40) < 30)
    depth[body] = 600.0 + 0.2 * rows[body]
    depth[rng.random(depth.shape) < 0.03] = 0.0
    image = rng.integers(0, 256, (64, 80, 3))
    image = image / 255.0 if image_dtype is np.float32 else image
    sample = {"image": image.astype(image_dtype), "depth": depth.astype(depth_dtype)}
    for array in sample.values():
        array.setflags(write=False)
    return sample


def labelled(**options: Any) -> Sample:
    """A part with a mask, which albumentationsx wants beside every depth that is treated as a mask."""
    return part(**options) | {"mask": np.zeros((64, 80), np.uint8)}


def alone(transform: Any) -> A.Compose:
    return A.Compose([transform], seed=0)


def among(*transforms: Any, seed: int | None = 0) -> A.Compose:
    return A.Compose(list(transforms), additional_targets=DEPTH_AS_MASK, seed=seed)


def seeded(transform: Any, seed: int = 0) -> Any:
    transform.set_random_seed(seed)
    return transform


def same(first: Sample, second: Sample) -> bool:
    return all(
        first[name].dtype == second[name].dtype and first[name].tobytes() == second[name].tobytes()
        for name in ("image", "depth", "mask")
    )


def digest(sample: Sample) -> str:
    return hashlib.sha256(sample["image"].tobytes() + sample["depth"].tobytes()).hexdigest()


# --- what one call does -------------------------------------------------------------------------------------


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
    plan = RECIPE.draw((64, 80), seed=_seeds(out["replay"])[0])
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


# --- the mask -----------------------------------------------------------------------------------------------


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


# --- names, foreground, empty samples, mistakes -------------------------------------------------------------


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


# --- pipelines ----------------------------------------------------------------------------------------------


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


# --- files, pickles, replays, words -------------------------------------------------------------------------


def _seeds(replay: Sample) -> list[int]:
    params = [node["params"] for node in replay["transforms"]]
    return [found.get("params", found)["seed"] for found in params]  # albumentationsx nests them


def test_replays_are_exact_through_json():
    recorder = A.ReplayCompose(
        [A.HorizontalFlip(), DAS3DAnomaly(RECIPE, p=1.0), A.VerticalFlip()], additional_targets=DEPTH_AS_MASK
    )
    for _ in range(3):
        out = recorder(**labelled())
        saved = json.loads(json.dumps(out["replay"]))
        assert same(A.ReplayCompose.replay(saved, **labelled()), out)


def test_a_replay_knows_that_it_was_passed_over():
    recorder = A.ReplayCompose([DAS3DAnomaly(RECIPE, p=0.0)])
    out = A.ReplayCompose.replay(recorder(**part())["replay"], **part())
    assert out["image"].tobytes() == part()["image"].tobytes()
    assert "mask" not in out


@pytest.mark.parametrize("data_format", ["json", "yaml"])
@pytest.mark.parametrize("kind", EVERY)
def test_pipelines_load_as_they_were_saved(kind, data_format, tmp_path):
    recipe = Recipe(dropout=0.1)
    pipeline = among(A.HorizontalFlip(), kind(recipe, on_empty="skip", foreground="part", p=0.75))
    A.save(pipeline, tmp_path / "pipeline", data_format=data_format)
    loaded = A.load(tmp_path / "pipeline", data_format=data_format)
    assert repr(loaded.transforms[1]) == repr(pipeline.transforms[1])
    assert loaded.transforms[1].recipe == pipeline.transforms[1].recipe
    transform = kind(RECIPE, p=1.0)
    copy = A.from_dict(A.to_dict(transform))
    assert type(copy) is kind
    assert same(seeded(copy)(**part()), seeded(transform)(**part()))


def test_saved_pipelines_keep_their_texture_folder(tmp_path):
    cv2.imwrite(str(tmp_path / "stripes.png"), np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    transform = TextureAnomaly(RECIPE, texture=tmp_path, p=1.0)
    procedural = TextureAnomaly(RECIPE, p=1.0)
    copy = A.from_dict(A.to_dict(transform))
    out = seeded(transform)(**part())
    assert same(seeded(copy)(**part()), out)
    assert seeded(procedural)(**part())["image"].tobytes() != out["image"].tobytes()


@pytest.mark.parametrize("kind", EVERY)
def test_pickles_go_on_where_they_were(kind):
    pipeline = among(A.HorizontalFlip(), kind(RECIPE, p=1.0))
    pipeline(**labelled())
    assert same(pickle.loads(pickle.dumps(pipeline))(**labelled()), pipeline(**labelled()))


def test_repr_tells_what_differs_from_the_defaults():
    assert repr(DAS3DAnomaly()) == "DAS3DAnomaly(p=0.5)"
    words = "TextureAnomaly(recipe={'dropout': 0.0}, foreground='part', p=1.0)"
    recipe = Recipe(dropout=0.0)
    assert repr(TextureAnomaly(recipe, foreground="part", p=1.0)) == words
    assert words in repr(A.Compose([TextureAnomaly(recipe, foreground="part", p=1.0)]))


# --- workers ------------------------------------------------------------------------------------------------


class Parts(Dataset[list[str]]):
    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 8

    def __getitem__(self, item: int) -> str:
        return digest(self.transform(**labelled()))


class Twice(Parts):
    """Tells the two seeds that one sample drew."""

    def __getitem__(self, item: int) -> list[int]:
        return _seeds(self.transform(**labelled())["replay"])


class Hidden(Parts):
    def __init__(self, transform: Any) -> None:
        self._source = lambda **sample: transform(**sample)

    def __getitem__(self, item: int) -> str:
        return digest(self._source(**labelled()))


def epochs(dataset: Dataset[Any], *, seed: int = 0, **options: Any) -> list[str]:
    loader = DataLoader(
        dataset,
        num_workers=2,
        multiprocessing_context="fork",
        worker_init_fn=worker_init_fn,
        generator=torch.Generator().manual_seed(seed),
        collate_fn=list,
        **options,
    )
    return [found for _ in range(2) for batch in loader for found in batch]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_and_epochs_draw_anew(persistent):
    dataset = Parts(among(A.HorizontalFlip(), DAS3DAnomaly(RECIPE, p=1.0)))
    found = epochs(dataset, persistent_workers=persistent)
    assert len(found) == len(set(found)) == 16
    assert epochs(dataset, persistent_workers=persistent) == found
    assert not set(epochs(dataset, seed=1, persistent_workers=persistent)) & set(found)


@pytest.mark.filterwarnings("ignore:depth has no range")
def test_no_crop_ends_a_loader():
    dataset = Parts(among(A.RandomCrop(12, 12, p=1.0), DAS3DAnomaly(p=1.0)))
    assert len(epochs(dataset)) == 16


@pytest.mark.parametrize(
    ("attribute", "hold"),
    [
        ("transform", lambda pipeline: pipeline),
        ("augmentation", lambda pipeline: pipeline),
        ("_transforms", lambda pipeline: [{"train": pipeline}, None]),
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda dataset: dataset,
        lambda dataset: Subset(Subset(dataset, range(8)), range(8)),
        lambda dataset: ConcatDataset([dataset, dataset]),
    ],
)
def test_pipelines_are_found_inside_data_sets(wrap, attribute, hold):
    pipeline = alone(DAS3DAnomaly(RECIPE, p=1.0))
    dataset = Hidden(pipeline)
    setattr(dataset, attribute, hold(pipeline))
    found = epochs(wrap(dataset))
    assert len(found) == len(set(found)) >= 16


def test_transforms_of_one_pipeline_draw_apart():
    pipeline = A.ReplayCompose([DepthAnomaly(RECIPE, p=1.0), TextureAnomaly(RECIPE, p=1.0)])
    found = epochs(Twice(pipeline))
    assert len({seed for pair in found for seed in pair}) == 32


def test_a_data_set_without_pipeline_is_refused():
    with pytest.raises(ParameterError, match="holds no albumentations pipeline"):
        epochs(Hidden(alone(DAS3DAnomaly(RECIPE, p=1.0))))


def test_outside_a_worker_it_is_refused():
    with pytest.raises(ParameterError, match="in a worker only"):
        worker_init_fn(0)
