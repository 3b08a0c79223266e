"""Decoding PLY and PCD: the bytes of a point cloud to its points, its colours and the size that it declares.

What is declared is checked against the bytes that are there before anything is read.  A PLY says the size of its
grid in no standard way; these are read:

* ``num_cols`` and ``num_rows``, or ``width`` and ``height``, in ``obj_info`` or comment lines (the Point Cloud
  Library; Photoneo's ``( Width = 2064; Height = 1544)``),
* ``viewportx`` and ``viewporty`` of an ``element camera`` behind the points (the Point Cloud Library).

A PCD has WIDTH and HEIGHT; HEIGHT 1 means that the cloud is not organised.
"""

from __future__ import annotations

import io
import itertools
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel
from das3d_aug.files.limits import Array, Damaged, allow, limits

__all__ = ["Points", "decode_pcd", "decode_ply"]

_PLY_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
_PLY_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_PCD_TYPES = {"F": (4, 8), "I": (1, 2, 4, 8), "U": (1, 2, 4, 8)}
_LZF_RATIO = 88  # three bytes of LZF stand for 264 at most

Columns = Mapping[str, Array]


class Points(NamedTuple):
    """What a file holds.

    xyz is float32, N x 3, as stored; rgb is uint8, N x 3, or None; shape is (rows, columns) or None.
    """

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None
    shape: tuple[int, int] | None


class _Element(NamedTuple):
    """An element of a PLY: how many there are, and the types of its properties by name; that of a list is None."""

    rows: int
    properties: dict[str, str | None]


def decode_ply(data: bytes) -> Points:
    """Decode PLY 1.0: ascii or binary of either byte order; only the fixed-size elements before any list are read."""
    end = re.compile(rb"\nend_header[ \t]*\r?\n").search(data, 0, limits().header_bytes)
    if end is None:
        raise Damaged(f"its header does not end within {limits().header_bytes} bytes")
    order, elements, notes = _ply_header(data[: end.start()].decode("latin-1"))
    read = _binary_reader(data, end.end(), order) if order else _ascii_reader(data, end.end())
    found: dict[str, Columns] = {}
    for name, element in elements.items():
        if element.rows:
            if None in element.properties.values():
                break
            allow(1, element.rows)
            found[name] = read(element)
    if "vertex" not in found:
        raise Damaged("it has no vertices, or lists stand in or before them")
    vertices, types = found["vertex"], elements["vertex"].properties
    rgb = None
    if all(types.get(name) == "u1" for name in ("red", "green", "blue")):
        colours = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1)
        if not ((colours >= 0) & (colours <= 255)).all():
            raise Damaged("a colour is not a number of 0 … 255")
        rgb = colours.astype(np.uint8)
    return Points(_xyz(vertices), rgb, _ply_shape(notes, found.get("camera", {})))


def _ply_header(text: str) -> tuple[str, dict[str, _Element], str]:
    """Return the byte order ("" for ascii), the elements in their order, and the comment lines."""
    order, notes = None, []
    elements: dict[str, _Element] = {}
    types: dict[str, str | None] | None = None
    for line in text.split("\n")[1:]:
        match line.split():
            case []:
                pass
            case ["comment" | "obj_info", *_]:
                notes.append(line)
            case ["format", name, "1.0"] if name in _PLY_ORDERS:
                order = _PLY_ORDERS[name]
            case ["element", name, count] if count.isdecimal() and name not in elements:
                types = {}
                elements[name] = _Element(int(count), types)
            case ["property", "list", _, _, name] if types is not None and name not in types:
                types[name] = None
            case ["property", kind, name] if types is not None and kind in _PLY_TYPES and name not in types:
                types[name] = _PLY_TYPES[kind]
            case _:
                raise Damaged(f"the header line {line[:60]!r} is not understood")
    if order is None:
        raise Damaged("the header names no format")
    return order, elements, "\n".join(notes)


def _ply_shape(notes: str, camera: Columns) -> tuple[int, int] | None:
    sizes = []
    for note, viewport in ((r"num_rows|height", "viewporty"), (r"num_cols|width", "viewportx")):
        said = re.search(rf"\b(?:{note})[ \t]*+(?:[=:][ \t]*+)?(\d{{1,9}})\b(?!\.)", notes, re.IGNORECASE)
        sizes.append(int(said[1]) if said else int(camera[viewport][0]) if viewport in camera else 0)
    height, width = sizes
    return (height, width) if height > 1 and width > 0 else None


