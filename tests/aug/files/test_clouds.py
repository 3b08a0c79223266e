"""Organised clouds written byte by byte from the format descriptions and by Open3D, then damaged in many ways."""

import contextlib
import itertools
import struct
import subprocess
import sys

import numpy as np
import open3d
import pytest
from hypothesis import given
from hypothesis import strategies as st

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_ply, read_organized
from das3d_aug.files.ply_pcd import _lzf

RNG = np.random.default_rng(5)
HEIGHT, WIDTH = 5, 7
XYZ = np.round(RNG.uniform(-1, 1, (HEIGHT, WIDTH, 3)), 3).astype(np.float32)
XYZ[:, :, 2] += 2
XYZ[1, 2] = XYZ[4, 6] = 0
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

SIZE = (f"obj_info num_cols {WIDTH}", f"obj_info num_rows {HEIGHT}")
PLAIN = ("float x", "float y", "float z")
MIXED = ("uchar red", "double x", "short confidence", "float y", "uchar green", "double z", "uchar blue", "uchar alpha")
SHUFFLED = ("uchar blue", "double z", "short confidence", "float x", "uchar red", "double y", "uchar green")
FACES = ("element face 2", "property list uchar int vertex_indices")
NUMPY = {"uchar": "u1", "short": "i2", "float": "f4", "double": "f8", "int": "i4"}


