"""Generated sets of every compression: the same samples, in files that common readers open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from helpers.dumps import RECIPE, recipes, tree, write_mvtec

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import generate, replay
from das3d_aug.generation.formats import FORMATS


@pytest.mark.parametrize("compression", ["none", "small"])
@pytest.mark.parametrize("written_as", FORMATS)
def test_the_samples_are_those_of_the_default(tmp_path: Path, written_as: str, compression: Any) -> None:
    parts, out = write_mvtec(tmp_path / "parts", count=2), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": RECIPE, "per_image": 2, "seed": 3, "format": written_as}
    generate(parts, tmp_path / "usual", **settings)
    generate(parts, out, compression=compression, **settings)
    usual, found = open_dataset(tmp_path / "usual"), open_dataset(out)
    for one, other in zip(usual.entries, found.entries, strict=True):
        before, after = usual.open(one), found.open(other)
        for name in ("rgb", "depth", "mask", "xyz"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name), name)
    sizes = [len(dataset.read(dataset.entries[0], "rgb")) for dataset in (usual, found)]
    assert sizes[0] < sizes[1] if compression == "none" else sizes[0] > sizes[1]
    if "depth" in found.roles and written_as != "eyecandies":
        sizes = [len(dataset.read(dataset.entries[0], "depth")) for dataset in (usual, found)]
        assert sizes[0] == sizes[1] if compression == "none" else sizes[0] > sizes[1]
    again = replay(out / "shard-000000.tar", sample="000001") if written_as == "webdataset" else replay(recipes(out)[1])
    assert again.differences == ()


def test_loaders_of_mvtec_3d_ad_read_them(tmp_path: Path) -> None:
    parts = write_mvtec(tmp_path / "parts", count=1)
    for compression in ("none", "small"):
        out = tmp_path / compression
        generate(parts, out, recipe=RECIPE, compression=compression)
        (sample,) = (entry for entry in open_dataset(out).entries if entry.label == 1)
        colour = np.asarray(PIL.Image.open(sample.files["rgb"]).convert("RGB"))
        assert np.array_equal(colour, open_dataset(out).open(sample).rgb)
        points = tifffile.imread(sample.files["xyz"])
        assert np.array_equal(points, open_dataset(out).open(sample).xyz)
        assert np.array_equal(cv2.imread(str(sample.files["xyz"]), cv2.IMREAD_UNCHANGED)[:, :, ::-1], points)
        assert set(np.unique(np.asarray(PIL.Image.open(sample.files["gt"]).convert("L")))) == {0, 255}


def test_the_default_is_recorded_nowhere_and_others_are_settings(tmp_path: Path) -> None:
    parts, out = write_mvtec(tmp_path / "parts", count=1), tmp_path / "out"
    generate(parts, out, recipe=RECIPE)
    generate(parts, tmp_path / "said", recipe=RECIPE, compression="default")
    assert tree(out) == tree(tmp_path / "said")
    assert "compression" not in json.loads((out / "das3d.json").read_text())["settings"]
    assert "compression" not in json.loads(recipes(out)[0].read_text())
    with pytest.raises(FileError, match=r"other settings wrote this folder \(compression\)"):
        generate(parts, out, recipe=RECIPE, compression="small")
    with pytest.raises(ParameterError, match="compression must be one of none, default, small, got 'best'"):
        generate(parts, tmp_path / "best", compression="best")  # type: ignore[arg-type]
    generate(parts, tmp_path / "small", recipe=RECIPE, compression="small")
    (recipe,) = recipes(tmp_path / "small")
    recipe.write_text(recipe.read_text().replace('"compression": "small"', '"compression": ["small"]'))
    with pytest.raises(FileError, match="is not a das3d sample recipe: compression must be one of"):
        replay(recipe)
