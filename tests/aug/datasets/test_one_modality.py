"""Colour, depth or points alone: read, restricted and written."""

import cv2
import numpy as np
import pytest
from helpers.trees import CAMERA, DEPTH, MASK, RGB, WHITE, XYZ, own_images, save, visa, write

from das3d_aug.datasets import (
    encode_eyecandies,
    encode_folder,
    encode_mvtec3d,
    encode_mvtec_ad,
    encode_webdataset,
    open_dataset,
)
from das3d_aug.errors import FileError, ParameterError

GREY = RGB[:, :, 0]


@pytest.mark.parametrize(
    ("name", "array", "how"),
    [
        ("rgb/a.png", RGB, "rgb/"),
        ("images/a.bmp", RGB, "images/"),
        ("depth/a.png", DEPTH, "depth/"),
        ("xyz/a.tiff", XYZ, "xyz/"),
        ("a.png", RGB, "1 image"),
        ("depth_a.png", DEPTH, "files told apart by name (1 depth)"),
        ("a.npy", DEPTH.astype(np.float32), "files told apart by name (1 depth)"),
    ],
)
def test_one_modality_alone(tmp_path, name, array, how):
    save(tmp_path / name, array)
    if "/" in name:
        save(tmp_path / "mask" / "a.png", WHITE)
    data = open_dataset(tmp_path)
    (sample,) = data
    assert (data.layout, data.how, data.warnings) == ("folder", how, ())
    assert (sample.entry.key, sample.shape, sample.grey) == ("a", MASK.shape, False)
    if array is RGB:
        assert np.array_equal(sample.rgb, RGB)
        assert sample.depth is sample.valid is sample.xyz is None
        with pytest.raises(ParameterError, match="depth is needed here, and 'a' has none"):
            sample.need("depth")
    else:
        assert np.array_equal(sample.depth, XYZ[:, :, 2] if array is XYZ else array)
        assert np.array_equal(sample.valid, sample.depth > 0)
        assert sample.rgb is None
        with pytest.raises(ParameterError, match="colour is needed here, and 'a' has none"):
            sample.need("rgb")
    assert sample.mask is None or np.array_equal(sample.mask, MASK)


def test_grey_is_told_by_the_channels_of_the_file(tmp_path):
    save(tmp_path / "rgb" / "a.png", GREY)
    save(tmp_path / "rgb" / "b.png", np.repeat(GREY[:, :, None], 3, axis=2))
    save(tmp_path / "rgb" / "c.pgm", GREY)
    save(tmp_path / "rgb" / "d.jpg", GREY)
    grey, colour, pgm, jpeg = open_dataset(tmp_path)
    assert [sample.grey for sample in (grey, colour, pgm, jpeg)] == [True, False, True, True]
    assert np.array_equal(grey.rgb, colour.rgb)
    assert np.array_equal(grey.rgb, pgm.rgb)


def test_below_splits_and_with_masks(tmp_path):
    for group in ("train/good", "test/good", "test/dent"):
        save(tmp_path / "parts" / group / "depth" / "0.png", DEPTH)
    save(tmp_path / "parts/test/dent/mask/0.png", WHITE)
    data = open_dataset(tmp_path / "parts", depth_scale=1000, unit="m")
    assert (data.how, len(data), data.warnings) == ("depth/ in 3 folders such as train/good/", 3, ())
    (bad,) = data.select(label=1)
    assert (bad.unit, bad.rgb) == ("m", None)
    assert np.array_equal(bad.mask, MASK)


def test_a_folder_of_depth_images_is_depth_when_asked(tmp_path):
    for name in ("2", "10"):
        save(tmp_path / f"{name}.png", DEPTH)
    with pytest.raises(FileError, match=r"2\.png: holds no 8-bit colour; .* mode='depth'"):
        next(iter(open_dataset(tmp_path)))
    data = open_dataset(tmp_path, mode="depth", unit="mm")
    assert [entry.key for entry in data.entries] == ["2", "10"]
    assert all(np.array_equal(sample.depth, DEPTH) and sample.unit == "mm" for sample in data)
    with pytest.raises(FileError, match="has no depth, which mode='rgbd' needs"):
        open_dataset(tmp_path, mode="rgbd")


def test_the_restricted_view_leaves_out_what_lacks_the_modality(tmp_path):
    own_images(tmp_path, names=("a", "b"))
    (tmp_path / "depth" / "b.png").unlink()
    (tmp_path / "rgb" / "a.png").unlink()
    assert [entry.key for entry in open_dataset(tmp_path, mode="rgb").entries] == ["b"]
    assert [entry.key for entry in open_dataset(tmp_path, mode="depth").entries] == ["a"]
    data = open_dataset(tmp_path, mode="rgbd")
    for entry in data.entries:
        with pytest.raises(FileError, match="no such"):
            data.open(entry)


def test_options_about_depth_are_refused_without_it(tmp_path):
    save(tmp_path / "rgb" / "a.png", RGB)
    with pytest.raises(ParameterError, match=r"encoding= is about depth/, and .* has rgb/"):
        open_dataset(tmp_path, encoding="nyu")


