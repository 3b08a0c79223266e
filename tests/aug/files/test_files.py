"""Files built by hand from the format descriptions, then damaged in every way that we know."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib

import cv2
import numpy as np
import pytest
import tifffile

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import (
    contained,
    encode_png,
    encode_tiff,
    read_array,
    read_plane,
    read_rgb,
    sweep_partials,
    write_atomic,
)

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
GREY = RGB[:, :, 0].copy()
U16 = RNG.integers(0, 65536, (9, 13), dtype=np.uint16)
XYZ = RNG.normal(size=(9, 13, 3)).astype(np.float32)
XYZ[2, 3] = np.nan


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(array, *, colour, extra=b"", bits=None, width=None):
    """Write a PNG from its specification: signature, IHDR, unfiltered rows, IEND."""
    bits = bits or array.itemsize * 8
    rows = array.astype(array.dtype.newbyteorder(">")).reshape(len(array), -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width or array.shape[1], len(array), bits, colour, 0, 0, 0)
    middle = [raw[: len(raw) // 2], raw[len(raw) // 2 :]]
    stream = zlib.compress(b"".join(middle))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
    return data + chunk(b"IDAT", stream[:20]) + chunk(b"IDAT", stream[20:]) + chunk(b"IEND", b"")


def tiff(array, *, order="<", **change):
    """Write an uncompressed one-strip TIFF 6.0 from its specification."""
    height, width, *rest = array.shape
    channels = rest[0] if rest else 1
    pixels = array.astype(array.dtype.newbyteorder(order)).tobytes()
    tags = {
        256: width,
        257: height,
        258: array.itemsize * 8,
        259: 1,
        262: 2 if channels == 3 else 1,
        273: 8,
        277: channels,
        278: height,
        279: len(pixels),
        339: {"u": 1, "i": 2, "f": 3}[array.dtype.kind],
    }
    tags.update({int(name[1:]): value for name, value in change.items()})
    after = b""
    entries = b""
    extra_at = 8 + len(pixels) + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        if tag in (258, 339) and channels == 3:
            entries += struct.pack(order + "HHII", tag, 3, 3, extra_at + len(after))
            after += struct.pack(order + "3H", *[value] * 3)
        else:
            entries += struct.pack(order + "HHII", tag, 4, 1, value)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "I", 8 + len(pixels))
    return head + pixels + struct.pack(order + "H", len(tags)) + entries + bytes(4) + after


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(array, save=np.savez_compressed):
    buffer = io.BytesIO()
    save(buffer, depth=array)
    return buffer.getvalue()


def jpeg():
    smooth = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8)
    return cv2.imencode(".jpg", np.dstack([smooth, smooth + 20, smooth + 40]))[1].tobytes()


def put(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


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
    data = png(index, colour=3, extra=chunk(b"PLTE", palette.tobytes()))
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


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"rowsperstrip": 2}, {"photometric": "minisblack"}])
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


WHOLE = [
    ("a.png", png(RGB, colour=2, extra=chunk(b"tEXt", b"k\0v" * 50)), read_rgb),
    ("a.jpg", jpeg(), read_rgb),
    ("a.ppm", b"P6 13 9 255\n" + RGB.tobytes(), read_rgb),
    ("a.pgm", b"P5 13 9 65535\n" + U16.astype(">u2").tobytes(), read_plane),
    ("a.bmp", cv2.imencode(".bmp", RGB)[1].tobytes(), read_rgb),
    ("a.tiff", encode_tiff(XYZ), read_array),
    ("b.tiff", tiff(XYZ), read_array),
    ("c.tiff", encode_tiff(XYZ, compress=True), read_array),
    ("a.npy", npy(XYZ), read_array),
    ("a.npz", npz(XYZ), read_array),
]


@pytest.mark.parametrize(("name", "data", "read"), WHOLE)
def test_every_truncation_is_an_error_that_names_the_file(tmp_path, capfd, caplog, name, data, read):
    read(put(tmp_path, name, data))
    cuts = [*range(0, len(data), 64), len(data) - 1]
    assert len(cuts) >= 5
    for cut in cuts:
        path = put(tmp_path, name, data[:cut])
        with pytest.raises(FileError) as caught:
            read(path)
        assert caught.value.path == path
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_every_flipped_bit_of_a_png_is_noticed(tmp_path, capfd):
    data = png(RGB, colour=2)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(FileError, match=r"a\.png"):
            read_rgb(put(tmp_path, "a.png", flipped))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "data", "read"), [item for item in WHOLE if not item[0].endswith(("png", "jpg"))])
def test_a_flipped_byte_elsewhere_gives_an_image_or_a_file_error(tmp_path, capfd, caplog, name, data, read):
    for position in range(min(len(data), 256)):
        for start in (0, max(0, len(data) - 256)):
            flipped = bytearray(data)
            flipped[start + position] ^= 0x81
            path = put(tmp_path, name, flipped)
            with contextlib.suppress(FileError):
                assert read(path).ndim in (2, 3)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_types_that_are_not_what_their_name_claims(tmp_path):
    for name, data, read in WHOLE:
        for other, *_ in WHOLE:
            if other.split(".")[1] not in (name.split(".")[1], {"a.ppm": "pgm", "a.pgm": "ppm"}.get(name)):
                with pytest.raises(FileError, match=r"is not a|does not keep"):
                    read(put(tmp_path, "x." + other.split(".")[1], data))
    with pytest.raises(FileError, match=r"'\.gif' is not read"):
        read_rgb(put(tmp_path, "x.gif", b"GIF89a"))


class Canary:
    def __reduce__(self):
        return os.mkdir, ("canary",)


@pytest.mark.parametrize(
    ("read", "name", "data", "reason"),
    [
        (read_rgb, "a.png", png(np.dstack([U16] * 3), colour=2), "8-bit"),
        (read_plane, "a.png", png(RGB, colour=2), "one channel"),
        (read_plane, "a.jpg", jpeg(), "JPEG does not keep"),
        (read_array, "a.tiff", tiff(RGB), "floats of shape"),
        (read_array, "a.npy", npy(XYZ[0]), "image is expected|floats of shape"),
        (read_plane, "a.npy", npy(U16) + b"\0", "declares"),
        (read_plane, "a.npy", npy(np.array([[Canary()]], dtype=object)), "not numbers"),
        (read_plane, "a.npz", npz(np.array([[Canary()]], dtype=object)), "not numbers"),
        (read_plane, "a.npy", npy(np.zeros((2, 2), complex)), "not numbers"),
        (read_plane, "a.npy", npy(np.zeros((0, 4))), "declared"),
        (read_plane, "a.png", png(GREY, colour=0, width=14), "cut short"),
        (read_plane, "a.png", png(GREY, colour=0, width=12), "larger than declared"),
        (read_plane, "a.png", png(GREY, colour=0, bits=7), "header"),
        (read_plane, "a.tiff", tiff(U16, t273=10_000), "past the end"),
        (read_plane, "a.tiff", tiff(U16, t279=10_000), "past the end"),
        (read_plane, "a.tiff", tiff(U16, t279=10), "strips hold"),
        (read_plane, "a.tiff", tiff(U16, t259=5), "compression"),
    ],
)
def test_refusals(tmp_path, monkeypatch, read, name, data, reason):
    monkeypatch.chdir(tmp_path)
    path = put(tmp_path, name, data)
    with pytest.raises(FileError, match=reason) as caught:
        read(path)
    assert caught.value.path == path
    assert not (tmp_path / "canary").exists()


def test_npz_with_two_arrays_and_things_that_are_no_files(tmp_path):
    np.savez(tmp_path / "two.npz", a=U16, b=U16)
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("two.npz", "fifo.png", "folder.png", "absent.png"):
        with pytest.raises(FileError, match=name):
            read_plane(tmp_path / name)


def bombs():
    """Small files that declare or hold gigabytes."""
    zeros = zlib.compress(bytes(2**28), 9)
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    huge_png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zeros) + chunk(b"IEND", b"")
    small = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    full_png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", small) + chunk(b"IDAT", zeros) + chunk(b"IEND", b"")
    npy_head = npy(np.zeros((1, 1))).replace(b"(1, 1), }" + b" " * 10, b"(60000, 60000), }  ")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w") as member:
        member.write(npy_head[:128])
        for _ in range(32):
            member.write(bytes(2**25))
    deflated = tiff(np.frombuffer(zeros[: len(zeros) // 4 * 4], "<f4")[None], t256=4, t257=4, t278=4, t259=8)
    big_jpeg = bytearray(jpeg())
    at = big_jpeg.index(b"\xff\xc0")
    big_jpeg[at + 5 : at + 9] = struct.pack(">HH", 60000, 60000)
    return {
        "a.png": huge_png,
        "b.png": full_png,
        "a.tiff": tiff(np.zeros((4, 4, 3), np.float32), t256=60000, t257=60000, t278=60000),
        "b.tiff": deflated,
        "a.npy": npy_head,
        "a.npz": archive.getvalue(),
        "a.pgm": b"P5 60000 60000 65535\n\0\0",
        "a.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60000, 60000, 1, 24, *[0] * 6),
        "a.jpg": bytes(big_jpeg),
    }


def test_bombs_are_refused_before_they_are_decoded(tmp_path):
    """With 150 MB to spare, while each bomb would take 256 MB to 14 GB."""
    files = bombs()
    for name, data in files.items():
        put(tmp_path, name, data)
    code = """