def _binary_reader(data: bytes, start: int, order: str) -> Callable[[_Element], Columns]:
    """Return what reads one element after the other."""

    def read(element: _Element) -> Columns:
        nonlocal start
        record = np.dtype([(name, f"{order}{kind}") for name, kind in element.properties.items()])
        table = _table(data, start, record, element.rows)
        start += table.nbytes
        return {name: table[name] for name in element.properties}

    return read


def _ascii_reader(data: bytes, start: int) -> Callable[[_Element], Columns]:
    lines = _lines(data, start)

    def read(element: _Element) -> Columns:
        table = _ascii_table(lines, len(data) - start, count=element.rows, columns=len(element.properties))
        return dict(zip(element.properties, table.T, strict=True))

    return read


class _Field(NamedTuple):
    """A field of a PCD: numpy's name of its type, and the bytes and numbers before it in a point."""

    format: str
    offset: int
    column: int


class _PcdHeader(NamedTuple):
    """The fields that are of use, the bytes and numbers of a point, and the size."""

    fields: dict[str, _Field]
    stride: int
    columns: int
    height: int
    width: int


def decode_pcd(data: bytes) -> Points:
    """Decode PCD 0.7: ascii, binary or binary_compressed (LZF, field after field); numbers are little-endian."""
    end = re.compile(rb"^DATA[ \t]+(\w+)[ \t]*\r?\n", re.MULTILINE).search(data, 0, limits().header_bytes)
    if end is None:
        raise Damaged(f"its header does not end within {limits().header_bytes} bytes")
    header, start = _pcd_header(data[: end.start()].decode("latin-1")), end.end()
    fields, count = header.fields, header.height * header.width
    columns: Columns
    match end[1]:
        case b"ascii":
            table = _ascii_table(_lines(data, start), len(data) - start, count=count, columns=header.columns)
            with np.errstate(over="ignore", invalid="ignore"):
                columns = {name: table[:, field.column].astype(field.format) for name, field in fields.items()}
        case b"binary":
            used = fields.values()
            record = np.dtype(
                {
                    "names": list(fields),
                    "formats": [field.format for field in used],
                    "offsets": [field.offset for field in used],
                    "itemsize": header.stride,
                }
            )
            points = _table(data, start, record, count)
            columns = {name: points[name] for name in fields}
        case b"binary_compressed":
            plain = _unpacked(data, start, count * header.stride)
            columns = {
                name: np.frombuffer(plain, field.format, count, count * field.offset) for name, field in fields.items()
            }
        case other:
            raise Damaged(f"DATA {other.decode()} is not read; ascii, binary and binary_compressed are")
    shape = (header.height, header.width) if header.height > 1 else None
    return Points(_xyz(columns), _packed_colours(columns.get("rgb", columns.get("rgba"))), shape)


def _pcd_header(text: str) -> _PcdHeader:
    lines = [line.split() for line in text.split("\n")]
    said = {words[0]: words[1:] for words in lines if words and not words[0].startswith("#")}
    if missing := {"VERSION", "FIELDS", "SIZE", "TYPE", "WIDTH", "HEIGHT", "POINTS"} - said.keys():
        raise Damaged(f"its header has no {min(missing)}")
    if said["VERSION"] not in (["0.7"], [".7"]):
        raise Damaged(f"the version {' '.join(said['VERSION'])} is not read; 0.7 is")
    (height,), (width,), (points,) = ([int(word) for word in said[key]] for key in ("HEIGHT", "WIDTH", "POINTS"))
    if min(height, width) < 1 or points != height * width:
        raise Damaged(f"{points} points are declared for {height} x {width} pixels")
    allow(height, width)
    fields: dict[str, _Field] = {}
    stride = columns = 0
    counts = said.get("COUNT", ["1"] * len(said["FIELDS"]))
    for name, size, kind, count in zip(said["FIELDS"], said["SIZE"], said["TYPE"], counts, strict=True):
        if int(size) not in _PCD_TYPES.get(kind, ()) or not 0 < int(count) < limits().header_bytes:
            raise Damaged(f"the field {name!r} has {count} numbers of type {kind!r} and {size} bytes")
        if name in ("x", "y", "z", "rgb", "rgba"):
            if name in fields or count != "1":
                raise Damaged(f"there is more than one {name!r}")
            fields[name] = _Field(f"<{kind.lower()}{int(size)}", stride, columns)
        stride += int(size) * int(count)
        columns += int(count)
    return _PcdHeader(fields, stride, columns, height, width)


