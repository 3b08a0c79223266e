"""Decompression bombs, as image files."""

import io
import struct
import zipfile
import zlib

import numpy as np
from helpers.image_files import chunk, jpeg, npy, tiff


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