def test_visa_with_jpegs_and_its_split(tmp_path):
    visa(tmp_path)
    for path in sorted(tmp_path.rglob("Images/*/*.png")):
        path.unlink()
        assert cv2.imwrite(str(path.with_suffix(".jpg")), RGB)
        path.with_suffix(".jpg").rename(path.with_suffix(".JPG"))
    rows = ["object,split,label,image,mask"]
    for category in ("candle", "pcb1"):
        for place, split in (("Normal/0000", "train"), ("Normal/0001", "test"), ("Anomaly/000", "test")):
            rows.append(f"{category},{split},x,{category}/Data/Images/{place}.JPG,")
    (tmp_path / "split_csv").mkdir()
    split_file = tmp_path / "split_csv" / "1cls.csv"
    split_file.write_text("\n".join(rows))
    data = open_dataset(tmp_path)
    assert {entry.key: (entry.split, entry.label, entry.defect) for entry in data.select(category="pcb1").entries} == {
        "pcb1/Anomaly/000": ("test", 1, "Anomaly"),
        "pcb1/Anomaly/001": ("", 1, "Anomaly"),
        "pcb1/Normal/0000": ("train", 0, "Normal"),
        "pcb1/Normal/0001": ("test", 0, "Normal"),
    }
    assert data.warnings == ()
    assert all(np.array_equal(sample.mask, MASK) for sample in data.select(label=1))
    split_file.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(FileError, match=r"1cls\.csv: columns image and split are expected"):
        open_dataset(tmp_path)


def test_visa_as_its_script_rearranges_it(tmp_path):
    for group in ("train/good", "test/good", "test/bad"):
        save(tmp_path / "pcb1" / group / "000.jpg", RGB)
    save(tmp_path / "pcb1/ground_truth/bad/000.png", WHITE)
    data = open_dataset(tmp_path)
    (bad,) = data.select(label=1)
    assert (data.layout, bad.entry.key, data.warnings) == ("mvtec_ad", "pcb1/test/bad/000", ())
    assert np.array_equal(bad.mask, MASK)


@pytest.mark.parametrize("rgb", [RGB, GREY, None])
@pytest.mark.parametrize("depth", [DEPTH, DEPTH / np.float32(7), None])
def test_the_folder_writer_writes_what_there_is(tmp_path, rgb, depth):
    if rgb is None and depth is None:
        with pytest.raises(ParameterError, match="rgb or depth is needed"):
            encode_folder("a", mask=MASK)
        return
    write(tmp_path, encode_folder("a", rgb=rgb, depth=depth, mask=MASK))
    (sample,) = open_dataset(tmp_path)
    back = sample.rgb[:, :, 0] if sample.grey else sample.rgb
    assert (back is None) == (rgb is None)
    assert back is None or np.array_equal(back, rgb)
    assert (sample.depth is None) == (depth is None)
    assert depth is None or np.array_equal(sample.depth, depth.astype(np.float32))
    assert np.array_equal(sample.mask, MASK)
    masks = {"mask": MASK, "rgb_mask": MASK, "depth_mask": MASK}
    names = encode_webdataset("a", rgb=rgb, depth=depth, **masks).keys()
    stored = any(name.startswith("a.depth.") for name in names)
    assert ("a.rgb.png" in names, stored) == (rgb is not None, depth is not None)


def test_mvtec_ad_is_written_and_read_back(tmp_path):
    write(tmp_path, encode_mvtec_ad("tile/train/good/000", rgb=GREY))
    write(tmp_path, encode_mvtec_ad("tile/test/dent/000", rgb=GREY, mask=MASK))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert files == ["tile/ground_truth/dent/000_mask.png", "tile/test/dent/000.png", "tile/train/good/000.png"]
    bad, good = open_dataset(tmp_path)
    assert (bad.entry.label, good.entry.label, bad.grey, good.grey) == (1, 0, True, True)
    assert np.array_equal(bad.rgb[:, :, 1], GREY)
    assert np.array_equal(bad.mask, MASK)
    for key, mask, reason in (
        ("tile/test/dent", MASK, "key must be"),
        ("tile/test/dent/0", None, "mask is needed"),
        ("tile/test/good/0", MASK, "mask must be empty"),
    ):
        with pytest.raises(ParameterError, match=reason):
            encode_mvtec_ad(key, rgb=GREY, mask=mask)


def test_layouts_that_hold_both_refuse_one():
    with pytest.raises(ParameterError, match="rgb is needed"):
        encode_mvtec3d("a/train/good/0", rgb=None, xyz=XYZ)
    with pytest.raises(ParameterError, match="MVTec 3D-AD stores points, neither depth nor colour alone"):
        encode_mvtec3d("a/train/good/0", rgb=RGB)
    with pytest.raises(ParameterError, match="rgb is needed"):
        encode_eyecandies("a/train/0", rgb=None, depth=DEPTH)
    with pytest.raises(ParameterError, match="depth is needed: Eyecandies has no colour alone"):
        encode_eyecandies("a/train/0", rgb=RGB, depth=None)
    files = encode_mvtec3d("a/train/good/0", rgb=GREY, depth=XYZ[:, :, 2], intrinsics=CAMERA)
    assert set(files) == {"a/train/good/rgb/0.png", "a/train/good/xyz/0.tiff"}