def _packed_colours(packed: Array | None) -> NDArray[np.uint8] | None:
    """Return the three bytes below the highest: 0x00RRGGBB, be it declared as float or as integer."""
    if packed is None or packed.dtype.itemsize != 4:
        return None
    octets = np.ascontiguousarray(packed).view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(octets[:, 2::-1])


def _unpacked(data: bytes, start: int, size: int) -> NDArray[np.uint8]:
    """Decompress the LZF stream at ``start``, which must give ``size`` bytes."""
    if start + 8 > len(data):
        raise Damaged("it is cut short")
    length, declared = struct.unpack_from("<II", data, start)
    if start + 8 + length > len(data):
        raise Damaged(f"it is cut short: {length} compressed bytes are declared, {len(data) - start - 8} are there")
    if declared != size or size > min(limits().bytes, _LZF_RATIO * length):
        raise Damaged(f"{length} compressed bytes are declared to hold {declared}, the fields need {size}")
    plain = np.empty(size, np.uint8)
    if _lzf(np.frombuffer(data, np.uint8, length, start + 8), plain) != size:
        raise Damaged("the compressed data is not valid LZF")
    return plain


@kernel
def _lzf(packed: NDArray[np.uint8], plain: NDArray[np.uint8]) -> int:
    """Decompress; return the bytes written, or -1 where a reference or run leaves the data.

    A control byte c < 32 stands before c + 1 literal bytes.  Else its upper three bits (if 7, plus the next byte)
    are a length less 2, and its lower five bits and the next byte a distance less 1 into what is written.
    """
    at, written = 0, 0
    while at < packed.size:
        control = int(packed[at])
        at += 1
        if control < 32:
            length = control + 1
            if at + length > packed.size or written + length > plain.size:
                return -1
            for k in range(length):
                plain[written + k] = packed[at + k]
            at += length
        else:
            length = (control >> 5) + 2
            if length == 9:
                if at >= packed.size:
                    return -1
                length += int(packed[at])
                at += 1
            if at >= packed.size:
                return -1
            distance = ((control & 31) << 8) + int(packed[at]) + 1
            at += 1
            if distance > written or written + length > plain.size:
                return -1
            for k in range(length):  # byte by byte: a reference may overlap what it writes
                plain[written + k] = plain[written + k - distance]
        written += length
    return written


def _table(data: bytes, start: int, record: np.dtype[Any], count: int) -> Array:
    if count * record.itemsize > len(data) - start:
        raise Damaged(f"it is cut short: {count} x {record.itemsize} bytes are declared, {len(data) - start} are there")
    return np.frombuffer(data, record, count, start)


def _lines(data: bytes, start: int) -> Iterator[bytes]:
    """Return the lines that are not blank, of which there may be some; Windows programs write NaN as ``-nan(ind)``."""
    blank, most = 0, limits().parts
    text = io.BytesIO(data)
    text.seek(start)
    for line in text:
        if not line.isspace():
            yield line.replace(b"nan(ind)", b"nan")
            continue
        blank += 1
        if blank > most:
            raise Damaged(f"it has more than {most} blank lines")


def _ascii_table(lines: Iterator[bytes], size: int, *, count: int, columns: int) -> NDArray[np.float64]:
    """Read ``count`` lines of ``columns`` numbers from a text of ``size`` bytes."""
    if 2 * count * columns - 1 > size:  # a digit and a separator for every number
        raise Damaged(f"it is cut short: {count} lines of {columns} numbers are declared, {size} bytes are there")
    first = next(lines, None)
    if first is None:
        raise Damaged("it is cut short")
    rows = itertools.chain([first], itertools.islice(lines, count - 1))
    table: NDArray[np.float64] = np.loadtxt(rows, comments=None, ndmin=2, encoding="latin-1")
    if table.shape != (count, columns):
        raise Damaged(
            f"{count} lines of {columns} numbers are declared, {table.shape[0]} of {table.shape[1]} are there"
        )
    return table


def _xyz(columns: Columns) -> NDArray[np.float32]:
    missing = {"x", "y", "z"} - columns.keys()
    if missing:
        raise Damaged(f"its points have no {min(missing)}")
    xyz = np.empty((columns["x"].size, 3), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # a double beyond float32 becomes inf, which is invalid
        for k, axis in enumerate("xyz"):
            xyz[:, k] = columns[axis]
    return xyz
