"""The labels of a set are what its masks and records say, and the folder is whole or absent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from das3d_cli.aug import main
from helpers.dumps import put
from helpers.galleries import write_generated, write_parts
from helpers.outlines import filled, unrun
from numpy.typing import NDArray

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_mask, encode_png, read_rgb
from das3d_aug.generation import generate
from das3d_aug.generation.records import Records
from das3d_aug.labels import write_labels
from das3d_aug.synthesis import Recipe


def read(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "annotations.json").read_text())
    return found


def drawn(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if isinstance(segmentation, dict):
        assert segmentation["size"] == list(shape)
        return unrun(segmentation["counts"], shape)
    return filled([np.reshape(ring, (-1, 2)) for ring in segmentation], shape)


@pytest.mark.parametrize("written_as", ["mvtec3d", "folder", "eyecandies", "webdataset"])
def test_coco_has_each_defect_of_the_plan_in_every_format(tmp_path: Path, written_as: str) -> None:
    made = write_generated(tmp_path, written_as=written_as)
    found = write_labels(made, tmp_path / "coco")
    assert (found.images, found.failures) == (6, ())
    document, dataset = read(tmp_path / "coco"), open_dataset(made)
    names = {item["id"]: item["name"] for item in document["categories"]}
    assert sorted(names) == list(range(1, len(names) + 1))
    assert set(names.values()) == set(Recipe.realistic().kinds or ())  # also those that chance left out
    records, several = Records(dataset, ""), 0
    for image, sample in zip(document["images"], dataset, strict=True):
        assert image["key"] == sample.entry.key
        assert (image["height"], image["width"]) == sample.shape
        np.testing.assert_array_equal(read_rgb(tmp_path / "coco/images" / image["file_name"]), sample.rgb)
        record = records.of(sample.entry)
        assert record is not None
        before = records.before(record, sample)
        assert before.instances is not None
        mine = [item for item in document["annotations"] if item["image_id"] == image["id"]]
        expected = [number for number in range(1, len(record.kinds) + 1) if (before.instances == number).any()]
        assert [names[item["category_id"]] for item in mine] == [record.kinds[number - 1] for number in expected]
        for item, number in zip(mine, expected, strict=True):
            mask = before.instances == number
            np.testing.assert_array_equal(drawn(item["segmentation"], sample.shape), mask)
            left, top, width, height = item["bbox"]
            assert item["area"] == mask.sum() == mask[top : top + height, left : left + width].sum()
            assert item["iscrowd"] == 0
        several += len(mine) > 1
    assert several
    assert len({item["id"] for item in document["annotations"]}) == sum(found.instances.values())
    assert any("in depth alone" in reason for _, reason in found.warnings)


def test_yolo_polygons_filled_again_are_the_mask(tmp_path: Path) -> None:
    made = write_generated(tmp_path)
    found = write_labels(made, tmp_path / "yolo", format="yolo")
    about = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())
    assert (about["train"], about["val"]) == ("images", "images")
    assert list(about["names"].values()) == list(found.instances)
    lines = 0
    for sample in open_dataset(made):
        assert sample.mask is not None
        stem = sample.entry.key.replace("/", "__")
        assert (tmp_path / f"yolo/images/{stem}.png").is_file()
        mask = np.zeros(sample.shape, bool)
        for line in (tmp_path / f"yolo/labels/{stem}.txt").read_text().splitlines():
            number, *shares = line.split()
            assert int(number) in about["names"]
            corners = np.reshape([float(share) for share in shares], (-1, 2))
            assert ((corners >= 0) & (corners <= 1)).all()
            mask |= filled([corners * sample.shape[::-1]], sample.shape)
            lines += 1
        np.testing.assert_array_equal(mask, sample.mask)
    assert lines == sum(found.instances.values())


def test_without_the_source_regions_of_the_mask_are_defects_and_it_says_so(tmp_path: Path) -> None:
    made = write_generated(tmp_path)
    shutil.rmtree(tmp_path / "parts")
    found = write_labels(made, tmp_path / "coco")
    assert found.images == 6
    told = [reason for _, reason in found.warnings if "each region of the mask is taken for a defect" in reason]
    assert len(told) == 6
    assert found.instances["defect"] > 0
    assert list(found.instances)[-1] == "defect"  # the numbers of the kinds are as with the source
    document = read(tmp_path / "coco")
    for image, sample in zip(document["images"], open_dataset(made), strict=True):
        mine = [item for item in document["annotations"] if item["image_id"] == image["id"]]
        every = np.sum([drawn(item["segmentation"], sample.shape) for item in mine], axis=0)
        np.testing.assert_array_equal(every, sample.mask)


def test_one_kind_is_known_without_the_source(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts")
    generate(parts, tmp_path / "dents", recipe=Recipe(kinds={"dent": 1.0}, dropout=0.0), count=2)
    generate(parts, tmp_path / "blots", recipe=Recipe(area=(0.1, 0.2), dropout=0.0), count=2)
    shutil.rmtree(parts)
    assert list(write_labels(tmp_path / "dents", tmp_path / "a").instances) == ["dent"]
    found = write_labels(tmp_path / "blots", tmp_path / "b")
    assert list(found.instances) == ["skewed"]
    assert found.warnings == ()  # the paper's blots are regions, with the source as without


def test_labelled_sets_have_the_names_of_their_folders_and_good_parts_no_label(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts")
    found = write_labels(parts, tmp_path / "yolo", format="yolo")
    assert (found.images, dict(found.instances)) == (4, {"dent": 1})
    assert (tmp_path / "yolo/labels/biscuit__train__good__000.txt").read_text() == ""
    assert write_labels(parts, tmp_path / "test", split="test").images == 1
    found = write_labels(parts, tmp_path / "one", one_category=True)
    assert dict(found.instances) == {"defect": 1}
    with pytest.raises(FileError, match="no sample in split='new'; there are test, train"):
        write_labels(parts, tmp_path / "new", split="new")


def test_what_is_not_labelled_is_left_out_and_named(tmp_path: Path) -> None:
    image, mask = np.full((8, 9, 3), 7, np.uint8), np.zeros((8, 9), bool)
    mask[2, 3] = True
    for name in ("a", "b"):
        put(tmp_path / f"in/rgb/{name}.png", encode_png(image))
    with pytest.raises(FileError, match="no sample that can be written; a: has no mask"):
        write_labels(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    put(tmp_path / "in/mask/a.png", encode_mask(mask))
    found = write_labels(tmp_path / "in", tmp_path / "out")
    assert (found.images, dict(found.instances)) == (1, {"defect": 1})
    (failure,) = found.failures
    assert failure[0] == "b"


def test_nothing_is_overwritten_and_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts")
    put(tmp_path / "mine/notes.txt", b"mine")
    with pytest.raises(FileError, match="nothing is overwritten"):
        write_labels(parts, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    with pytest.raises(FileError, match="separate folders"):
        write_labels(parts, parts / "labels")
    with pytest.raises(ParameterError, match="format must be one of coco, yolo"):
        write_labels(parts, tmp_path / "out", format="voc")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_labels(parts, tmp_path / "out", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "parts"]
    (tmp_path / "out").mkdir()  # an empty one will do
    seen: list[tuple[int, int]] = []
    write_labels(parts, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(FileError, match="nothing is overwritten"):
        write_labels(parts, tmp_path / "out")


def test_a_second_sample_of_one_name_is_refused(tmp_path: Path) -> None:
    mask = np.eye(8, 9, dtype=bool)
    for folder, name in (("scratch", "0__1"), ("scratch__0", "1")):
        put(tmp_path / f"in/test/{folder}/rgb/{name}.png", encode_png(np.full((8, 9, 3), 7, np.uint8)))
        put(tmp_path / f"in/test/{folder}/depth/{name}.png", encode_png(np.full((8, 9), 700, np.uint16)))
        put(tmp_path / f"in/test/{folder}/mask/{name}.png", encode_mask(mask))
    found = write_labels(tmp_path / "in", tmp_path / "out")
    assert found.images == 1
    assert [reason for _, reason in found.failures] == [
        "would be the second sample called in__test__scratch__0__1; rename it"
    ]


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts")
    done = CliRunner().invoke(main, ["labels", str(parts), "--out", str(tmp_path / "a"), "--format", "yolo"])
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("a: 4 images with 1 region (1 dent), as YOLO\n")
    done = CliRunner().invoke(main, ["labels", str(parts), "--out", str(tmp_path / "b"), "--json", "--one-category"])
    result = json.loads(done.stdout)["result"]
    assert (result["format"], result["images"], result["instances"]) == ("coco", 4, {"defect": 1})
    done = CliRunner().invoke(main, ["labels", str(parts), "--out", str(tmp_path / "a")])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "name a new folder" in done.stderr
    done = CliRunner().invoke(main, ["labels", str(parts), "--out", str(tmp_path / "c"), "--split", "new"])
    assert "in --split new;" in done.stderr