def column(name, xyz, rgb):
    """What a property or field of that name holds, one number a pixel."""
    if name in ("x", "y", "z"):
        return xyz.reshape(-1, 3)[:, "xyz".index(name)]
    if name in ("red", "green", "blue"):
        return rgb.reshape(-1, 3)[:, ("red", "green", "blue").index(name)]
    if name in ("rgb", "rgba"):
        red, green, blue = rgb.reshape(-1, 3).astype(np.uint32).T
        return (255 << 24 if name == "rgba" else 0) | red << 16 | green << 8 | blue
    return np.arange(xyz.size // 3) % 7


def ply(kind="binary_little_endian", properties=PLAIN, *, xyz=XYZ, notes=SIZE, before=(), after=(), tail=b"", end="\n"):
    """Write a PLY 1.0; ``before`` and ``after`` are header lines around the vertices, ``tail`` follows the points."""
    properties = [item.split() for item in properties]
    lines = ["ply", f"format {kind} 1.0", *notes, *before, f"element vertex {xyz.size // 3}"]
    lines += [*(f"property {kind} {name}" for kind, name in properties), *after, "end_header", ""]
    columns = [column(name, xyz, RGB) for _, name in properties]
    if kind == "ascii":
        body = "".join(" ".join(f"{value:.9g}" for value in row) + end for row in zip(*columns, strict=True)).encode()
    else:
        order = ">" if "big" in kind else "<"
        body = b"".join(
            struct.pack(order + np.dtype(NUMPY[kind]).char, value)
            for row in zip(*columns, strict=True)
            for (kind, _), value in zip(properties, row, strict=True)
        )
    return end.join(lines).encode() + body + tail


FLOATS = (("x", 4, "F", 1), ("y", 4, "F", 1), ("z", 4, "F", 1))
FIELDS = (("rgb", 4, "F", 1), ("z", 8, "F", 1), ("_", 1, "U", 3), ("y", 4, "F", 1), ("x", 4, "F", 1), ("_", 2, "I", 1))


def pcd(kind="binary", fields=FLOATS, *, xyz=XYZ, height=HEIGHT, width=WIDTH, **change):
    """Write a PCD 0.7."""
    header = {"VERSION": "0.7", "FIELDS": " ".join(name for name, *_ in fields)}
    header |= {"SIZE": " ".join(str(size) for _, size, *_ in fields), "TYPE": " ".join(t for *_, t, _ in fields)}
    header |= {"COUNT": " ".join(str(count) for *_, count in fields), "WIDTH": width, "HEIGHT": height}
    header |= {"VIEWPOINT": "0 0 0 1 0 0 0", "POINTS": xyz.size // 3, **change, "DATA": kind}
    lines = ["# .PCD v0.7 - Point Cloud Data file format"]
    lines += [f"{name} {value}" for name, value in header.items() if value is not None]
    blocks = []
    for name, size, t, count in fields:
        values = np.ascontiguousarray(column(name, xyz, RGB))
        stored = values.view(np.float32) if t == "F" and values.dtype == np.uint32 else values
        blocks.append(np.repeat(stored.astype(f"<{t.lower()}{size}")[:, None], count, axis=1))
    if kind == "ascii":
        rows = (" ".join(f"{value:.10g}" for block in row for value in block) for row in zip(*blocks, strict=True))
        body = "".join(f"{row}\n" for row in rows).encode()
    elif kind == "binary":
        body = b"".join(block[k].tobytes() for k in range(len(blocks[0])) for block in blocks)
    else:
        plain = b"".join(block.tobytes() for block in blocks)
        packed = lzf(plain)
        body = struct.pack("<II", len(packed), len(plain)) + packed
    return "\n".join([*lines, ""]).encode() + body


def lzf(plain):
    """Compress: every longest match of three bytes or more that starts at the last place of these three bytes."""
    packed, literals, seen, at = bytearray(), bytearray(), {}, 0

    def flush():
        for start in range(0, len(literals), 32):
            run = literals[start : start + 32]
            packed.extend([len(run) - 1, *run])
        literals.clear()

    while at < len(plain):
        key = plain[at : at + 3]
        back = at - seen.get(key, -8193)
        seen[key] = at
        if len(key) < 3 or back > 8192:
            literals.append(plain[at])
            at += 1
            continue
        flush()
        length = 3
        while length < 264 and at + length < len(plain) and plain[at + length] == plain[at + length - back]:
            length += 1
        high, low = divmod(back - 1, 256)
        packed.extend([length - 2 << 5 | high, low] if length < 9 else [7 << 5 | high, length - 9, low])
        at += length
    flush()
    return bytes(packed)


def put(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


WHOLE = {
    "plain.ply": ply(),
    "mixed.ply": ply(properties=MIXED),
    "big.ply": ply("binary_big_endian", MIXED),
    "text.ply": ply("ascii", MIXED),
    "crlf.ply": ply("ascii", end="\r\n"),
    "faces.ply": ply(properties=MIXED, after=FACES, tail=b"\3" + bytes(12) + b"\3" + bytes(12)),
    "textfaces.ply": ply("ascii", after=FACES, tail=b"3 0 1 2\n3 1 2 3\n"),
    "shuffled.ply": ply(properties=SHUFFLED),
    "plain.pcd": pcd(),
    "mixed.pcd": pcd(fields=FIELDS),
    "text.pcd": pcd("ascii", (*FLOATS, ("rgba", 4, "U", 1))),
    "textfloat.pcd": pcd("ascii", FIELDS),
    "packed.pcd": pcd("binary_compressed", (*FLOATS, ("rgba", 4, "U", 1))),
    "packedmixed.pcd": pcd("binary_compressed", FIELDS),
}


@pytest.mark.parametrize("name", WHOLE)
def test_the_points_and_colours_are_as_stored(tmp_path, name):
    cloud = read_organized(put(tmp_path, name, WHOLE[name]))
    assert cloud.xyz.dtype == np.float32
    assert cloud.xyz.flags.c_contiguous
    assert cloud.xyz.flags.writeable
    assert np.array_equal(cloud.xyz, XYZ)
    coloured = b"red" in WHOLE[name][:500] or b"rgb" in WHOLE[name][:500]
    assert (cloud.rgb is not None) == coloured
    if coloured:
        assert cloud.rgb.dtype == np.uint8
        assert np.array_equal(cloud.rgb, RGB)


# Open3D needs x, y and z of a PLY in this order, and reads no coordinate of 8 bytes from a PCD.
@pytest.mark.parametrize("name", sorted(WHOLE.keys() - {"shuffled.ply", "mixed.pcd", "packedmixed.pcd"}))
def test_open3d_reads_the_same_from_the_files_written_here(tmp_path, name):
    path = put(tmp_path, name, WHOLE[name])
    twin = open3d.io.read_point_cloud(str(path), remove_nan_points=False)
    cloud = read_organized(path)
    np.testing.assert_allclose(np.asarray(twin.points), cloud.xyz.reshape(-1, 3), rtol=1e-6)
    if cloud.rgb is not None:
        assert np.array_equal(np.rint(np.asarray(twin.colors) * 255), cloud.rgb.reshape(-1, 3))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("ply", {}),
        ("ply", {"write_ascii": True}),
        ("pcd", {}),
        ("pcd", {"write_ascii": True}),
        ("pcd", {"compressed": True}),
    ],
)
def test_files_written_by_open3d_are_read(tmp_path, suffix, options):
    xyz = XYZ.copy()
    xyz[2, 2] = np.nan
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(xyz.reshape(-1, 3).astype(float)))
    cloud.colors = open3d.utility.Vector3dVector(RGB.reshape(-1, 3) / 255)
    cloud.normals = open3d.utility.Vector3dVector(RNG.normal(size=(HEIGHT * WIDTH, 3)))
    path = tmp_path / f"cloud.{suffix}"
    assert open3d.io.write_point_cloud(str(path), cloud, **options)
    read = read_organized(path, width=WIDTH)
    np.testing.assert_allclose(read.xyz, np.nan_to_num(xyz), rtol=1e-6)
    assert np.array_equal(read.rgb, RGB)
    with pytest.raises(FileError, match=r"does not say how many of its 35 points make a row.*organised cloud"):
        read_organized(path)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_point_images_are_clouds_too(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, XYZ.astype(np.float64))
    else:
        np.savez(path, normals=np.ones_like(XYZ), xyz=XYZ)
    cloud = read_organized(path)
    assert cloud.xyz.dtype == np.float32
    assert np.array_equal(cloud.xyz, XYZ)
    assert cloud.rgb is None


