"""One rule for camera files and ``depth.json``: they hold for what lies below them, and the nearest above counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.own_files import DEPTH, RGB, put

from das3d_aug.datasets import FolderDataset, open_dataset
from das3d_aug.datasets.listing import list_folders
from das3d_aug.errors import FileError
from das3d_aug.files import encode_png
from das3d_aug.geometry import Intrinsics

GROUPS = ("train/good", "test/good", "test/dent")


def write(root: Path, *groups: str) -> Path:
    for group in groups:
        put(root / group / "rgb/0.png", encode_png(RGB))
        put(root / group / "depth/0.png", encode_png((1000 * DEPTH).astype(np.uint16)))
    return root


def camera(folder: Path, focal: float) -> None:
    height, width = DEPTH.shape
    put(folder / "intrinsics.json", json.dumps({"fx": focal, "fy": focal, "cx": width / 2, "cy": height / 2}).encode())


def says(folder: Path, **options: object) -> None:
    put(folder / "depth.json", json.dumps(options).encode())


def focals(root: Path) -> dict[str, float | None]:
    dataset = open_dataset(root)
    assert isinstance(dataset, FolderDataset)
    found = {}
    for sample in map(dataset.open, dataset.entries):
        assert sample.intrinsics is None or isinstance(sample.intrinsics, Intrinsics)
        found[sample.entry.key] = None if sample.intrinsics is None else sample.intrinsics.fx
    return found


def test_the_nearest_above_an_image_counts(tmp_path: Path) -> None:
    root = write(tmp_path / "parts", *GROUPS)
    camera(root, 100)
    camera(root / "test", 200)
    camera(root / "test/dent", 300)
    assert focals(root) == {"parts/train/good/0": 100, "parts/test/good/0": 200, "parts/test/dent/0": 300}


def test_a_part_of_a_set_is_read_as_in_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "parts", *GROUPS)
    camera(root, 100)
    says(root, depth_scale=1000, unit="m")
    for part in ("train/good", "test/dent", "."):
        monkeypatch.chdir(root / part)
        for path in (root / part, Path()):
            dataset = open_dataset(path)
            assert {sample.unit for sample in map(dataset.open, dataset.entries)} == {"m"}
            assert set(focals(path).values()) == {100}


def test_a_category_is_read_as_among_the_others(tmp_path: Path) -> None:
    write(tmp_path / "cup", *GROUPS)
    camera(tmp_path, 100)
    assert set(focals(tmp_path / "cup").values()) == {None}  # alone, it is no category of what lies above
    write(tmp_path / "plate", *GROUPS)
    assert set(focals(tmp_path / "cup").values()) == set(focals(tmp_path).values()) == {100}
    assert set(focals(tmp_path / "cup/train/good").values()) == {100}


def test_what_lies_above_a_folder_of_its_own_is_not_its_business(tmp_path: Path) -> None:
    root = write(tmp_path / "scans", ".")
    put(tmp_path / "intrinsics.json", b"{broken")
    put(tmp_path / "depth.json", b"{broken")
    assert focals(root) == {"0": None}


def test_closed_folders_above_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(folder: Path) -> list[Path]:
        if folder == tmp_path:
            raise FileError(folder, "cannot be listed: Permission denied")
        return list_folders(folder)

    monkeypatch.setattr("das3d_aug.datasets.beside.list_folders", listed)
    write(tmp_path / "plate", *GROUPS)
    assert set(focals(write(tmp_path / "cup", *GROUPS)).values()) == {None}


def test_one_meaning_for_a_set(tmp_path: Path) -> None:
    root = write(tmp_path / "parts", *GROUPS)
    says(root / "train", unit="mm")
    says(root / "test", unit="mm")
    dataset = open_dataset(root)
    assert {sample.unit for sample in map(dataset.open, dataset.entries)} == {"mm"}
    says(root / "test", unit="m")
    with pytest.raises(
        FileError, match=r"test/depth.json: says other things .* than .*train/depth.json; open the fold"
    ):
        open_dataset(root)
    assert open_dataset(root / "test/dent")[0].unit == "m"
