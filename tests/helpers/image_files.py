"""Image files built by hand from the descriptions of their formats."""

import io
import itertools
import struct
import zlib

import cv2
import numpy as np
import tifffile

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
    """Write an uncompressed one-strip TIFF 6.0 from its specification; ``t259=5`` changes a tag."""
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


def pfm(array, *, scale=b"-1.0"):
    """Write a portable float map: rows from the bottom up, the byte order by the sign of the scale."""
    order = "<" if scale.startswith(b"-") else ">"
    head = b"Pf" if array.ndim == 2 else b"PF"
    return (
        head + b"\n%d %d\n%s\n" % (array.shape[1], array.shape[0], scale) + array[::-1].astype(f"{order}f4").tobytes()
    )


def exr(planes, *, compression=3, top=0, flags=0, **change):
    """Write an OpenEXR of scan lines from its specification; ``change`` replaces the value of an attribute."""
    names, lines = sorted(planes), 16 if compression == 3 else 1
    height, width = planes[names[0]].shape
    kinds = {"u": 0, "e": 1, "f": 2}
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<IIii", kinds[planes[name].dtype.char.lower().replace("i", "u")], 0, 1, 1)
        for name in names
    )
    window = struct.pack("<4i", 5, top, 5 + width - 1, top + height - 1)
    attributes = {
        "channels": (b"chlist", listed + b"\0"),
        "compression": (b"compression", bytes([compression])),
        "dataWindow": (b"box2i", window),
        "displayWindow": (b"box2i", window),
        "lineOrder": (b"lineOrder", b"\0"),
    }
    attributes |= {name: (attributes[name][0], value) for name, value in change.items()}
    head = struct.pack("<II", 20000630, 2 | flags)
    for name, (kind, value) in attributes.items():
        head += name.encode() + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value
    head += b"\0"
    blocks = []
    for y in range(0, height, lines):
        rows = range(y, min(y + lines, height))
        plain = b"".join(
            planes[name][row].astype(planes[name].dtype.newbyteorder("<")).tobytes() for row in rows for name in names
        )
        packed = zlib.compress(deltas(plain[::2] + plain[1::2])) if compression else plain
        block = packed if len(packed) < len(plain) else plain
        blocks.append(struct.pack("<iI", top + y, len(block)) + block)
    places, at = b"", len(head) + 8 * len(blocks)
    for block in blocks:
        places += struct.pack("<Q", at)
        at += len(block)
    return head + places + b"".join(blocks)


def deltas(data):
    """Replace each byte but the first by its difference from the one before, plus 128."""
    return bytes([data[0]]) + bytes((b - a + 128) % 256 for a, b in itertools.pairwise(data))


def written(array, **options):
    """Return what tifffile writes."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()
