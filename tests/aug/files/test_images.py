"""Images of every kind come as they are stored: files built by hand from the descriptions of their formats."""

import io
import struct
import zlib

import cv2
import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from helpers.image_files import GREY, RGB, RNG, U16, XYZ, chunk, jpeg, npy, npz, png, put, tiff

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png, encode_tiff, read_array, read_plane, read_rgb


def test_rgb_of_every_type_is_the_same(tmp_path):
    alpha = np.dstack([RGB, GREY])
    row = bytes((-13 * 3) % 4)
    bmp_rows = b"".join(line[:, ::-1].tobytes() + row for line in RGB[::-1])
    bmp = b"BM" + struct.pack("<IHHI", 54 + len(bmp_rows), 0, 0, 54)
    bmp += struct.pack("<IiiHHIIiiII", 40, 13, 9, 1, 24, 0, len(bmp_rows), 0, 0, 0, 0) + bmp_rows
    files = {
        "a.png": png(RGB, colour=2),
        "b.PNG": png(alpha, colour=6),
        "c.ppm": b"P6\n# a comment\n13 9\n255\n" + RGB.tobytes(),
        "d.bmp": bmp,
        "e.tiff": tiff(RGB),
        "f.tif": tiff(RGB, order=">"),
        "g.png": encode_png(RGB),
    }
    for name, data in files.items():
        image = read_rgb(put(tmp_path, name, data))
        assert image.dtype == np.uint8, name
        assert image.flags.c_contiguous, name
        assert image.flags.writeable, name
        assert np.array_equal(image, RGB), name


def test_grey_becomes_rgb_and_jpeg_keeps_its_channel_order(tmp_path):
    grey = read_rgb(put(tmp_path, "grey.png", png(GREY, colour=0)))
    assert np.array_equal(grey, np.dstack([GREY] * 3))
    image = read_rgb(put(tmp_path, "a.jpg", jpeg())).astype(int)
    assert image.shape == (32, 48, 3)
    assert (image[:, :, 0] > image[:, :, 2] + 20).all()


def test_palette_and_interlaced_png(tmp_path):
    palette = RNG.integers(0, 256, (16, 3), dtype=np.uint8)
    index = RNG.integers(0, 16, (6, 7), dtype=np.uint8)
    data = png(index, colour=3, extra=chunk(b"PLTE", palette.tobytes()) + chunk(b"tRNS", b"\0"))
    assert np.array_equal(read_rgb(put(tmp_path, "a.png", data)), palette[index])

    image = RGB[:, :, 0]
    raw = b""
    for y, x, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)):
        raw += b"".join(b"\0" + row.tobytes() for row in image[y::dy, x::dx])
    raw += b"".join(b"\0" + row.tobytes() for row in image[1::2])
    header = struct.pack(">IIBBBBB", 13, 9, 8, 0, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    assert np.array_equal(read_plane(put(tmp_path, "b.png", data)), image)


def test_pixels_come_as_stored_whatever_other_chunks_say(tmp_path, capfd):
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: rotate
    extra = chunk(b"eXIf", exif) + chunk(b"tRNS", b"\0\x07") + chunk(b"iCCP", b"broken\0\0nonsense")
    assert np.array_equal(read_plane(put(tmp_path, "a.png", png(GREY, colour=0, extra=extra))), GREY)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.png", png(U16, colour=0), U16),
        ("b.pgm", b"P5 13 9 65535\n" + U16.astype(">u2").tobytes(), U16),
        ("c.pgm", b"P5 13 9 200\n" + GREY.tobytes(), GREY),
        ("d.tiff", tiff(U16), U16),
        ("e.tiff", tiff(XYZ[:, :, 0].copy(), order=">"), XYZ[:, :, 0]),
        ("f.npy", npy(XYZ[:, :, 0]), XYZ[:, :, 0]),
        ("g.npy", npy(np.asfortranarray(U16.astype(">u2"))), U16),
        ("h.npz", npz(U16), U16),
        ("i.npz", npz(XYZ[:, :, :1], np.savez), XYZ[:, :, 0]),
        ("j.tiff", encode_tiff(U16, compress=True), U16),
    ],
)
def test_planes_come_as_stored(tmp_path, name, data, expected):
    plane = read_plane(put(tmp_path, name, data))
    assert plane.dtype == expected.dtype
    assert plane.flags.c_contiguous
    assert plane.flags.writeable
    assert np.array_equal(plane, expected, equal_nan=expected.dtype.kind == "f")


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"rowsperstrip": 2}, {"photometric": "minisblack", "planarconfig": "contig"}],
)
def test_point_images(tmp_path, options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, XYZ, **{"photometric": "rgb", **options})
    for name, data in (("a.tiff", buffer.getvalue()), ("b.tiff", tiff(XYZ)), ("c.npy", npy(XYZ))):
        array = read_array(put(tmp_path, name, data))
        assert array.dtype == np.float32
        assert np.array_equal(array, XYZ, equal_nan=True)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, XYZ.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_array(put(tmp_path, "d.tiff", buffer.getvalue())), XYZ, equal_nan=True)


