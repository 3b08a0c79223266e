"""The layout of prepared data, built from its description and not by its writer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.prepared import LISTING, PreparedDataset
from das3d_aug.errors import FileError
from das3d_aug.geometry import Intrinsics


def by_hand(root: Path, **changes: Any) -> Path:
    row = {
        "key": "bagel/test/hole/007",
        "split": "test",
        "defect": "hole",
        "category": "bagel",
        "label": 1,
        "unit": "mm",
        "normalisation": {"low": 500, "high": 600},
        "camera": {"fx": 100, "fy": 101, "cx": 2, "cy": 1},
        "plane": None,
        "roles": ["rgb", "depth", "foreground", "gt"],
        **changes,
    }
    group = root / "data/bagel/test/hole"
    for role in ("rgb", "depth", "foreground", "gt"):
        (group / role).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(group / "rgb/007.png"), np.full((3, 4, 3), (1, 2, 3), np.uint8))
    tifffile.imwrite(group / "depth/007.tiff", np.float32([[0, 500, 550, 600]] * 3))
    for role in ("foreground", "gt"):
        cv2.imwrite(str(group / role / "007.png"), np.uint8([[0, 0, 255, 255]] * 3))
    (root / LISTING).write_text(json.dumps({"format": 1, "samples": [row]}))
    return root


def test_a_folder_made_by_hand(tmp_path: Path) -> None:
    made = open_dataset(by_hand(tmp_path))
    assert isinstance(made, PreparedDataset)
    (sample,) = made
    assert (sample.entry.key, sample.entry.label, sample.unit) == ("bagel/test/hole/007", 1, "normalised")
    np.testing.assert_array_equal(sample.rgb[0, 0], [3, 2, 1])
    np.testing.assert_allclose(sample.depth, [[0, 2.0**-20, 0.5, 1]] * 3)
    np.testing.assert_array_equal(sample.valid[0], [False, True, True, True])
    np.testing.assert_array_equal(sample.mask, sample.foreground)
    assert made.camera(sample.entry) == Intrinsics(100, 101, 2, 1)
    assert open_dataset(by_hand(tmp_path, label=None, camera=None, normalisation=None)).entries[0].label is None


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "../../etc/passwd"},
        {"key": "/etc/passwd"},
        {"key": 7},
        {"key": "bagel/.hidden"},
        {"label": "good"},
        {"split": None},
        {"roles": ["rgb", "letter"]},
        {"roles": 3},
        {"unit": 1},
        {"normalisation": {"low": 2, "high": 1}},
        {"normalisation": {"lo": 2}},
        {"normalisation": [1, 2]},
        {"camera": {"fx": 1}},
        {"camera": "wide"},
    ],
    ids=str,
)
def test_a_lying_listing_is_one_error_that_names_it(tmp_path: Path, changes: dict[str, Any]) -> None:
    by_hand(tmp_path, **changes)
    with pytest.raises(FileError, match=r"prepared\.json: is not the listing of prepared data"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"samples": 3}', '{"samples": [3]}', "[" * 100_000, "\0"])
def test_a_damaged_listing_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / LISTING).write_text(text)
    with pytest.raises(FileError, match=r"prepared\.json"):
        open_dataset(tmp_path)


def test_two_rows_of_one_key_are_refused(tmp_path: Path) -> None:
    path = by_hand(tmp_path) / LISTING
    listing = json.loads(path.read_text())
    listing["samples"] *= 2
    path.write_text(json.dumps(listing))
    with pytest.raises(FileError, match="bagel/test/hole/007"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("role", "write", "said"),
    [
        ("depth", lambda path: tifffile.imwrite(path, np.ones((3, 4), np.uint16)), "prepared depth is float32"),
        ("depth", lambda path: tifffile.imwrite(path, np.ones((2, 4), np.float32)), "is 2 x 4, its partner"),
        ("gt", lambda path: cv2.imwrite(str(path), np.ones((3, 5), np.uint8)), "is 3 x 5, its partner"),
        ("foreground", lambda path: path.write_bytes(b""), "is empty"),
        ("rgb", lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, role: str, write: Callable[[Path], object], said: str) -> None:
    by_hand(tmp_path)
    (path,) = (tmp_path / f"data/bagel/test/hole/{role}").iterdir()
    write(path)
    made = open_dataset(tmp_path)
    with pytest.raises(FileError, match=said) as caught:
        made.open(made.entries[0])
    assert caught.value.path == path


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root = by_hand(tmp_path / "prepared")
    depth = root / "data/bagel/test/hole/depth/007.tiff"
    depth.rename(tmp_path / "elsewhere.tiff")
    depth.symlink_to(tmp_path / "elsewhere.tiff")
    made = open_dataset(root)
    with pytest.raises(FileError, match="leads outside"):
        made.open(made.entries[0])
    (root / LISTING).rename(tmp_path / "listing.json")
    (root / LISTING).symlink_to(tmp_path / "listing.json")
    with pytest.raises(FileError, match="leads outside"):
        open_dataset(root)
