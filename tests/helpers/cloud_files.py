"""Organised clouds written byte by byte from the descriptions of their formats."""

import struct

import numpy as np

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
