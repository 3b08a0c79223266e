"""What a sample says of itself, and samples of arrays."""

import numpy as np
import pytest
from helpers.own_files import CAMERA, DEPTH, MASK, RGB, XYZ

from das3d_aug.datasets import Sample
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import ParameterError
from das3d_aug.preparation import Preparation, prepare_sample


def test_a_sample_says_in_a_line_what_it_holds():
    sample = Sample.from_arrays(RGB, DEPTH, xyz=XYZ, unit="m", mask=MASK, key="a/b")
    assert repr(sample) == "Sample('a/b', 10 x 14, rgb, depth, valid 97.9%, xyz, mask 5.7%, unit 'm')"
    assert repr(Sample.from_arrays(RGB)) == "Sample('sample', 10 x 14, rgb, unit 'unknown')"
    prepared = prepare_sample(sample, Preparation(distance=0, size=(10, 14)))
    assert repr(prepared).startswith("Prepared(10 x 14, rgb, depth, valid")
    assert "[" not in repr(make_part("flange", seed=0, index=0, size=32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_a_sample_of_arrays_is_as_one_of_files(dtype):
    depth = DEPTH.astype(np.float64) * 1000
    depth[1, :3] = (0, 0, 0) if dtype is np.uint16 else (np.nan, -1, 1e39)
    depth = depth.astype(dtype) if dtype is not np.float32 else np.where(depth > 1e38, np.inf, depth).astype(dtype)
    part = ~MASK
    sample = Sample.from_arrays(RGB, depth, unit="mm", camera=CAMERA, mask=MASK * 7, foreground=part)
    assert sample.depth.dtype == np.float32
    assert np.array_equal(sample.valid, (DEPTH > 0) & ~np.isin(np.arange(140).reshape(10, 14), (14, 15, 16)))
    assert np.array_equal(sample.depth[2:], depth[2:].astype(np.float32))
    assert (sample.unit, sample.intrinsics, sample.entry.label, sample.grey) == ("mm", CAMERA, 1, False)
    assert sample.mask.dtype == sample.foreground.dtype == bool
    assert np.array_equal(sample.mask, MASK)
    for name, given in (("rgb", RGB), ("depth", depth), ("foreground", part)):
        assert not np.shares_memory(getattr(sample, name), given)


def test_one_modality_grey_and_points_are_enough():
    grey = Sample.from_arrays(RGB[:, :, 0], mask=np.zeros((10, 14), bool))
    assert np.array_equal(grey.rgb, RGB[:, :, :1].repeat(3, axis=2))
    assert (grey.grey, grey.depth, grey.valid, grey.entry.label) == (True, None, None, 0)
    cloud = Sample.from_arrays(xyz=XYZ.astype(np.float64))
    assert np.array_equal(cloud.depth, DEPTH)
    assert (cloud.rgb, cloud.entry.label) == (None, None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "rgb or depth is needed"),
        ({"rgb": RGB.tolist()}, "rgb must be a NumPy array, got list"),
        ({"rgb": RGB / 255}, "rgb must be uint8, H x W x 3 or H x W, got float64"),
        ({"rgb": RGB, "depth": DEPTH[1:]}, r"depth must have the shape \(10, 14\), got \(9, 14\)"),
        ({"depth": DEPTH.astype(int)}, "depth must be one of float32, float64, uint16, got int64"),
        ({"xyz": XYZ.astype(int)}, "xyz must be floats"),
        ({"xyz": DEPTH}, "xyz must be H x W x 3"),
        ({"rgb": RGB, "mask": MASK.astype(float)}, "mask must be bool or integers of 10 x 14"),
        ({"rgb": RGB, "foreground": MASK[1:]}, "foreground must be bool or integers of 10 x 14"),
    ],
)
def test_what_is_no_sample_is_refused(given, reason):
    with pytest.raises(ParameterError, match=reason):
        Sample.from_arrays(**given)