import resource, sys
from pathlib import Path
from das3d_aug.errors import FileError
from das3d_aug.files import read_plane, read_rgb
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        (read_rgb if path.suffix in (".bmp", ".jpg") else read_plane)(path)
    except FileError as error:
        assert error.path == path and not isinstance(error.__cause__, MemoryError), repr(error.__cause__)
        print(path.name, error.reason)
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    refused = [line.split()[0] for line in run.stdout.splitlines()]
    assert refused == sorted(files)
    assert all("declared" in line for line in run.stdout.splitlines()), run.stdout


def test_atomic_writing_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "folder" / "a.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in path.parent.iterdir()] == ["a.bin"]
    with pytest.raises(FileError, match=r"b\.bin: cannot be written"):
        write_atomic(path / "b.bin", b"")


def test_a_full_disk_keeps_the_old_file_and_names_it(tmp_path):
    path = put(tmp_path, "a.bin", b"old")
    code = """
import resource, signal, sys
from das3d_aug.errors import FileError
from das3d_aug.files import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(sys.argv[1], bytes(5000))
except FileError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"{path}: cannot be written: ")
    assert [item.name for item in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_partials_of_killed_writers_are_swept_and_nothing_else(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    stale = [put(tmp_path, ".x.png.12.partial", b""), put(deep, ".y.tiff.345.partial", b"")]
    kept = [put(tmp_path, "x.png.12.partial", b""), put(deep, ".y.partial", b""), put(deep, "y.tiff", b"")]
    assert sweep_partials(tmp_path) == sorted(stale)
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in kept)


def test_containment(tmp_path):
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "good").symlink_to("in")
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    (tmp_path / "root2").mkdir()
    assert contained(root, root / "good" / "new.png") == (root / "in" / "new.png").resolve()
    assert contained(root, root) == root.resolve()
    for bad in (
        root / "out" / "x",
        root / ".." / "x",
        "/etc/passwd",
        root / "loop" / "x",
        tmp_path / "root2",
    ):
        with pytest.raises(FileError):
            contained(root, bad)


def test_importing_and_reading_change_no_log_level(tmp_path):
    level = cv2.getLogLevel() if hasattr(cv2, "getLogLevel") else cv2.utils.logging.getLogLevel()
    with pytest.raises(FileError):
        read_rgb(put(tmp_path, "a.png", b"\x89PNG\r\n\x1a\n"))
    after = cv2.getLogLevel() if hasattr(cv2, "getLogLevel") else cv2.utils.logging.getLogLevel()
    assert level == after
