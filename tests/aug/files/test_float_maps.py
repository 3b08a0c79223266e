"""OpenEXR and PFM, as renderers and stereo data sets store depth: built by hand from their specifications."""

import numpy as np
import pytest
from helpers.image_files import RNG, exr, pfm, put

from das3d_aug.errors import FileError
from das3d_aug.files import read_array, read_plane

DEPTH = np.linspace(0.5, 2, 37 * 11, dtype=np.float32).reshape(37, 11)
NOISE = RNG.normal(size=(37, 11)).astype(np.float32)


@pytest.mark.parametrize("compression", [0, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint32])
@pytest.mark.parametrize("top", [0, -7])
def test_exr_of_one_channel(tmp_path, compression, dtype, top):
    for values in (DEPTH, NOISE * 9):  # noise is stored as it is, since it does not become smaller
        depth = np.abs(values).astype(dtype)
        plane = read_plane(put(tmp_path, "a.exr", exr({"Z": depth}, compression=compression, top=top)))
        assert plane.dtype == dtype
        assert plane.flags.writeable
        assert np.array_equal(plane, depth)


def test_exr_of_several_channels(tmp_path):
    alpha = np.ones_like(DEPTH)
    xyz = {"X": NOISE, "Y": -NOISE, "Z": DEPTH}
    assert np.array_equal(read_array(put(tmp_path, "a.exr", exr(xyz))), np.dstack([NOISE, -NOISE, DEPTH]))
    rgba = {"A": alpha, "B": DEPTH, "G": DEPTH, "R": DEPTH}
    assert np.array_equal(read_plane(put(tmp_path, "b.exr", exr(rgba))), DEPTH)
    mixed = {"R": DEPTH.astype(np.float16), "G": NOISE, "B": DEPTH.astype(np.float16)}
    assert np.array_equal(read_array(put(tmp_path, "c.exr", exr(mixed)))[:, :, 1], NOISE)
    with pytest.raises(FileError, match="one channel, X Y Z or R G B is expected, it has 'U', 'V'"):
        read_plane(put(tmp_path, "d.exr", exr({"U": NOISE, "V": DEPTH})))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"flags": 0x200}, "no tiles"),
        ({"flags": 0x1000}, "no tiles, parts"),
        ({"compression": 4}, "compression PIZ is not read; save as ZIP"),
        ({"dataWindow": np.array([0, 0, 59999, 59999], "<i4").tobytes()}, "60000 x 60000 pixels are declared"),
        ({"dataWindow": np.array([5, 0, 4, 36], "<i4").tobytes()}, "37 x 0 pixels"),
        ({"dataWindow": np.array([5, 0, 15, 8000], "<i4").tobytes()}, "not expected|cut short"),
        ({"dataWindow": np.array([5, 1, 15, 37], "<i4").tobytes()}, "not expected"),
        ({"dataWindow": np.array([5, 0, 14, 36], "<i4").tobytes()}, "a block"),
        ({"channels": b"Z\0" + np.array([7, 0, 1, 1], "<i4").tobytes() + b"\0"}, "unknown type"),
        ({"channels": b"\0"}, "has none"),
    ],
)
def test_exr_that_is_not_read(tmp_path, change, reason):
    with pytest.raises(FileError, match=reason):
        read_plane(put(tmp_path, "a.exr", exr({"Z": DEPTH}, **change)))


@pytest.mark.parametrize("scale", [b"-1.0", b"1", b"-1e-3", b"+2.5E1"])
def test_pfm_of_either_byte_order(tmp_path, scale):
    assert np.array_equal(read_plane(put(tmp_path, "a.pfm", pfm(DEPTH, scale=scale))), DEPTH)
    xyz = np.dstack([NOISE, DEPTH, DEPTH])
    array = read_array(put(tmp_path, "b.pfm", pfm(xyz, scale=scale)))
    assert array.flags.c_contiguous
    assert np.array_equal(array, xyz)


@pytest.mark.parametrize("scale", [b"0", b"-0.0", b"1e999", b"x", b"e", b"1.2.3"])
def test_pfm_whose_scale_says_no_byte_order(tmp_path, scale):
    with pytest.raises(FileError, match=r"no sign|header is not valid|could not convert"):
        read_plane(put(tmp_path, "a.pfm", pfm(DEPTH, scale=scale)))
