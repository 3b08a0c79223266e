"""Resources before trust: what files declare is compared with the limits and with the bytes that are there."""

import io
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
from helpers.image_files import chunk, jpeg, npy, put, tiff

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import Limits, limits, read_json, read_plane, read_rgb


def storm(chunks):
    header = struct.pack(">IIBBBBB", 3, 3, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(12)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tEXt", b"") * chunks + body + chunk(b"IEND", b"")


def scans(count):
    data = jpeg()
    start, end = data.index(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[start:end] * (count - 1) + data[end:]


def archive(count):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for index in range(count):
            file.writestr(f"{index}.npy", b"")
        file.writestr("depth.npy", npy(np.ones((3, 3))))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "few", "many", "reason"),
    [
        ("a.png", storm, 5, 50, "more than 20 chunks"),
        ("a.jpg", scans, 1, 9, "9 scans; at most 8"),
        ("a.jpg", lambda count: b"\xff\xd8" + b"\xff\xe0\0\2" * count + jpeg()[2:], 5, 50, "more than 20 segments"),
        ("a.npz", archive, 5, 50, "51 members in a directory of 2645 bytes; at most 20"),
    ],
)
def test_parts_are_counted(tmp_path, monkeypatch, name, make, few, many, reason):
    monkeypatch.setenv("DAS3D_LIMITS", "parts=20, segments=20,scans=8")
    read = read_rgb if name == "a.jpg" else lambda path: read_plane(path, name="depth")
    assert read(put(tmp_path, name, make(few))).size
    with pytest.raises(FileError, match=reason):
        read(put(tmp_path, name, make(many)))


def test_sparse_files_are_judged_by_their_header(tmp_path):
    """Files of a gigabyte of nothing behind an honest start cost neither time nor memory."""
    starts = {
        "a.png": storm(0)[:60],
        "a.jpg": jpeg(),
        "a.pgm": b"P5 4 4 255\n",
        "a.tiff": tiff(np.zeros((4, 4), np.float32)),
        "a.npy": npy(np.zeros((4, 4))),
        "a.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 4, 4, 1, 24, *[0] * 6),
        "b.png": b"",
        "a.json": b'{"a": 1}',
        "a.npz": b"PK\3\4",
    }
    for name, start in starts.items():
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(2**30)
    code = """
import resource, sys
from pathlib import Path
import cv2, imagecodecs._png
from das3d_aug.errors import FileError
from das3d_aug.files import read_json, read_plane, read_rgb
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    read = {".json": read_json, ".jpg": read_rgb, ".bmp": read_rgb}.get(path.suffix, read_plane)
    try:
        print(path.name, "read", read(path).shape)
    except FileError as error:
        assert not isinstance(error.__cause__, MemoryError), path
        print(path.name, error.reason)
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    said = dict(line.split(" ", 1) for line in run.stdout.splitlines())
    assert said.keys() == starts.keys()
    assert {name for name, text in said.items() if text == "read (4, 4)"} == {"a.pgm", "a.tiff"}


def test_an_npz_is_judged_before_it_is_inflated(tmp_path):
    """A header of 50 MB, and a member that holds more than its header says: refused at its first bytes."""
    for name, first, reason in (
        ("header", b"\x93NUMPY\2\0" + struct.pack("<I", 50_000_000), "a header of 50000000 bytes is declared"),
        ("member", npy(np.zeros((3, 3)))[:128], "the header declares"),
        ("tiny", b"\x93NUMPY\1\0\0\0", "damaged"),
    ):
        path = tmp_path / f"{name}.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w") as member:
            member.write(first + bytes(50_000_000))
        with pytest.raises(FileError, match=reason):
            read_plane(path)


def test_the_table_of_limits_is_changed_by_one_variable(tmp_path, monkeypatch):
    path = put(tmp_path, "a.pgm", b"P5 4 4 255\n" + bytes(16))
    assert read_plane(path).shape == (4, 4)
    assert limits() == Limits()
    monkeypatch.setenv("DAS3D_LIMITS", "pixels=15")
    assert limits() == Limits(pixels=15)
    with pytest.raises(FileError, match="4 x 4 pixels are declared, 1 … 15 are read"):
        read_plane(path)
    monkeypatch.setenv("DAS3D_LIMITS", "json_bytes=7")
    with pytest.raises(FileError, match="holds 8 bytes; at most 7 are read"):
        read_json(put(tmp_path, "a.json", b'{"a": 1}'))
    for wrong in (
        "pixel=3",
        "pixels",
        "pixels=",
        "pixels=-1",
        "pixels=0",
        "pixels=1e6",
        "pixels=²",
        "3",
        "pixels=" + "9" * 99,
    ):
        monkeypatch.setenv("DAS3D_LIMITS", wrong)
        with pytest.raises(ParameterError, match=r"DAS3D_LIMITS must be name=number pairs .*pixels, bytes"):
            read_plane(path)
