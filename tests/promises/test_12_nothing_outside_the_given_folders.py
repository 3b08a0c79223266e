"""Nothing is read or written outside the given folders: `..`, absolute paths, escaping symlinks."""

import hashlib
import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from helpers.dumps import RECIPE, put, recipes, tree, write_folder
from helpers.runs import detector

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import Das3dError
from das3d_aug.generation import generate, replay
from das3d_aug.preparation import Preparation, prepare
from das3d_ref import Detector

watched = {}


def _watch(event, arguments):
    if event == "open" and watched and isinstance(arguments[0], str | bytes | Path):
        path = Path(arguments[0] if not isinstance(arguments[0], bytes) else arguments[0].decode())
        if path.resolve().is_relative_to(watched["folder"]):
            watched["opened"].append(path)


sys.addaudithook(_watch)


@pytest.fixture
def outside(tmp_path):
    """A folder of honest files, of which none may be opened and beside which none may appear."""
    folder = write_folder(tmp_path / "outside", count=1)
    (folder / "empty").mkdir()
    before = tree(folder)
    watched.update(folder=folder.resolve(), opened=[])
    yield folder
    opened = watched["opened"]
    watched.clear()
    assert opened == []
    assert tree(folder) == before
    assert not list((folder / "empty").iterdir())


@pytest.mark.parametrize("role", ["rgb", "depth"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_that_leave_a_data_set(tmp_path, outside, role, what):
    parts = write_folder(tmp_path / "parts", count=1)
    suffix = {"rgb": "png", "depth": "tiff"}[role]
    if what == "file":
        place, target = parts / f"{role}/p0.{suffix}", outside / f"{role}/p0.{suffix}"
        place.unlink()
    else:
        place, target = parts / role, outside / role
        shutil.rmtree(place)
    place.symlink_to(target)
    with pytest.raises(Das3dError):
        generate(parts, tmp_path / "out")
    with pytest.raises(Das3dError):
        list(open_dataset(parts))


@pytest.mark.parametrize("key", ["../../outside/p0", "{outside}/p0", "a/../../../outside/p0"])
def test_names_in_a_listing(tmp_path, outside, key):
    out = tmp_path / "prepared"
    prepare(write_folder(tmp_path / "parts", count=1), out, settings=Preparation(size=16, foreground="all"))
    listing = json.loads((out / "prepared.json").read_text())
    listing["samples"][0]["key"] = key.format(outside=outside)
    (out / "prepared.json").write_text(json.dumps(listing))
    with pytest.raises(Das3dError):
        list(open_dataset(out))


@pytest.mark.parametrize("name", ["../outside/empty/x", "/{outside}/empty/x", "a/../../outside/empty/x"])
def test_names_in_a_shard(tmp_path, outside, name):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for suffix in ("rgb.png", "depth.tiff"):
            info = tarfile.TarInfo(f"{name.format(outside=outside)}.{suffix}")
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
    put(tmp_path / "shards/shard-000000.tar", buffer.getvalue())
    with pytest.raises(Das3dError):
        generate(tmp_path / "shards", tmp_path / "out")
    assert not (tmp_path / "out").exists() or not recipes(tmp_path / "out")


def test_names_in_a_recipe(tmp_path, outside):
    out = tmp_path / "out"
    generate(write_folder(tmp_path / "parts", count=1), out, recipe=RECIPE)
    (recipe,) = recipes(out)
    record = json.loads(recipe.read_text())
    recipe.write_text(json.dumps(record | {"sample": "../../outside/empty/x"}))
    with pytest.raises(Das3dError):
        replay(recipe)


def test_weights_of_a_detector(tmp_path, outside):
    model = Path(shutil.copytree(detector(), tmp_path / "model"))
    header = json.loads((model / "detector.json").read_text())
    data = (model / header["weights"]).read_bytes()
    put(tmp_path / "weights.safetensors", data)
    before = Detector.load(model)
    for name in ("../weights.safetensors", str(tmp_path / "weights.safetensors")):
        header |= {"weights": name, "sha256": hashlib.sha256(data).hexdigest()}
        (model / "detector.json").write_text(json.dumps(header))
        with pytest.raises(Das3dError, match="leads outside"):
            Detector.load(model)
    assert before.threshold is not None


def test_links_that_leave_an_output_folder(tmp_path, outside, record_property):
    parts = write_folder(tmp_path / "parts", count=1)
    settings = Preparation(size=16, foreground="all")
    for number, run in enumerate((generate, lambda source, out: prepare(source, out, settings=settings))):
        out = tmp_path / f"out{number}"
        run(parts, out)
        rgb = next(path for path in out.rglob("rgb") if path.is_dir())
        shutil.rmtree(rgb)
        rgb.symlink_to(outside / "empty")
        for record in (*out.glob("recipes/*"), *out.glob("records/*")):
            record.unlink()
        with pytest.raises(Das3dError, match="leads outside"):
            run(parts, out)
    record_property(
        "figure", "links, `..` and absolute paths in data sets, listings, shards, recipes, detectors, outputs: no open"
    )