CAMERA = (
    "element face 0",
    "property list uchar int vertex_indices",
    "element camera 1",
    "property float view_px",
    "property int viewportx",
    "property int viewporty",
    "property float k1",
)


@pytest.mark.parametrize(
    "data",
    [
        ply(notes=(f"obj_info Photoneo PLY PointCloud ( Width = {WIDTH}; Height = {HEIGHT})",)),
        ply(notes=(f"comment width: {WIDTH}", f"comment height: {HEIGHT}")),
        ply(notes=("comment PCL generated",), after=CAMERA, tail=struct.pack("<fiif", 0, WIDTH, HEIGHT, 0)),
        ply("ascii", notes=(), after=CAMERA, tail=f"0 {WIDTH} {HEIGHT} 0\n".encode()),
        ply("ascii", before=("element camera 1", "property float k1"), notes=SIZE).replace(b"header\n", b"header\n7\n"),
        ply(before=("element camera 1", "property short k1")).replace(b"header\n", b"header\n\0\0"),
    ],
    ids=["photoneo", "comments", "pcl", "pcl text", "camera first", "camera first, binary"],
)
def test_where_a_ply_says_its_size(tmp_path, data):
    assert np.array_equal(read_organized(put(tmp_path, "a.ply", data)).xyz, XYZ)


@pytest.mark.parametrize(
    ("name", "data"), [("a.ply", ply(notes=())), ("a.pcd", pcd(width=HEIGHT * WIDTH, height=1))], ids=["ply", "pcd"]
)
def test_without_a_size_the_width_is_needed_and_must_fit(tmp_path, name, data):
    path = put(tmp_path, name, data)
    assert np.array_equal(read_organized(path, width=WIDTH).xyz, XYZ)
    with pytest.raises(FileError, match="name its width"):
        read_organized(path)
    for width in (WIDTH + 1, 0, -WIDTH):
        with pytest.raises(FileError, match=rf"holds 35 points, which are no whole rows of {width}; an organised"):
            read_organized(path, width=width)


def test_a_declared_size_is_not_overruled_and_dropped_points_are_noticed(tmp_path):
    assert read_organized(put(tmp_path, "a.ply", ply()), width=HEIGHT).xyz.shape == XYZ.shape
    dropped = ply(xyz=XYZ[XYZ.any(axis=2)])
    with pytest.raises(FileError, match="holds 33 points for 5 x 7 pixels; an organised cloud is needed"):
        read_organized(put(tmp_path, "b.ply", dropped))


@pytest.mark.parametrize("write", [ply, pcd])
@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian"])
def test_what_is_no_measurement_becomes_zero(tmp_path, write, kind):
    xyz = XYZ.copy()
    xyz[0, 0], xyz[0, 1, 0], xyz[0, 2, 1], xyz[0, 3, 2] = np.nan, np.inf, -np.inf, -1
    kind = kind if write is ply or kind == "ascii" else "binary"
    expected = xyz.copy()
    expected[0, :4] = 0
    assert np.array_equal(read_organized(put(tmp_path, f"a.{write.__name__}", write(kind, xyz=xyz))).xyz, expected)


