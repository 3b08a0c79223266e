"""3D-ADAM: what differs from MVTec 3D-AD; what all readers share: test_readers.py."""

import cv2
import numpy as np
from helpers.trees import DEPTH, MASK, RGB, WHITE, XYZ, adam, mvtec, save

from das3d_aug.datasets import open_dataset


def test_the_set(tmp_path):
    data = open_dataset(adam(tmp_path))
    assert [(entry.key, entry.split, entry.defect, entry.label) for entry in data.entries] == [
        ("gear/test/bulge/003_C", "test", "bulge", 1),
        ("gear/test/bulge/010_D", "test", "bulge", 1),
        ("gear/test/good/003_C", "test", "good", 0),
        ("gear/test/good/010_D", "test", "good", 0),
        ("gear/train/good/003_C", "train", "good", 0),
        ("gear/train/good/010_D", "train", "good", 0),
    ]
    for sample in data:
        assert sample.unit == "unknown"
        assert np.array_equal(sample.xyz, XYZ)
        assert np.array_equal(sample.mask, MASK & (sample.entry.label == 1))


def test_the_unit_can_be_named(tmp_path):
    named = open_dataset(adam(tmp_path), unit="mm")
    assert next(iter(named)).unit == "mm"
    assert next(iter(open_dataset(tmp_path))).unit == "unknown"


def test_an_empty_mask_folder_of_normal_samples_is_no_error(tmp_path):
    (adam(tmp_path) / "gear" / "train" / "good" / "ground_truth").mkdir()
    assert not any(sample.mask.any() for sample in open_dataset(tmp_path).select(label=0))


def test_depth_stored_three_times_is_depth_without_points(tmp_path):
    adam(tmp_path)
    depth = (DEPTH / 900).astype(np.float32)  # 0 … 1
    depth[3, 3] = np.nan
    save(tmp_path / "gear" / "test" / "good" / "xyz" / "003_C.tiff", np.repeat(depth[:, :, None], 3, axis=2))
    flat, organised = open_dataset(tmp_path).select(split="test", label=0)
    assert flat.xyz is None
    assert np.array_equal(flat.valid, (DEPTH > 0) & np.isfinite(depth))
    assert np.array_equal(flat.depth[flat.valid], depth[flat.valid])
    assert organised.xyz is not None


def test_files_as_the_authors_scripts_leave_them(tmp_path):
    """Their loader takes .PNG, their clean-up leaves the .ply beside the .tiff, and stale masks in gt/."""
    group = adam(tmp_path) / "gear" / "test" / "bulge"
    (group / "rgb" / "003_C.png").rename(group / "rgb" / "003_C.PNG")
    (group / "xyz" / "003_C.ply").write_text("ply")
    save(group / "gt" / "003_C.png", WHITE * 0)
    data = open_dataset(tmp_path)
    assert len(data) == 6
    assert all(np.array_equal(sample.mask, MASK) for sample in data.select(label=1))
    assert [line.split(":")[0] for line in data.warnings] == [
        "gear/test/bulge/xyz/003_C.ply",
        "gear/test/bulge/gt/",
    ]


def test_colour_with_alpha_is_read(tmp_path):
    path = adam(tmp_path) / "gear" / "train" / "good" / "rgb" / "003_C.png"
    assert cv2.imwrite(str(path), np.dstack([RGB[:, :, ::-1], WHITE]))
    sample = next(iter(open_dataset(tmp_path).select(split="train")))
    assert np.array_equal(sample.rgb, RGB)


def test_mvtec_with_masks_in_ground_truth_is_told_apart(tmp_path):
    mvtec(tmp_path)
    assert open_dataset(tmp_path).layout == "mvtec3d"
    for path in sorted(tmp_path.rglob("gt")):
        path.rename(path.with_name("ground_truth"))
    data = open_dataset(tmp_path)
    assert data.layout == "adam3d"
    assert [np.array_equal(sample.mask, MASK) for sample in data.select(label=1)] == [True] * 4
