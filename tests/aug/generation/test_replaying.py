"""Samples made again from their recipes: the same bytes, or what is different."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.dumps import RECIPE, put, recipes, tree, write_folder, write_mvtec

from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import encode_png, read_rgb
from das3d_aug.generation import generate, replay


@pytest.mark.parametrize("written_as", ["mvtec3d", "folder", "eyecandies"])
@pytest.mark.parametrize("write", [write_mvtec, lambda root: write_folder(root, camera=True)], ids=["points", "camera"])
def test_replay_gives_the_same_bytes(tmp_path: Path, write: Callable[[Path], Path], written_as: str) -> None:
    parts, out = write(tmp_path / "parts"), tmp_path / "out"
    generate(parts, out, recipe=RECIPE, per_image=2, seed=9, size=40, format=written_as)
    recipe = recipes(out)[3]
    result = replay(recipe)
    assert result.differences == ()
    assert {path: hashlib.sha256(data).hexdigest() for path, data in result.files.items()}.items() <= tree(out).items()

    moved = parts.rename(tmp_path / "moved")
    with pytest.raises(FileError):
        replay(recipe)
    assert replay(recipe, source=moved).differences == ()

    image = out / next(path for path in result.files if path.endswith(".png") and "mask" not in path)
    pixels = read_rgb(image)
    pixels[0, 0] ^= 1
    image.write_bytes(encode_png(pixels))
    name = image.relative_to(out).as_posix()
    assert replay(recipe, source=moved).differences == (f"{name}: changed on disk",)
    image.unlink()
    assert replay(recipe, source=moved).differences == (f"{name}: missing",)


def test_replay_names_what_does_not_fit(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts", count=1), tmp_path / "out"
    generate(parts, out, recipe=RECIPE)
    (recipe,) = out.glob("recipes/*.json")
    put(tmp_path / "alone.json", recipe.read_bytes())
    with pytest.raises(FileError, match="lies in no folder"):
        replay(tmp_path / "alone.json")
    put(out / "recipes/other.json", b'{"a": 1}')
    with pytest.raises(FileError, match="is not a das3d sample recipe"):
        replay(out / "recipes/other.json")
    put(parts / "rgb/p0.png", encode_png(np.zeros((48, 48, 3), np.uint8)))
    with pytest.raises(FileError, match=r"p0\.png: is not the file from which"):
        replay(recipe)


def test_the_source_is_found_from_the_folder_wherever_both_are(tmp_path: Path) -> None:
    for place in ("here", "there"):
        parts = write_folder(tmp_path / place / "parts", count=1)
        generate(parts, tmp_path / place / "made/out", recipe=RECIPE)
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    (tmp_path / "here").rename(tmp_path / "moved")
    (recipe,) = recipes(tmp_path / "moved/made/out")
    assert replay(recipe).differences == ()


@pytest.mark.parametrize("write", [write_mvtec, lambda root: write_folder(root, camera=True)], ids=["points", "camera"])
def test_a_sample_of_a_shard(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    parts, out = write(tmp_path / "parts"), tmp_path / "out"
    generate(parts, out, recipe=RECIPE, per_image=2, seed=9, format="webdataset", shard_size=4)
    shard = out / "shard-000001.tar"
    result = replay(shard, sample="000005")
    assert result.differences == ()
    with tarfile.open(shard) as tar:
        stored = {name: tar.extractfile(name).read() for name in tar.getnames() if name.startswith("000005.")}
    assert result.files == stored

    data = bytearray(shard.read_bytes())
    with tarfile.open(shard) as tar:
        data[tar.getmember("000005.depth.tiff").offset_data + 1000] ^= 1
    shard.write_bytes(data)
    assert replay(shard, sample="000005").differences == ("000005.depth.tiff: changed on disk",)
    with pytest.raises(FileError, match=r"shard-000001.tar: has no sample '7'; it has 000004 … 000005"):
        replay(shard, sample="7")
    with pytest.raises(ParameterError, match=r"sample must be given for a shard \(.tar\) and only for it, got None"):
        replay(shard)
    with pytest.raises(ParameterError, match=r"got '000000' for shard-000001\.json"):
        replay(out / "shard-000001.json", sample="000000")


@pytest.mark.parametrize(
    "change",
    [
        {"sample": "../x"},
        {"size": [3, 3]},
        {"size": "x"},
        {"layout": "zip"},
        {"files": []},
        {"plan": {}},
        {"source": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("write", [write_mvtec, write_folder])
def test_a_recipe_that_was_tampered_with_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], change: dict[str, object]
) -> None:
    out = tmp_path / "out"
    generate(write(tmp_path / "parts"), out, recipe=RECIPE, limit=1)
    (recipe,) = recipes(out)
    recipe.write_text(json.dumps(json.loads(recipe.read_bytes()) | change))
    with pytest.raises(Das3dError) as caught:
        replay(recipe)
    assert "\n" not in str(caught.value)