def test_nan_as_windows_writes_it_and_numbers_beyond_float32(tmp_path):
    data = ply("ascii").replace(b"header\n", b"header\n-nan(ind) 1e300 1\n", 1)
    data = data.replace(b"vertex 35", b"vertex 36").replace(b"num_cols 7", b"num_cols 9").replace(b"rows 5", b"rows 4")
    cloud = read_organized(put(tmp_path, "a.ply", data))
    assert np.array_equal(cloud.xyz.reshape(-1, 3), np.vstack([np.zeros((1, 3)), XYZ.reshape(-1, 3)]))


@pytest.mark.parametrize("factor", [(1, -1, -1), (0, 0, 0), (np.nan, 1, 1)])
def test_a_cloud_without_a_point_before_the_camera_is_refused(tmp_path, factor):
    reason = r"all points have z ≤ 0: a camera that looks along \+z" if factor[2] < 0 else "holds no measurement"
    path = put(tmp_path, "a.ply", ply(xyz=XYZ * np.float32(factor)))
    with pytest.raises(FileError, match=reason):
        read_organized(path)


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


def twin(packed, size):
    """LZF from its description, in plain Python; None where it is damaged."""
    source, plain = iter(packed), bytearray()
    for control in source:
        if control < 32:
            run = bytes(itertools.islice(source, control + 1))
            if len(run) <= control:
                return None
            plain += run
            continue
        length, high = divmod(control, 32)
        extra = next(source, None) if length == 7 else 0
        low = next(source, None)
        if extra is None or low is None or high * 256 + low >= len(plain):
            return None
        for _ in range(length + extra + 2):
            plain.append(plain[-1 - high * 256 - low])
    return bytes(plain) if len(plain) <= size else None


def unpacked(packed, size):
    plain = np.empty(size, np.uint8)
    written = _lzf(np.frombuffer(packed, np.uint8), plain)
    return None if written < 0 else plain[:written].tobytes()


@given(st.lists(st.sampled_from([0, 1, 2, 3, 31, 32, 33, 64, 96, 224, 255]), max_size=40), st.integers(1, 400))
def test_lzf_equals_its_twin_on_any_bytes(stream, size):
    assert unpacked(bytes(stream), size) == twin(bytes(stream), size)


@given(st.lists(st.sampled_from([b"a", b"bcd", b"a" * 300, bytes(9), bytes(range(256))]), max_size=20))
def test_lzf_restores_what_was_compressed(pieces):
    plain = b"".join(pieces)
    assert unpacked(lzf(plain), len(plain)) == plain
    assert plain == twin(lzf(plain), len(plain))


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


@pytest.mark.parametrize("organised", [True, False])
def test_points_are_written_as_open3d_and_the_reader_read_them(tmp_path, organised):
    up = RNG.normal(size=XYZ.shape).astype(np.float32)
    up /= np.linalg.norm(up, axis=2, keepdims=True)
    xyz, rgb, normals = (array if organised else array.reshape(-1, 3) for array in (XYZ, RGB, up))
    path = put(tmp_path, "a.ply", encode_ply(xyz, rgb, normals))
    twin = open3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(np.asarray(twin.points), XYZ.reshape(-1, 3))
    np.testing.assert_allclose(np.asarray(twin.normals), up.reshape(-1, 3))
    assert np.array_equal(np.rint(np.asarray(twin.colors) * 255), RGB.reshape(-1, 3))
    cloud = read_organized(path, width=None if organised else WIDTH)
    assert np.array_equal(cloud.xyz, XYZ)
    assert np.array_equal(cloud.rgb, RGB)
    assert read_organized(put(tmp_path, "b.ply", encode_ply(XYZ))).rgb is None


def test_what_is_no_cloud_is_not_written():
    for arrays, reason in (
        ((XYZ[:, :, 0],), r"xyz must be N x 3 or H x W x 3, got the shape \(5, 7\)"),
        ((XYZ, RGB[1:]), "rgb must have the shape"),
        ((XYZ, RGB.astype(int)), "rgb must be uint8, got int64"),
        ((XYZ, RGB, XYZ[0]), "normals must have the shape"),
    ):
        with pytest.raises(ParameterError, match=reason):
            encode_ply(*arrays)
