"""The transforms in the workers of a loader."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.transforming import RECIPE, alone, among, digest, labelled, seeds
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from das3d_aug.errors import ParameterError
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly, worker_init_fn

import albumentations as A  # isort: skip  (das3d's import of it is the silent one)


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
        return seeds(self.transform(**labelled())["replay"])


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
