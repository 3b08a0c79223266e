"""Good parts of any layout as a torch data set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import trees
from torch.utils.data import DataLoader

from das3d_aug import FileError, ParameterError, Plan, Recipe, render, synthesize
from das3d_aug.adapters import AnomalyDataset
from das3d_aug.datasets import open_dataset
from das3d_aug.generation import write_demo_set

SURE = Recipe(dropout=0.0, area=(0.05, 0.08))
TRAIN = 5


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    write_demo_set(root, families=("potato",), train=TRAIN, validation=1, good=1, per_defect=1, size=64)
    return root


def images_of(dataset, epochs=(0,), **options):
    loader = DataLoader(dataset, batch_size=2, **options)
    found = []
    for epoch in epochs:
        dataset.set_epoch(epoch)
        found.append([mask.numpy().tobytes() for batch in loader for mask in batch["mask"]])
    return found


def test_it_is_the_good_training_parts_with_a_defect_each(parts):
    dataset = AnomalyDataset(parts, SURE, seed=3)
    dataset.set_epoch(4)
    good = open_dataset(parts).select(split="train", label=0)
    assert len(dataset) == len(good) == TRAIN
    for index, (made, sample) in enumerate(zip(dataset, good, strict=True)):
        pair = synthesize(
            sample.rgb, sample.depth, recipe=SURE, seed=3, index=index, epoch=4, camera=sample.intrinsics, unit="m"
        )
        found = {name: tensor for name, tensor in made.items() if name != "meta"}
        assert {tensor.dtype for tensor in found.values()} == {torch.float32}
        np.testing.assert_array_equal((made["image"] * 255).round(), np.moveaxis(pair.rgb, -1, 0))
        np.testing.assert_array_equal((made["normal_image"] * 255).round(), np.moveaxis(sample.rgb, -1, 0))
        np.testing.assert_array_equal(made["depth"][0], np.where(sample.valid, pair.depth, 0))
        np.testing.assert_array_equal(made["normal_depth"][0], np.where(sample.valid, sample.depth, 0))
        np.testing.assert_array_equal(made["mask"][0], pair.mask)
        assert made["mask"].any()
        assert made["image"].max() <= 1


def test_meta_makes_the_sample_again(parts):
    made = AnomalyDataset(parts, Recipe.realistic(), seed=1)[-1]
    meta, sample = made["meta"], open_dataset(parts).select(split="train")[TRAIN - 1]
    assert (meta["key"], meta["category"], meta["unit"]) == (sample.entry.key, "potato", "m")
    assert (meta["index"], meta["epoch"]) == (TRAIN - 1, 0)
    plan = Plan.from_json(meta["plan"])
    again = render(sample.rgb, sample.depth, plan, camera=sample.camera, unit=sample.unit)
    np.testing.assert_array_equal(made["mask"][0], again.mask)


def test_a_plain_loader_collates_it(parts):
    (batch,) = DataLoader(AnomalyDataset(parts, SURE), batch_size=TRAIN)
    assert batch["image"].shape == batch["normal_image"].shape == (TRAIN, 3, 64, 64)
    assert batch["depth"].shape == batch["mask"].shape == (TRAIN, 1, 64, 64)
    assert len(batch["meta"]["key"]) == len(batch["meta"]["plan"]) == TRAIN
    assert batch["meta"]["index"].tolist() == list(range(TRAIN))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_persistent_workers_see_the_epoch_and_change_no_sample(parts, method):
    dataset = AnomalyDataset(parts, SURE)
    alone = images_of(dataset, epochs=(0, 1, 0))
    assert alone[0] == alone[2]
    assert len({*alone[0], *alone[1]}) == 2 * TRAIN
    among = images_of(dataset, epochs=(0, 1, 0), num_workers=2, persistent_workers=True, multiprocessing_context=method)
    assert among == alone


@pytest.mark.parametrize(("mode", "names"), [("rgb", {"image", "normal_image"}), ("depth", {"depth", "normal_depth"})])
def test_one_modality_is_enough(parts, mode, names):
    dataset = AnomalyDataset(open_dataset(parts, mode=mode), SURE)
    (batch,) = DataLoader(dataset, batch_size=TRAIN)
    assert batch.keys() == names | {"mask", "meta"}
    assert all(batch["mask"].flatten(1).any(dim=1))


@pytest.mark.parametrize("layout", trees.TREES)
def test_any_layout_will_do(tmp_path, layout):
    trees.TREES[layout].build(tmp_path)
    dataset = AnomalyDataset(tmp_path, Recipe(dropout=0.0, area=(0.3, 0.3)))
    assert len(dataset) > 0
    assert all(made["mask"].shape[1:] == made["normal_image"].shape[1:] for made in dataset)


def test_grey_images_get_grey_defects_in_three_channels(tmp_path):
    trees.save(tmp_path / "rgb" / "000.png", trees.RGB[:, :, 0])
    made = AnomalyDataset(open_dataset(tmp_path, layout="folder"), Recipe(area=(0.3, 0.3)))[0]
    assert made["image"].shape == (3, 10, 14)
    assert (made["image"] == made["image"][:1]).all()
    assert (made["image"] != made["normal_image"]).any()


def test_a_mask_of_the_part_holds_the_defects(tmp_path):
    trees.own_images(tmp_path)
    inside = np.zeros((10, 14), np.uint8)
    inside[2:8, 2:7] = 255
    trees.save(tmp_path / "foreground" / "000.png", inside)
    dataset = AnomalyDataset(tmp_path, Recipe(dropout=0.0, area=(0.5, 0.5), skew=False))
    marked = dataset[0]["mask"][0].numpy()
    assert marked.any()
    assert not marked[inside == 0].any()


def test_a_set_without_good_parts_is_refused(parts):
    with pytest.raises(FileError, match="holds no good part to put a defect on"):
        AnomalyDataset(open_dataset(parts).select(label=1))


@pytest.mark.parametrize("options", [{"recipe": "realistic"}, {"seed": -1}, {"foreground": "auot"}])
def test_bad_arguments_are_refused_at_once(parts, options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        AnomalyDataset(parts, **options)


@pytest.mark.parametrize("data", [None, ["parts"], 3])
def test_what_is_no_data_set_is_refused(data):
    with pytest.raises(ParameterError, match="data must be a folder, or what open_dataset made of one"):
        AnomalyDataset(data)


@pytest.mark.parametrize("epoch", [-1, 1.5, 2**63])
def test_epochs_that_cannot_be_are_refused(parts, epoch):
    with pytest.raises(ParameterError, match="epoch must be a whole number"):
        AnomalyDataset(parts).set_epoch(epoch)
