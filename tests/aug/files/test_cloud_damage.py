"""Clouds that lie, are cut short, have flipped bits or declare gigabytes."""

import contextlib
import itertools
import struct
import subprocess
import sys

import numpy as np
import pytest
from helpers.cloud_files import FACES, PLAIN, RGB, SIZE, WHOLE, XYZ, pcd, ply, put

from das3d_aug.errors import FileError
from das3d_aug.files import read_organized


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.ply", pcd(), "is not a PLY file"),
        ("a.pcd", ply(), "is not a PCD file"),
        ("a.xyz", b"0 0 1\n", r"'\.xyz' is not read; use one of .*\.ply, \.pcd"),
        ("a.ply", ply("binary_middle_endian"), "binary_middle_endian"),
        ("a.ply", b"ply\nelement vertex 1\nproperty float x\nend_header\n" + bytes(4), "names no format"),
        ("a.ply", ply(notes=("whatever 3",)), "'whatever 3' is not understood"),
        ("a.ply", ply(properties=(*PLAIN, "float x")), "'property float x' is not understood"),
        ("a.ply", ply(properties=PLAIN[:2]), "have no z"),
        ("a.ply", ply(notes=("element vertex 0", *SIZE)), "'element vertex 35' is not understood"),
        ("a.ply", ply(before=FACES), "lists stand in or before"),
        ("a.ply", ply(after=("property list uchar int more",)), "lists stand in or before"),
        ("a.ply", ply(notes=("comment x" * 10_000,)), "header does not end"),
        ("a.ply", ply().replace(b"vertex 35", b"vertex 36"), "cut short: 36 x 12 bytes are declared, 420 are there"),
        ("a.ply", ply().replace(b"vertex 35", b"vertex " + b"9" * 30), "pixels are declared"),
        ("a.ply", ply().replace(b"vertex 35", b"vertex " + b"9" * 5000), "damaged PLY"),
        ("a.ply", ply("ascii").replace(b"vertex 35", b"vertex 36"), "36 lines of 3 numbers are declared, 35 of 3"),
        (
            "a.ply",
            ply("ascii", (*PLAIN, "uchar red")).replace(b"end_header\n", b"end_header\n1 2 3\n"),
            "columns changed",
        ),
        ("a.ply", ply("ascii").replace(b"end_header\n", b"end_header\nx y z\n"), "could not convert"),
        ("a.ply", ply("ascii").split(b"end_header")[0] + b"end_header\n" + b" \n" * 200, "cut short"),
        ("a.ply", ply("ascii", ("float x", "float y", "float z", "uchar red", "uchar green", "uchar blue")), None),
        ("a.pcd", pcd(VERSION="0.5"), "version 0.5 is not read"),
        ("a.pcd", pcd(FIELDS=None), "header has no FIELDS"),
        ("a.pcd", pcd(POINTS=36), "36 points are declared for 5 x 7"),
        ("a.pcd", pcd(WIDTH=-7, HEIGHT=-5), "declared for -5 x -7"),
        ("a.pcd", pcd(WIDTH="7 7"), "damaged PCD"),
        ("a.pcd", pcd(SIZE="4 4"), "damaged PCD"),
        ("a.pcd", pcd(SIZE="4 4 3"), "'z' has 1 numbers of type 'F' and 3 bytes"),
        ("a.pcd", pcd(TYPE="F F X"), "type 'X'"),
        ("a.pcd", pcd(COUNT="1 1 0"), "'z' has 0 numbers"),
        ("a.pcd", pcd(COUNT="1 1 2"), "more than one 'z'"),
        ("a.pcd", pcd(FIELDS="x y y"), "more than one 'y'"),
        ("a.pcd", pcd(FIELDS="x y w"), "have no z"),
        ("a.pcd", pcd(SIZE="8 8 8"), "cut short: 35 x 24 bytes are declared, 420 are there"),
        ("a.pcd", pcd().replace(b"DATA binary", b"DATA zipped"), "DATA zipped is not read"),
        ("a.pcd", pcd().replace(b"# .PCD", b"#" * 70_000 + b"\n"), "header does not end"),
        ("a.pcd", pcd("binary_compressed", SIZE="8 8 8"), "are declared to hold 420, the fields need 840"),
    ],
)
def test_refusals(tmp_path, name, data, reason):
    path = put(tmp_path, name, data)
    if reason is None:
        data = data.replace(f" {RGB[0, 0, 0]} ".encode(), b" 256 ", 1)
        path, reason = put(tmp_path, name, data), "a colour is not"
    with pytest.raises(FileError, match=reason) as caught:
        read_organized(path)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert len(caught.value.reason) < 400


@pytest.mark.parametrize("name", WHOLE)
def test_a_truncation_is_an_error_or_costs_nothing_that_is_read(tmp_path, name):
    data = WHOLE[name]
    for cut in itertools.chain(range(0, len(data), 3), range(len(data) - 3, len(data))):
        path = put(tmp_path, name, data[:cut])
        try:
            cloud = read_organized(path)
        except FileError as error:
            assert error.path == path  # noqa: PT017
        else:
            # What follows the last point, or the last digits of the last text line, may be missing.
            assert np.array_equal(cloud.xyz.reshape(-1, 3)[:-1], XYZ.reshape(-1, 3)[:-1])
            assert cut > len(data) - 60


@pytest.mark.parametrize("name", WHOLE)
def test_a_flipped_byte_gives_an_image_or_a_file_error(tmp_path, name):
    data = WHOLE[name]
    for position in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path = put(tmp_path, name, flipped)
        with contextlib.suppress(FileError):
            assert read_organized(path).xyz.shape[2] == 3


def bombs():
    """Small files that declare gigabytes."""
    huge = {"WIDTH": 8192, "HEIGHT": 8192, "POINTS": 2**26}
    packed = pcd("binary_compressed", **huge)
    at = packed.index(b"binary_compressed\n") + 18
    wide = ply(properties=(*PLAIN, *(f"double p{k}" for k in range(3000))))
    return {
        "a.ply": ply().replace(b"vertex 35", b"vertex 67108864"),
        "b.ply": ply().replace(b"vertex 35", b"vertex 99999999999"),
        "c.ply": wide.replace(b"vertex 35", b"vertex 1048576"),
        "d.ply": ply("ascii").replace(b"vertex 35", b"vertex 67108864"),
        "a.pcd": pcd(**huge),
        "b.pcd": pcd(FIELDS="x y z _", SIZE="4 4 4 8", TYPE="F F F F", COUNT="1 1 1 60000", **huge),
        "c.pcd": packed[:at] + struct.pack("<II", 200, 2**26 * 12) + bytes(200),
        "d.pcd": pcd("ascii", **huge),
    }


def test_bombs_are_refused_before_they_are_decoded(tmp_path):
    """With 150 MB to spare, while each bomb would take 256 MB or more."""
    files = bombs()
    for name, data in files.items():
        put(tmp_path, name, data)
    code = """
import resource, sys
from pathlib import Path
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_ply, read_organized
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_organized(path)
    except FileError as error:
        assert error.path == path and not isinstance(error.__cause__, MemoryError), repr(error.__cause__)
        print(path.name, error.reason)
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    refused = [line.split()[0] for line in run.stdout.splitlines()]
    assert refused == sorted(files)
    assert all("declared" in line for line in run.stdout.splitlines()), run.stdout
