"""TIFF as common software writes it: compressions, predictors, tiles, byte orders, planes, pages."""

import io
import struct

import cv2
import numpy as np
import pytest
import tifffile
from helpers.image_files import GREY, RGB, U16, XYZ, put, tiff, written
from PIL import Image

from das3d_aug.errors import FileError
from das3d_aug.files import read_array, read_plane, read_rgb

DEPTH = XYZ[:, :, 0]
WIDE = np.random.default_rng(3).integers(500, 600, (70, 90), dtype=np.uint16)


def pages(*images, **options):
    """Write pages, each an array or a pair of an array and options."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, **options) as writer:
        for image in images:
            array, more = image if isinstance(image, tuple) else (image, {})
            writer.write(array, metadata=None, contiguous=False, **more)
    return buffer.getvalue()


def by_pillow(array, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "TIFF", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 32)}, {"rowsperstrip": 4}, {"bigtiff": True}, {"byteorder": ">"}])
@pytest.mark.parametrize(("array", "predictor"), [(WIDE, 1), (WIDE, 2), (WIDE.astype(np.float32), 3), (WIDE / 7, 3)])
def test_compressions_layouts_and_predictors(tmp_path, compression, layout, array, predictor):
    predictor = predictor if compression in ("lzw", "zlib") else 1
    plane = read_plane(put(tmp_path, "a.tiff", written(array, compression=compression, predictor=predictor, **layout)))
    assert plane.dtype == array.dtype
    assert plane.flags.writeable
    assert np.array_equal(plane, array)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_what_pillow_writes(tmp_path, compression):
    for array in (U16, DEPTH, GREY):
        plane = read_plane(put(tmp_path, "a.tif", by_pillow(array, compression=compression)))
        assert np.array_equal(plane, array, equal_nan=array.dtype.kind == "f")
    assert np.array_equal(read_rgb(put(tmp_path, "a.tif", by_pillow(RGB, compression=compression))), RGB)
    assert np.array_equal(read_plane(put(tmp_path, "a.tif", by_pillow(GREY > 99, compression=compression))), GREY > 99)


def test_what_opencv_writes(tmp_path):
    path = tmp_path / "a.tiff"
    for array, read in ((U16, read_plane), (DEPTH, read_plane), (GREY, read_plane), (RGB, read_rgb), (XYZ, read_array)):
        cv2.imwrite(str(path), array if array.ndim == 2 else array[:, :, ::-1])
        assert np.array_equal(read(path), array, equal_nan=array.dtype.kind == "f")


def test_colours_that_are_stored_in_other_ways(tmp_path):
    palette = np.random.default_rng(1).integers(0, 256, (3, 256), dtype=np.uint16) << 8
    data = written(GREY, photometric="palette", colormap=palette)
    assert np.array_equal(read_rgb(put(tmp_path, "a.tif", data)), (palette.T >> 8)[GREY])
    with pytest.raises(FileError, match="palette of colours"):
        read_plane(put(tmp_path, "a.tif", data))
    assert np.array_equal(read_plane(put(tmp_path, "a.tif", written(GREY, photometric="miniswhite"))), 255 - GREY)
    for data in (written(DEPTH, photometric="miniswhite"), by_pillow(np.dstack([RGB, GREY]), save_all=False)[:0]):
        with pytest.raises(FileError, match=r"MINISWHITE; save it as grey or RGB|is empty"):
            read_plane(put(tmp_path, "a.tif", data))
    buffer = io.BytesIO()
    Image.fromarray(RGB).convert("CMYK").save(buffer, "TIFF")
    with pytest.raises(FileError, match="stored as SEPARATED; save it as grey or RGB"):
        read_rgb(put(tmp_path, "a.tif", buffer.getvalue()))


def test_planes_become_channels_and_stacks_are_refused(tmp_path):
    planes = XYZ.transpose(2, 0, 1)
    array = read_array(put(tmp_path, "a.tiff", written(planes, photometric="rgb", planarconfig="separate")))
    assert np.array_equal(array, XYZ, equal_nan=True)
    small = np.zeros((5, 6), np.float32)
    for data, count in (
        (written(planes, photometric="minisblack"), 3),
        (written(XYZ, photometric="minisblack"), len(XYZ)),
        (pages(RGB, DEPTH), 2),
        (pages(DEPTH, small), 2),
        (written(np.stack([DEPTH, DEPTH]), imagej=True), 2),
        (written(np.stack([DEPTH, DEPTH]), ome=True, photometric="minisblack"), 2),
    ):
        with pytest.raises(FileError, match=rf"one image is expected, {count} of its {count} pages are images"):
            read_array(put(tmp_path, "a.tiff", data))


def test_stacks_that_have_one_page_only_are_refused(tmp_path):
    stack = np.stack([DEPTH] * 4)
    for note in (b"ImageJ=1.53t\nimages=4\nslices=4\n", b'{"shape": [4, 9, 13], "truncated": true}'):
        data = bytearray(written(DEPTH, description="x" * (len(note) - 1), metadata=None) + stack.tobytes())
        data[data.index(b"xxxx") :][: len(note)] = note
        at = data.index(b"x" * (len(note) - 1))
        data[at : at + len(note) - 1] = note[:-1] if note.endswith(b"\n") else note[: len(note) - 1]
        with pytest.raises(FileError, match="a stack of 4 images"):
            read_plane(put(tmp_path, "a.tif", data))
    assert np.array_equal(read_plane(put(tmp_path, "a.tif", written(DEPTH, imagej=True))), DEPTH, equal_nan=True)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_thumbnails_and_masks_are_passed_over(tmp_path, options):
    small, mask = (GREY[::2, ::2], {"subfiletype": 1}), (GREY > 99, {"subfiletype": 4})
    for order in ((U16, small, mask), (small, U16), (mask, small, U16)):
        assert np.array_equal(read_plane(put(tmp_path, "a.tif", pages(*order, **options))), U16)
    with pytest.raises(FileError, match="0 of its 2 pages are images"):
        read_plane(put(tmp_path, "a.tif", pages(small, mask, **options)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(U16, t322=8192, t323=8192, t324=8, t325=234), "tiles are declared to hold 67108864 numbers"),
        (tiff(U16, t278=1), "9 strips or tiles are declared, 1 are there"),
        (tiff(U16, t279=0), "a strip is missing"),
        (tiff(U16, t277=5), "one image is expected"),
        (tiff(np.zeros((2, 70_000), np.uint8), t257=70_000, t278=1), "pixels are declared"),
        (struct.pack("<2sHI", b"II", 42, 0), "0 of its 0 pages"),
        (struct.pack("<2sHI", b"II", 42, 8), "cut short"),
        (struct.pack("<2sHIH", b"II", 42, 8, 65535), "a page of 65535 tags"),
    ],
)
def test_what_pages_declare_is_compared_with_what_is_there(tmp_path, data, reason):
    with pytest.raises(FileError, match=reason):
        read_plane(put(tmp_path, "a.tif", data))
