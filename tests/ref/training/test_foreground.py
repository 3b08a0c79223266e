"""What "auto" is for the training images is what new images are prepared by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.dumps import put
from helpers.runs import parts, settings

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError
from das3d_aug.files import encode_png, encode_tiff
from das3d_aug.preparation import prepare
from das3d_ref import Config, Detector, Source, open_source, train
from das3d_ref.model.inputs import preparation_of

AUTO = settings(preparation__foreground="auto", preparation__normalise="dataset", training__steps=2)


def road(root: Path) -> Path:
    """A flat surface that fills the image, seen by a camera; on the test image lies a stone."""
    for place in ("train/good/0", "train/good/1", "validation/good/0", "test/stone/0"):
        folder, name = place.rsplit("/", 1)
        rng = np.random.default_rng(len(place) + int(name))
        depth = (500 + 0.3 * rng.normal(size=(48, 48))).astype(np.float32)
        if "stone" in place:
            depth[20:30, 15:30] -= 20
        put(root / folder / f"rgb/{name}.png", encode_png(rng.integers(0, 255, (48, 48, 3), np.uint8)))
        put(root / folder / f"depth/{name}.tiff", encode_tiff(depth))
    put(root / "intrinsics.json", b'{"fx": 60, "fy": 60, "cx": 23.5, "cy": 23.5}')
    return root


def source_of(root: Path, tmp_path: Path, config: Config = AUTO) -> Source:
    return open_source(root, config=config, cache=tmp_path / "cache", unit="mm")


def test_a_detector_of_whole_surfaces_judges_whole_surfaces(tmp_path: Path) -> None:
    root = road(tmp_path / "road")
    source = source_of(root, tmp_path)
    assert source.foreground == "all"
    assert source.warnings == ((str(root), "test/stone/rgb/0.png: anomalous image without a mask"),)
    assert source.decision == "4 images kept whole: nothing stands out of a plane in 2 of 2 good images"
    assert all(sample.foreground.all() for sample in source.dataset)  # type: ignore[union-attr]
    train(source, tmp_path / "model", config=AUTO)
    assert json.loads((tmp_path / "model/detector.json").read_text())["config"]["preparation"]["foreground"] == "all"
    found = Detector.load(tmp_path / "model")
    (stone,) = open_dataset(root, unit="mm").select(split="test")
    judged = found.predict_sample(stone)
    assert not np.array_equal(judged.anomaly_map, found.adjusted(foreground="auto").predict_sample(stone).anomaly_map)
    tested = source_of(root, tmp_path, found.config)
    assert (tested.decision, tested.dataset.root) == ("", source.dataset.root)
    item = tested.item(tested.test[0], found.depth_range)
    np.testing.assert_array_equal(found.anomaly_map(item), judged.anomaly_map)


def test_a_detector_of_parts_removes_their_table(tmp_path: Path) -> None:
    config = AUTO.override(["preparation.fallback=keep"])
    source = open_source(parts(), config=config, cache=tmp_path / "cache")
    assert source.foreground == "plane"
    assert source.narrowed(config).preparation.foreground == "plane"
    by_plane = config.override(["preparation.foreground=plane"])
    assert open_source(parts(), config=by_plane, cache=tmp_path / "cache").dataset.root == source.dataset.root


def test_a_run_goes_on_with_the_same_policy(tmp_path: Path) -> None:
    source = source_of(road(tmp_path / "road"), tmp_path)
    train(source, tmp_path / "model", config=AUTO)
    train(source_of(tmp_path / "road", tmp_path), tmp_path / "model", config=AUTO, resume=True)
    plane = AUTO.override(["preparation.foreground=plane", "preparation.fallback=keep"])
    other = source_of(tmp_path / "road", tmp_path, plane)
    with pytest.raises(FileError, match=r"preparation\.foreground"):
        train(other, tmp_path / "model", config=plane, resume=True)


def test_a_prepared_folder_has_its_answer_already(tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    prepare(road(tmp_path / "road"), out, settings=preparation_of(AUTO), unit="mm")
    source = open_source(out, config=AUTO, cache=tmp_path / "cache")
    assert (source.foreground, source.decision) == ("all", f"all, as {out} was prepared")
    with pytest.raises(FileError, match="prepared with foreground 'all', not 'plane'"):
        open_source(out, config=AUTO.override(["preparation.foreground=plane"]), cache=tmp_path / "cache")


def test_folders_and_detectors_of_before_there_was_a_choice_are_of_a_plane(tmp_path: Path) -> None:
    out, plane = tmp_path / "prepared", settings(training__steps=2)
    shutil.copytree(parts() / "potato", tmp_path / "parts/potato")
    prepare(tmp_path / "parts", out, settings=preparation_of(plane))
    assert "foreground" not in json.loads((out / "das3d.json").read_text())["settings"]
    assert open_source(out, config=plane, cache=tmp_path).foreground == "plane"
    assert open_source(out, config=AUTO.override(["preparation.fallback=error"]), cache=tmp_path).foreground == "plane"
    values = plane.to_dict()
    del values["preparation"]["foreground"]
    assert Config.from_dict(values).preparation.foreground == "plane"


def test_only_the_practical_preset_asks() -> None:
    asked = {name: Config.preset(name).preparation.foreground for name in ("paper", "small", "demo", "smoke")}
    assert set(asked.values()) == {"plane"}
    assert Config.preset("practical").preparation.foreground == "auto"
