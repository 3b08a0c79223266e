"""Real-IAD D³: its names, lights and NaN points; what all readers share: test_readers.py."""

import cv2
import numpy as np
import pytest
from helpers.trees import DEPTH, MASK, RGB, WHITE, XYZ, realiad, save

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError


def many_lights(root, *, names=("k_01", "k_02"), stem="scan_{}"):
    """As the authors' loader expects it: a folder of lights for each sample, masks in ``gt/rgb/``.

    JPEG blurs, so each sample is of one grey, the light L05 of another one.
    """
    for group in ("train/GOOD", "test/GOOD", "test/pit"):
        folder = root / "fuse_holder" / group
        for k, name in enumerate(names):
            for light, grey in (("L01", 10), ("L05", 100 + k)):
                save(folder / "rgb" / name / f"{name}_{light}_RGB_2024.jpg", np.full_like(RGB, grey))
            save(folder / "rgb" / name / f"{name}_L05_NIR_2024.jpg", np.full_like(RGB, 20))
            save(folder / "xyz" / f"{stem.format(name)}.tiff", np.where(XYZ == 0, np.nan, XYZ + np.float32(k)))
            save(folder / "ps" / f"{stem.format(name)}.jpg", RGB)
            if group == "test/pit":
                save(folder / "gt" / "rgb" / f"{stem.format(name)}.png", WHITE if k == 0 else np.uint8(255) - WHITE)
    return root


def test_the_set(tmp_path):
    data = open_dataset(realiad(tmp_path))
    assert [(entry.key, entry.split, entry.defect, entry.label) for entry in data.entries] == [
        ("fuse_holder/test/GOOD/0001", "test", "GOOD", 0),
        ("fuse_holder/test/GOOD/0002", "test", "GOOD", 0),
        ("fuse_holder/test/scratch/0001", "test", "scratch", 1),
        ("fuse_holder/test/scratch/0002", "test", "scratch", 1),
        ("fuse_holder/train/GOOD/0001", "train", "GOOD", 0),
        ("fuse_holder/train/GOOD/0002", "train", "GOOD", 0),
    ]
    for sample in data:
        assert sample.unit == "unknown"
        assert {"rgb", "xyz", "ps"} <= set(sample.entry.files)
        assert np.array_equal(sample.valid, DEPTH > 0)
        assert np.isfinite(sample.depth).all()
        assert np.isnan(sample.xyz[DEPTH == 0]).all()


@pytest.mark.parametrize("stem", ["{}", "scan_{}"])
def test_a_folder_of_lights_is_one_sample_under_l05(tmp_path, stem):
    data = open_dataset(many_lights(tmp_path, stem=stem))
    assert [entry.key for entry in data.select(label=1).entries] == [f"fuse_holder/test/pit/k_0{k}" for k in (1, 2)]
    assert len(data) == 6
    for sample in data:
        k = int(sample.entry.key[-1]) - 1
        assert np.abs(sample.rgb.astype(int) - (100 + k)).max() <= 1
        assert np.array_equal(sample.depth[sample.valid], (XYZ[:, :, 2] + np.float32(k))[DEPTH > 0])
        assert sample.entry.files["ps"].stem == stem.format(f"k_0{k + 1}")
        if sample.entry.label == 1:
            assert np.array_equal(sample.mask, MASK ^ (k == 1))


def test_unequal_numbers_are_never_paired_by_order(tmp_path):
    folder = many_lights(tmp_path) / "fuse_holder" / "test" / "pit"
    (folder / "xyz" / "scan_k_01.tiff").unlink()
    data = open_dataset(tmp_path)
    names = {"k_01": "xyz", "k_02": "xyz", "scan_k_02": "rgb"}
    assert {entry.key.rpartition("/")[2] for entry in data.entries if entry.defect == "pit"} == set(names)
    for entry in data.entries:
        if entry.defect == "pit":
            name = entry.key.rpartition("/")[2]
            with pytest.raises(FileError, match=f"pit/{names[name]}/{name}: no such {names[name]} file"):
                data.open(entry)
        else:
            data.open(entry)


def test_a_sample_without_l05_is_named(tmp_path):
    folder = many_lights(tmp_path, stem="{}") / "fuse_holder" / "train" / "GOOD"
    (folder / "rgb" / "k_01" / "k_01_L05_RGB_2024.jpg").unlink()
    data = open_dataset(tmp_path).select(split="train")
    with pytest.raises(FileError, match=r"GOOD/rgb/k_01: no such rgb file"):
        data.open(data.entries[0])
    data.open(data.entries[1])


def test_a_cut_jpeg_is_named(tmp_path):
    path = many_lights(tmp_path) / "fuse_holder" / "train" / "GOOD" / "rgb" / "k_01" / "k_01_L05_RGB_2024.jpg"
    path.write_bytes(path.read_bytes()[:-10])
    data = open_dataset(tmp_path).select(split="train")
    with pytest.raises(FileError, match="cut short") as caught:
        data.open(data.entries[0])
    assert caught.value.path == path


def test_ps_alone_tells_the_layout(tmp_path):
    for path in sorted(realiad(tmp_path).rglob("GOOD")):
        path.rename(path.with_name("good"))
    data = open_dataset(tmp_path)
    assert data.layout == "realiad_d3"
    assert data.how.endswith("some with ps/")
    assert len(data.select(label=0)) == 4


def test_ps_is_an_image_of_its_own_and_not_opened(tmp_path):
    for path in realiad(tmp_path).rglob("ps/*.jpg"):
        path.write_bytes(b"not an image")
    data = open_dataset(tmp_path)
    assert len(list(data)) == 6
    assert cv2.imread(str(data.entries[0].files["ps"])) is None
