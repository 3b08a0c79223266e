"""Eyecandies: the set, its lights, labels, depth, camera and writer; what all readers share: test_readers.py."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from helpers.trees import CODES, MASK, RGB, WHITE, eyecandies, save, write
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from das3d_aug.datasets import encode_eyecandies, open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.geometry import depth_to_points


@pytest.fixture
def root(tmp_path):
    return eyecandies(tmp_path)


def test_the_set(root):
    data = open_dataset(root)
    assert [(entry.key, entry.split, entry.label, entry.defect) for entry in data.entries] == [
        ("GummyBear/test_private/000", "test_private", None, ""),
        ("GummyBear/test_public/00", "test", 0, ""),
        ("GummyBear/test_public/01", "test", 1, "anomalous"),
        ("GummyBear/train/000", "train", 0, ""),
        ("GummyBear/train/001", "train", 0, ""),
        ("GummyBear/val/00", "validation", 0, ""),
        ("Lollipop/train/000", "train", 0, ""),
    ]
    kinds = {"bumps_mask", "dents_mask", "colors_mask", "normals_mask"}
    public = {"rgb", "depth", "info_depth", "normals", "pose"}
    assert set(data.entries[0].files) == public
    assert set(data.entries[2].files) == public | {"metadata", "mask"} | kinds
    assert [len(data.select(split=split)) for split in ("train", "validation", "test", "test_private")] == [3, 1, 2, 1]
    for folder, split in (("val", "validation"), ("test_public", "test")):
        assert data.select(split=folder).entries == data.select(split=split).entries
    assert [entry.key for entry in data.select(category="GummyBear", label=1).entries] == ["GummyBear/test_public/01"]
    private, normal, anomalous, *others = data
    assert private.mask is None
    assert np.array_equal(anomalous.mask, MASK)
    assert not any(sample.mask.any() for sample in (normal, *others))
    assert {(sample.unit, sample.depth.dtype.name) for sample in data} == {("m", "float32")}


@pytest.mark.parametrize(
    ("light", "number"),
    [("all", 0), ("bottom", 1), ("right", 2), ("top", 3), ("left", 4), ("global", 5), (2, 2), (5, 5), ("3", 3)],
)
def test_every_light_can_be_chosen(root, light, number):
    sample = next(iter(open_dataset(root, light=light)))
    assert np.array_equal(sample.rgb, RGB // 6 * (number + 1))
    assert sample.entry.files["rgb"].name == f"000_image_{number}.png"


@pytest.mark.parametrize("light", ["sun", 6, -1, True, 1.0, None, "image_0"])
def test_other_lights_are_refused(root, light):
    with pytest.raises(ParameterError, match=r"light must be one of all, .*, global or 0 … 5"):
        open_dataset(root, light=light)


def test_depth_is_the_formula_of_the_authors(root):
    sample = next(iter(open_dataset(root)))
    reference = CODES.astype(np.float32) / 65535.0 * (0.9 - 0.5) + 0.5
    assert np.allclose(sample.depth, reference, rtol=1e-6, atol=0)
    assert sample.valid.all()


def test_the_camera_is_that_of_512_pixels_scaled(root):
    assert next(iter(open_dataset(root))).intrinsics.fx == pytest.approx(711.11 * 14 / 512)
    for path in (root / "Lollipop").rglob("*.png"):
        if path.name.endswith(("_depth.png", "_image_5.png", "mask.png")):
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            save(path, cv2.resize(image, (512, 512), interpolation=cv2.INTER_NEAREST))
    (sample,) = open_dataset(root).select(category="Lollipop")
    points = depth_to_points(sample.depth, sample.intrinsics)
    u, v = np.meshgrid(np.arange(512), np.arange(512))
    # the authors: x = (u − width / 2) · z / f
    assert np.allclose(points[:, :, 0], (u - 256) * sample.depth / 711.11, atol=1e-6)
    assert np.allclose(points[:, :, 1], (v - 256) * sample.depth / 711.11, atol=1e-6)


def test_listing_reads_the_public_metadata_alone(root, monkeypatch):
    opened = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path.name) or read_bytes(path))
    open_dataset(root)
    assert sorted(opened) == ["00_metadata.yaml", "01_metadata.yaml"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a YAML mapping is expected, got NoneType"),
        ("[1]", "a YAML mapping is expected, got list"),
        ("anomalous: 2", "anomalous: 0 or 1 is expected, got 2"),
        ("anomalous: [1]", "anomalous: 0 or 1 is expected, got \\[1\\]"),
        ("label: 1", "anomalous: 0 or 1 is expected, got None"),
        ("anomalous: !!python/object/apply:os.getcwd []", "is not YAML: ConstructorError"),
        ("anomalous: {", "is not YAML: ParserError"),
        ("[" * 4000, "is nested too deeply; at most 32 levels are read"),
        ("anomalous: \0", "is not YAML: ReaderError"),
        ("anomalous: 2001-99-99", "is not YAML: ValueError"),
        ("a" * 20000, "holds 20000 bytes; at most 4096 are read"),
        (None, "no such metadata file"),
    ],
)
def test_damaged_metadata_is_no_label_and_named_when_opened(root, text, reason):
    path = root / "GummyBear" / "test_public" / "data" / "01_metadata.yaml"
    path.unlink() if text is None else path.write_text(text)
    data = open_dataset(root)
    (broken,) = [entry for entry in data.entries if entry.key == "GummyBear/test_public/01"]
    assert broken.label is None
    with pytest.raises(FileError, match=reason) as caught:
        data.open(broken)
    assert caught.value.path in (path, path.with_suffix(""))
    assert "\n" not in str(caught.value)
    assert len(list(data.select(label=0))) == 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "the numbers min and max are expected"),
        ("normalization: 3", "the numbers min and max are expected"),
        ("normalization: {min: 0.1}", "the numbers min and max are expected"),
        ("normalization: {min: 0.1, max: far}", "the numbers min and max are expected"),
        ("normalization: {min: 0.1, max: .inf}", "normalization.max must be a finite number, got inf"),
        ("normalization: {min: .nan, max: 1.0}", "normalization.min must be a finite number, got nan"),
        ("normalization: {min: -1.7e+308, max: 1.7e+308}", "min <= max is expected"),
        ("normalization: {min: 2, max: 1}", "min <= max is expected, got 2.0 and 1.0"),
        ("normalization: {min: 0, max: 1" + "0" * 400 + "}", "holds a number of 401 characters; at most 100 are read"),
        ("a: &a [1]\nb: &b [*a, *a]\nnormalization: &n {min: *n}", "uses an alias"),
    ],
)
def test_a_damaged_scale_is_named(root, text, reason):
    path = root / "Lollipop" / "train" / "data" / "000_info_depth.yaml"
    path.write_text(text)
    with pytest.raises(FileError, match=reason) as caught:
        list(open_dataset(root).select(category="Lollipop"))
    assert caught.value.path == path


def test_numbers_as_yaml_1_2_writes_them_are_read(root):
    path = root / "Lollipop" / "train" / "data" / "000_info_depth.yaml"
    path.write_text("normalization: {min: 1e-05, max: 2}")  # a string to YAML 1.1
    (sample,) = open_dataset(root).select(category="Lollipop")
    assert sample.depth.max() == np.float32(CODES.max() / 65535 * (2 - 1e-05) + 1e-05)


def test_other_files_are_no_samples(root):
    before = open_dataset(root).entries
    for name in (
        "000_depth.txt",
        "000_mask.jpg",
        "000_heatmap.npy",
        "x_depth.png",
        ".000_depth.png.7.partial",
        "notes.txt",
    ):
        (root / "Lollipop" / "train" / "data" / name).write_text("?")
    assert open_dataset(root).entries == before


def test_depth_of_8_bits_is_refused(root):
    save(root / "Lollipop" / "train" / "data" / "000_depth.png", WHITE)
    with pytest.raises(FileError, match=r"000_depth\.png: 16-bit integers are expected, got uint8"):
        list(open_dataset(root).select(category="Lollipop"))


def depths(*, low):
    wild = st.sampled_from([0.0, -1.0, float("nan"), float("inf")])
    values = st.one_of(st.floats(low, 3.0, width=32), wild) if low == 0.0 else st.floats(low, 3.0, width=32)
    return arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=values)


@settings(deadline=None, max_examples=60)
@example(np.float32([[1e-9, 2.5, 0.0]]))
@given(st.one_of(depths(low=0.0), depths(low=0.25)))
def test_the_writer_keeps_depth_within_half_a_step_and_invalid_depth_at_0(tmp_path_factory, depth):
    root = tmp_path_factory.mktemp("set")
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    write(root, encode_eyecandies("A/train/000", rgb=rgb, depth=depth))
    (sample,) = open_dataset(root)
    valid = np.isfinite(depth) & (depth > 0)
    assert np.array_equal(sample.valid, valid)
    assert (sample.depth[~valid] == 0).all()
    scale = yaml.safe_load((root / "A" / "train" / "data" / "000_info_depth.yaml").read_text())["normalization"]
    step = (scale["max"] - scale["min"]) / 65535
    error = np.abs(sample.depth - depth.astype(np.float64))[valid]
    small = depth[valid] < step / 2  # would be code 0, which is kept for invalid depth if there is any
    bound = np.where(small & (scale["min"] == 0), step, step / 2) + 1e-6 * scale["max"]  # float32
    assert (error <= bound).all()


def test_the_writer_reads_back(tmp_path):
    before = np.float32(CODES / 65535 + 0.5)
    depth = before.copy()
    depth[4, 5:9] -= 0.1
    depth[5, 5:9] += 0.1
    depth[5, 9], before[4, 9] = 0, 0  # lost by the anomaly, and not there before: neither bump nor dent
    painted = np.zeros_like(MASK)
    painted[5, 6] = True
    given_arrays = {"rgb": RGB, "depth": depth, "mask": MASK, "rgb_mask": painted, "normal_depth": before}
    copies = {name: array.copy() for name, array in given_arrays.items()}
    files = encode_eyecandies("Cookie/test_public/07", **given_arrays)
    assert all(np.array_equal(given_arrays[name], copies[name]) for name in copies)
    assert files == encode_eyecandies("Cookie/test_public/07", **copies)
    items = ["depth.png", "info_depth.yaml", "metadata.yaml", "mask.png"]
    items += [f"image_{k}.png" for k in range(6)] + [
        f"{kind}_mask.png" for kind in ("bumps", "dents", "colors", "normals")
    ]
    assert set(files) == {f"Cookie/test_public/data/07_{item}" for item in items}
    write(tmp_path, files)
    write(tmp_path, encode_eyecandies("Cookie/train/000", rgb=RGB, depth=before))
    start = tmp_path / "Cookie" / "test_public" / "data"
    stored = {item: cv2.imread(str(start / f"07_{item}"), cv2.IMREAD_UNCHANGED) for item in items if "png" in item}
    assert stored["depth.png"].dtype == np.uint16
    bumps, dents = np.zeros_like(MASK), np.zeros_like(MASK)
    bumps[4, 5:9], dents[5, 5:9] = True, True
    for kind, expected in (("bumps", bumps), ("dents", dents), ("colors", painted), ("normals", MASK & False)):
        assert np.array_equal(stored[f"{kind}_mask.png"], np.uint8(255) * expected)
    assert yaml.safe_load((start / "07_metadata.yaml").read_text()) == {"anomalous": 1}
    for light in range(6):
        (sample,) = open_dataset(tmp_path, light=light).select(label=1)
        assert np.array_equal(sample.rgb, RGB)
    assert np.abs(sample.depth - depth).max() <= float(depth.max()) / 65535 / 2 + 1e-7
    assert np.array_equal(sample.mask, MASK)
    (normal,) = open_dataset(tmp_path).select(split="train")
    assert not normal.mask.any()
    assert np.array_equal(normal.valid, before > 0)


@pytest.mark.parametrize("depth", [np.full((10, 14), 700, np.uint16), np.zeros((10, 14))])
def test_the_writer_takes_constant_depth(tmp_path, depth):
    write(tmp_path, encode_eyecandies("A/train/0", rgb=RGB, depth=depth))
    (sample,) = open_dataset(tmp_path)
    assert np.array_equal(sample.depth, depth)


@pytest.mark.parametrize("key", ["000", "A/test/000", "A/test_private/000", "A/train/x", "A/train/0_1", "A/train/³"])
def test_keys_of_another_form_are_refused(key):
    with pytest.raises(ParameterError, match="key must be"):
        encode_eyecandies(key, rgb=RGB, depth=CODES)


def test_the_writer_refuses_what_does_not_fit():
    with pytest.raises(ParameterError, match="mask must be empty outside test_public"):
        encode_eyecandies("A/train/0", rgb=RGB, depth=CODES, mask=MASK)
    with pytest.raises(ParameterError, match="normal_depth must have the shape"):
        encode_eyecandies("A/train/0", rgb=RGB, depth=CODES, normal_depth=CODES[1:])