def test_a_plane_is_read_from_channels_that_are_equal_and_from_no_others(tmp_path):
    grey = np.where(GREY > 99, 255, 0).astype(np.uint8)
    opaque = np.full_like(grey, 255)
    nan = np.where(GREY > 99, np.nan, 1).astype(np.float32)
    for name, data, expected in (
        ("a.png", png(np.dstack([grey] * 3), colour=2), grey),
        ("b.png", png(np.dstack([grey, opaque]), colour=4), grey),
        ("c.png", png(np.dstack([U16, U16, U16, U16 * 0 + 9]), colour=6), U16),
        ("d.tiff", tiff(np.dstack([nan] * 3)), nan),
        ("e.npy", npy(np.dstack([grey] * 4)[:, :, :3]), grey),
    ):
        plane = read_plane(put(tmp_path, name, data))
        assert plane.flags.c_contiguous
        assert np.array_equal(plane, expected, equal_nan=True)
    for name, data in (
        ("f.png", png(np.dstack([grey, grey, GREY]), colour=2)),
        ("g.png", png(np.dstack([grey, GREY]), colour=4)),
        ("h.tiff", tiff(XYZ)),
    ):
        with pytest.raises(FileError, match=r"one channel .* channels that differ"):
            read_plane(put(tmp_path, name, data))
    assert np.array_equal(
        read_rgb(put(tmp_path, "i.png", png(np.dstack([grey, GREY]), colour=4))), np.dstack([grey] * 3)
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_planes_with_a_palette(tmp_path, bits):
    count = 2**bits
    index = RNG.integers(0, count, (6, 8), dtype=np.uint8)
    packed = np.packbits(np.unpackbits(index[:, :, None], axis=2)[:, :, 8 - bits :].reshape(6, -1), axis=1)
    levels = np.arange(255, 255 - count, -1).astype(np.uint8)
    labels = RNG.integers(1, 256, (count, 3), dtype=np.uint8)
    labels[0] = 0
    for palette, expected in ((np.repeat(levels[:, None], 3, axis=1), levels[index]), (labels, index)):
        data = png(packed, colour=3, bits=bits, width=8, extra=chunk(b"PLTE", palette.tobytes()))
        assert np.array_equal(read_plane(put(tmp_path, "a.png", data)), expected)
        assert np.array_equal(read_rgb(put(tmp_path, "a.png", data)), palette[index])
    data = png(packed, colour=3, bits=bits, width=8, extra=chunk(b"PLTE", labels[::-1].tobytes()))
    with pytest.raises(FileError, match="palette of colours; save it as grey"):
        read_plane(put(tmp_path, "a.png", data))


def test_an_empty_picture_packed_a_thousandfold_is_no_bomb(tmp_path):
    empty = np.zeros((4000, 4000), np.uint8)
    data = png(empty, colour=0)
    assert len(data) < empty.size / 900
    assert not read_plane(put(tmp_path, "a.png", data)).any()


def test_a_png_without_its_end_is_said_to_be_cut(tmp_path):
    with pytest.raises(FileError, match="no IEND chunk"):
        read_rgb(put(tmp_path, "a.png", png(RGB, colour=2)[:-12]))


def test_an_npz_without_its_directory_is_said_to_be_cut(tmp_path):
    with pytest.raises(FileError, match="no directory"):
        read_array(put(tmp_path, "a.npz", npz(XYZ)[:-22]))


def test_a_rotation_that_the_file_asks_for_is_left_to_the_reader(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = jpeg()
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (48, 32, 3)
    assert np.array_equal(read_rgb(put(tmp_path, "a.jpg", turned)), read_rgb(put(tmp_path, "b.jpg", data)))


def test_arrays_with_one_image_and_with_channels_first(tmp_path):
    assert np.array_equal(read_plane(put(tmp_path, "a.npy", npy(U16[None]))), U16)
    assert np.array_equal(read_plane(put(tmp_path, "b.npz", npz(np.asfortranarray(U16[None])))), U16)
    assert read_array(put(tmp_path, "c.npy", npy(XYZ[:1, :1]))).shape == (1, 1, 3)
    for array in (XYZ.transpose(2, 0, 1), U16[None, None], U16[0]):
        with pytest.raises(FileError, match=r"H x W x 3"):
            read_array(put(tmp_path, "d.npy", npy(array)))


def test_encoders_are_deterministic_and_exact(tmp_path):
    for array in (RGB, GREY, U16, np.dstack([U16] * 3), RGB[::-1, ::2]):
        before = array.copy()
        assert encode_png(array) == encode_png(before)
        decoded = cv2.imdecode(np.frombuffer(encode_png(array), np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(decoded if array.ndim == 2 else decoded[:, :, ::-1], before)
        assert np.array_equal(array, before)
    for array in (XYZ, XYZ[:, ::-1, 0], XYZ.astype(">f4"), U16):
        data = encode_tiff(array)
        assert data == encode_tiff(array.copy())
        assert b"tifffile" not in data
        assert np.array_equal(tifffile.imread(io.BytesIO(data)), array, equal_nan=array.dtype.kind == "f")
    for bad in (np.zeros((2, 2), bool), np.zeros((0, 2), np.uint8), np.zeros((2, 2, 2), np.uint8)):
        with pytest.raises(ParameterError, match="array must be"):
            encode_png(bad)
        with pytest.raises(ParameterError, match="array must be"):
            encode_tiff(bad)


@pytest.mark.parametrize("compression", ["none", "small"])
@pytest.mark.parametrize("shape", [(13, 9), (1, 1), (150, 437), (1, 65534), (2, 65534)])  # at the ends of stored blocks
def test_png_of_every_compression_is_the_same_to_every_reader(tmp_path, compression, shape):
    for dtype, channels in ((np.uint8, ()), (np.uint8, (3,)), (np.uint16, ()), (np.uint16, (3,))):
        image = RNG.integers(0, np.iinfo(dtype).max, (*shape, *channels), dtype=dtype, endpoint=True)
        view = np.asfortranarray(image)
        data = encode_png(view, compression=compression)
        assert data == encode_png(image, compression=compression)
        assert np.array_equal(view, image)
        assert np.array_equal(imagecodecs.png_decode(data), image)
        by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(by_opencv[:, :, ::-1] if channels else by_opencv, image)
        if dtype == np.uint8 or not channels:  # Pillow has no colour of 16 bits
            assert np.array_equal(np.asarray(PIL.Image.open(io.BytesIO(data))), image)
        if not channels:
            assert np.array_equal(read_plane(put(tmp_path, "a.png", data)), image)
        elif dtype == np.uint8:
            assert np.array_equal(read_rgb(put(tmp_path, "a.png", data)), image)
        if compression == "none":
            raw = image.nbytes + shape[0]
            assert len(data) == 8 + 3 * 12 + 13 + 6 + raw + 5 * -(-raw // 65535)


def test_small_is_smaller(tmp_path):
    y, x = np.mgrid[:200, :200]
    smooth = (100 + 50 * np.sin(x / 30) * np.cos(y / 20)).astype(np.uint8)
    assert len(encode_png(smooth, compression="small")) < 0.9 * len(encode_png(smooth))
    xyz = np.dstack([x, y, x + y]).astype(np.float32) * np.float32(0.001) + np.float32(0.3)
    assert len(encode_tiff(xyz, compress=True)) < 0.6 * len(encode_tiff(xyz))
    with pytest.raises(ParameterError, match="compression must be one of none, default, small, got 'best'"):
        encode_png(smooth, compression="best")


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, np.float16, np.uint16, np.int32, np.uint8, np.int64, np.uint64]
)
def test_packed_tiff_keeps_every_bit(tmp_path, dtype):
    bits = RNG.integers(0, 256, (21, 17 * np.dtype(dtype).itemsize), dtype=np.uint8)
    plane = bits.view(dtype)
    for image in (plane, np.dstack([plane] * 3)):
        data = encode_tiff(image, compress=True)
        assert data == encode_tiff(image.copy(), compress=True)
        assert tifffile.imread(io.BytesIO(data)).tobytes() == image.tobytes()  # NaN with what it carries, -0, inf
    assert read_plane(put(tmp_path, "a.tiff", encode_tiff(plane, compress=True))).tobytes() == plane.tobytes()
    if dtype == np.float32:
        assert cv2.imread(str(tmp_path / "a.tiff"), cv2.IMREAD_UNCHANGED).tobytes() == plane.tobytes()


def test_importing_and_reading_change_no_log_level(tmp_path):
    level = cv2.getLogLevel() if hasattr(cv2, "getLogLevel") else cv2.utils.logging.getLogLevel()
    with pytest.raises(FileError):
        read_rgb(put(tmp_path, "a.png", b"\x89PNG\r\n\x1a\n"))
    after = cv2.getLogLevel() if hasattr(cv2, "getLogLevel") else cv2.utils.logging.getLogLevel()
    assert level == after
