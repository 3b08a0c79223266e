"""Hostile files of pixels and points: what they declare is not what they hold, or costs far more than they weigh."""

import functools
import io
import struct
import warnings
import zipfile
import zlib

import cv2
import numpy as np
from helpers.cloud_files import PLAIN, pcd, ply
from helpers.image_files import RGB, U16, XYZ, chunk, exr, jpeg, npy, pfm, png, tiff, written

FAR = 8191  # squared, just within the limit of pixels


def pngs():
    whole = png(RGB, colour=2)
    signature, header = whole[:8], whole[8:33]
    body, end = whole[33:-12], whole[-12:]

    def head(width, height, bits=8, colour=0, *rest):
        fields = (width, height, bits, colour, *(rest or (0, 0, 0)))
        return signature + chunk(b"IHDR", struct.pack(">IIBBBBB", *fields))

    few = chunk(b"IDAT", zlib.compress(bytes(100)))
    return {
        "png-wrong-checksum": whole[:40] + b"\xff" + whole[41:],
        "png-chunk-of-4-gib": signature + header + struct.pack(">I", 2**32 - 1) + body[4:] + end,
        "png-chunk-of-2-gib-unknown": signature + header + struct.pack(">I4s", 2**31 - 1, b"teXt") + body + end,
        "png-of-no-width": head(0, 9) + body + end,
        "png-of-2-gib-a-side": head(2**31 - 1, 2**31 - 1) + body + end,
        "png-of-few-bytes": head(FAR, FAR, 16, 6) + few + end,
        "png-interlaced-of-few-bytes": head(FAR, FAR, 8, 0, 0, 0, 1) + few + end,
        "png-1-bit-of-few-bytes": head(FAR, FAR, 1, 0) + few + end,
        "png-no-pixels": signature + header + end,
        "png-two-headers": signature + header + header + body + end,
        "png-end-first": signature + header + end + body,
        "png-no-palette": head(4, 4, 8, 3) + few + end,
        "png-palette-of-5-bytes": head(4, 4, 8, 3) + chunk(b"PLTE", bytes(5)) + few + end,
        "png-100000-empty-chunks": signature + header + chunk(b"IDAT", b"") * 100_000 + body + end,
        "png-profile-bomb": signature + header + chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(2**24))) + body + end,
        "png-text-bomb": signature + header + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**24))) + body + end,
        "png-animated": signature + header + chunk(b"acTL", struct.pack(">II", 2**31, 0)) + body + end,
        "png-filter-9": head(4, 4) + chunk(b"IDAT", zlib.compress(b"\x09\1\2\3\4" * 4)) + end,
    }


def jpegs():
    whole = jpeg()
    frame, scan, end = whole.index(b"\xff\xc0"), whole.index(b"\xff\xda"), whole.rindex(b"\xff\xd9")

    def sized(height, width, data=whole):
        at = data.index(b"\xff\xc0") if b"\xff\xc0" in data else data.index(b"\xff\xc2")
        return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]

    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    progressive = cv2.imencode(".jpg", RGB, options)[1].tobytes()
    first, last = progressive.index(b"\xff\xda"), progressive.rindex(b"\xff\xd9")
    return {
        "jpeg-of-few-bytes": sized(FAR, FAR),
        "jpeg-progressive-of-few-bytes": sized(FAR, FAR, progressive),
        "jpeg-of-65535-a-side": sized(65535, 65535),
        "jpeg-of-no-height": sized(0, 48),
        "jpeg-3000-scans": progressive[:last] + progressive[first:last] * 500 + progressive[last:],
        "jpeg-restart-storm": whole[:end] + b"\xff\xd0" * 50_000 + whole[end:],
        "jpeg-1000-tables": whole[:2] + (b"\xff\xdb\0\x43\0" + bytes(range(1, 65))) * 1000 + whole[2:],
        "jpeg-table-of-no-code": whole[:2] + b"\xff\xc4\0\x13\0" + bytes(16) + whole[2:],
        "jpeg-segment-of-0-bytes": whole[:2] + b"\xff\xe1\0\0" + whole[2:],
        "jpeg-segment-past-the-end": whole[:2] + b"\xff\xe1\xff\xff" + whole[2:],
        "jpeg-two-frames": whole[:frame] + whole[frame:scan] + whole[frame:],
        "jpeg-second-frame-is-larger": whole[:scan] + sized(9000, 9000)[frame : frame + 19] + whole[scan:],
        "jpeg-sampling-of-15": whole[: frame + 11] + b"\xff" + whole[frame + 12 :],
        "jpeg-sampling-of-0": whole[: frame + 11] + b"\0" + whole[frame + 12 :],
        "jpeg-height-later": sized(0, 48)[:end] + b"\xff\xdc\0\4\xff\xff" + whole[end:],
        "jpeg-exif-in-a-circle": whole[:2]
        + b"\xff\xe1\0\x20Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0"
        + bytes(10)
        + whole[2:],
        "jpeg-no-scan": whole[:scan] + whole[end:],
    }


def tiffs():
    few = np.frombuffer(zlib.compress(bytes(100))[:8], "<f4")[None]
    plain = tiff(U16)
    directory = struct.unpack("<I", plain[4:8])[0]
    last = len(plain) - 4  # where the next directory would be said
    far = {"t256": FAR, "t257": FAR, "t278": FAR}
    many = 2**20
    long_tag = struct.pack("<H", 1) + struct.pack("<HHII", 273, 4, many, 26) + bytes(4 + 4 * many)
    text_tag = struct.pack("<H", 1) + struct.pack("<HHII", 270, 2, 2**22, 26) + bytes(4) + b"{" * 2**22
    big = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16)
    return {
        "tiff-pages-in-a-circle": plain[:last] + struct.pack("<I", directory),
        "tiff-page-is-its-own-exif": tiff(U16, t34665=directory),
        "tiff-sub-pages-in-a-circle": tiff(U16, t330=directory),
        "tiff-strip-of-no-bytes": tiff(U16, t279=0),
        "tiff-no-rows-a-strip": tiff(U16, t278=0),
        "tiff-rows-of-4-gib": tiff(U16, t278=2**32 - 1),
        "tiff-of-no-width": tiff(U16, t256=0),
        "tiff-of-4-gib-a-side": tiff(U16, t256=2**32 - 1, t257=2**32 - 1),
        "tiff-deflate-of-few-bytes": tiff(few, t259=8, **far),
        "tiff-lzw-of-few-bytes": tiff(few, t259=5, **far),
        "tiff-packbits-of-few-bytes": tiff(few, t259=32773, **far),
        "tiff-tiles-of-1-pixel": tiff(U16, t322=1, t323=1, t324=8, t325=2),
        "tiff-tiles-of-4-gib": tiff(U16, t322=2**31, t323=2**31, t324=8, t325=234),
        "tiff-65535-samples": tiff(U16, t277=65535),
        "tiff-no-bits": tiff(U16, t258=0),
        "tiff-64-bits-of-float": tiff(XYZ[:, :, 0].copy(), t258=64),
        "tiff-24-bits": tiff(U16, t258=24),
        "tiff-predictor-of-9": tiff(U16, t317=9, t259=8),
        "tiff-predictor-on-plain": tiff(U16, t317=3),
        "tiff-tag-of-a-million": b"II*\0\x08\0\0\0" + long_tag,
        "tiff-description-deep-json": b"II*\0\x08\0\0\0" + text_tag,
        "tiff-of-4096-tags": b"II*\0\x08\0\0\0"
        + struct.pack("<H", 4096)
        + struct.pack("<HHII", 270, 2, 9, 0) * 4096
        + bytes(4),
        "tiff-says-65535-tags": b"II*\0\x08\0\0\0\xff\xff" + bytes(99),
        "tiff-directory-far-away": b"II*\0\xff\xff\xff\xff" + bytes(99),
        "bigtiff-2-to-the-64-tags": big + b"\xff" * 8 + bytes(99),
        "bigtiff-value-of-2-to-the-63": big + struct.pack("<QHHQQ", 1, 270, 2, 2**63, 16) + bytes(8),
        "tiff-orientation-of-9999": tiff(U16, t274=9999),
        "tiff-lsm": tiff(U16, t34412=8),
        "tiff-photoshop-planes": tiff(U16, t284=2),
        "tiff-planes-of-thousands": tiff(U16, t284=2, t277=4000),
        "tiff-depth-of-volumes": tiff(U16, t32997=2**20),
        "tiff-says-imagej-stack": written(U16, description="ImageJ=1.53\nimages=999999999\n", metadata=None),
    }


def exrs():
    z = {"Z": XYZ[:, :, 0]}
    whole = exr(z)

    def window(*box):
        return exr(z, dataWindow=struct.pack("<4i", *box))

    at = whole.index(b"dataWindow")
    row = np.zeros((16, FAR), np.float32)
    below, bomb = exr(z, top=77777), zlib.compress(bytes(2**24))
    block = below.rindex(struct.pack("<i", 77777))
    return {
        "exr-of-few-bytes": window(0, 0, FAR - 1, FAR - 1),
        "exr-window-backwards": window(9, 9, 0, 0),
        "exr-window-of-everything": window(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1),
        "exr-window-at-the-end": window(2**31 - 13, 2**31 - 9, 2**31 - 1, 2**31 - 1),
        "exr-window-of-3-numbers": exr(z, dataWindow=bytes(12)),
        "exr-attribute-of-4-gib": whole[: at + 17] + b"\xff" * 4 + whole[at + 21 :],
        "exr-no-channel": exr(z, channels=b"\0"),
        "exr-3000-channels": exr(
            z, channels=b"".join(b"%d\0" % k + struct.pack("<IIii", 2, 0, 1, 1) for k in range(3000)) + b"\0"
        ),
        "exr-channel-of-no-pixels": exr(z, channels=b"Z\0" + struct.pack("<IIii", 2, 0, 0, 0) + b"\0"),
        "exr-name-without-end": struct.pack("<II", 20000630, 2) + b"a" * 60_000,
        "exr-60000-attributes": struct.pack("<II", 20000630, 2) + b"a\0b\0\0\0\0\0" * 8_000 + b"\0",
        "exr-compression-of-2-bytes": exr(z, compression=3, **{"lineOrder": b""}).replace(
            b"\1\0\0\0\3", b"\2\0\0\0\3", 1
        ),
        "exr-block-bomb": below[:block] + struct.pack("<iI", 77777, len(bomb)) + bomb,
        "exr-deep": exr(z, flags=0x800),
        "exr-one-row-of-8191": exr({"Z": row[:1]}, compression=0),
    }


def arrays():
    whole = npy(XYZ)

    def header(text, version=1):
        data = text.encode("latin-1")
        return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(data)) + data

    def shaped(shape, descr="'<f4'", order="False"):
        return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n") + bytes(64)

    def archive(members, compression=zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", compression) as file:
            warnings.simplefilter("ignore")  # of names that are there twice
            for name, data in members:
                file.writestr(name, data)
        return stream.getvalue()

    one = archive([("depth.npy", npy(U16))])
    end = one.rindex(b"PK\5\6")
    central = one.rindex(b"PK\1\2")
    crowd = archive([(str(k), b"") for k in range(66_000)])
    last = crowd.rindex(b"PK\5\6")
    return {
        "npy-shape-of-5000-digits": shaped(f"({'9' * 5000}, 4)"),
        "npy-shape-below-0": shaped("(-4, -4)"),
        "npy-shape-of-truth": shaped("(True, True)"),
        "npy-shape-of-floats": shaped("(4.0, 4.0)"),
        "npy-shape-of-1000-axes": shaped(f"({'1,' * 1000})"),
        "npy-of-few-bytes": shaped(f"({FAR}, {FAR})", "'<f8'"),
        "npy-of-objects": shaped("(4, 4)", "'O'"),
        "npy-of-long-texts": shaped("(4, 4)", "'<U2147483647'"),
        "npy-of-fields": shaped("(4, 4)", "[('a', '<f4', (60000, 60000))]"),
        "npy-of-commas": shaped("(4, 4)", f"'{'f4,' * 2000}f4'"),
        "npy-order-of-5": shaped("(4, 4)", order="5"),
        "npy-nested-header": header("(" * 9000 + ")" * 9000 + "\n"),
        "npy-minus-signs": header("-" * 9000 + "1\n"),
        "npy-header-of-60000": header(" " * 60_000 + "\n"),
        "npy-header-of-4-gib": b"\x93NUMPY\2\0" + b"\xff" * 4 + bytes(99),
        "npy-calls": header("{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (4, 4)}\n"),
        "npy-of-longdoubles": shaped("(2, 2)", "'<f16'"),
        "npy-dates": shaped("(2, 4)", "'<M8[s]'"),
        "npz-size-is-a-lie": one[: central + 24] + struct.pack("<I", 2**31) + one[central + 28 :],
        "npz-packed-size-is-a-lie": one[: central + 20] + struct.pack("<I", 2**31) + one[central + 24 :],
        "npz-starts-elsewhere": one[: central + 42] + struct.pack("<I", 2**31) + one[central + 46 :],
        "npz-encrypted": one[: central + 8] + b"\1\0" + one[central + 10 :],
        "npz-packed-by-lzma": archive([("depth.npy", npy(U16))], zipfile.ZIP_LZMA),
        "npz-packed-by-nobody": one[: central + 10] + b"\x63\0" + one[central + 12 :],
        "npz-directory-past-the-end": one[: end + 16] + b"\xff" * 4 + one[end + 20 :],
        "npz-66000-members": crowd,
        "npz-two-directories": crowd[: last + 8] + struct.pack("<HHI", 1, 1, 60) + crowd[last + 16 :],
        "npz-twice-the-name": archive([("depth.npy", npy(U16))] * 2),
        "npz-is-empty": archive([]),
        "npz-holds-no-npy": archive([("depth.npy", b"no")]),
        "npz-name-leads-out": archive([("../../depth.npy", npy(U16))]),
        "npz-bomb": archive([("depth.npy", whole[:128].replace(b"(9, 13, 3)", b"(8000,8000)") + bytes(2**24))]),
    }


def simple():
    def bmp(width=3, height=3, bits=24, start=54, size=40, used=0, packing=0):
        fields = (99, 0, 0, start, size, width, height, 1, bits, packing, 0, 0, 0, used, 0)
        return (
            b"BM"
            + struct.pack("<IHHIIiiHHIIiiII", *(part & 0xFFFFFFFF if part >= 0 else part for part in fields))
            + bytes(90)
        )

    return {
        "bmp-rows-of-minus-2-gib": bmp(height=-(2**31)),
        "bmp-width-below-0": bmp(width=-3),
        "bmp-palette-of-2-gib": bmp(bits=8, used=2**31 - 1),
        "bmp-palette-of-minus-1": bmp(bits=8, used=2**32 - 1),
        "bmp-header-of-2-gib": bmp(size=2**31),
        "bmp-starts-at-0": bmp(start=0),
        "bmp-masks": bmp(bits=32, packing=3),
        "ppm-comment-of-65000": b"P6" + b"\n#" + b"a" * 65_000 + b"\n3 3 255\n" + bytes(27),
        "ppm-30000-comments": b"P6" + b"\n#" * 30_000 + b"\n3 3 255\n" + bytes(27),
        "ppm-of-few-bytes": b"P6 8191 8191 65535\n\0",
        "ppm-of-nothing": b"P6 0 0 255\n",
        "pgm-largest-is-0": b"P5 3 3 0\n" + bytes(9),
        "pfm-scale-of-nothing": pfm(XYZ, scale=b"-0.0"),
        "pfm-scale-is-no-number": pfm(XYZ, scale=b"-e+e.E"),
        "pfm-of-few-bytes": b"Pf\n8191 8191\n-1.0\n\0",
        "pfm-spaces": b"Pf" + b" " * 65_000,
    }


def clouds():
    many = tuple(f"uchar p{k}" for k in range(3000))
    packed = pcd("binary_compressed")
    at = packed.index(b"binary_compressed\n") + 18
    return {
        "ply-height-and-spaces": ply(notes=("comment height" + " " * 60_000,)),
        "ply-heights-and-spaces": ply(notes=("comment " + ("height" + " " * 500) * 120,)),
        "ply-of-3000-properties": ply(properties=(*PLAIN, *many), xyz=XYZ[:5, :7].copy()),
        "ply-6000-elements-of-nothing": ply(notes=tuple(f"element e{k} 1" for k in range(4000))),
        "ply-element-of-9999999999": ply(before=("element camera 9999999999", "property float viewportx")),
        "ply-ascii-element-of-no-property": ply("ascii", before=("element camera 9",)),
        "ply-viewport-of-nan": ply(
            "ascii",
            notes=(),
            after=("element camera 1", "property float viewportx", "property float viewporty"),
            tail=b"nan inf\n",
        ),
        "ply-width-is-a-lie": ply(notes=("obj_info num_cols 999999999", "obj_info num_rows 999999999")),
        "ply-blank-lines": ply("ascii").split(b"end_header")[0] + b"end_header\n" + b"\n" * 200_000,
        "ply-one-line-of-a-megabyte": ply("ascii").split(b"end_header")[0] + b"end_header\n" + b"1 " * 2**19,
        "ply-number-of-a-megabyte": ply("ascii").split(b"end_header")[0] + b"end_header\n" + b"1" * 2**20,
        "ply-of-nan": ply(xyz=np.full((5, 7, 3), np.nan, np.float32)),
        "ply-huge-count": ply().replace(b"vertex 35", b"vertex " + b"9" * 4000),
        "pcd-60000-numbers-a-point": pcd(FIELDS="x y z _", SIZE="4 4 4 8", TYPE="F F F F", COUNT="1 1 1 60000"),
        "pcd-30000-fields": pcd(
            FIELDS="x y z" + " _" * 9000,
            SIZE="4 4 4" + " 1" * 9000,
            TYPE="F F F" + " U" * 9000,
            COUNT="1 1 1" + " 1" * 9000,
        ),
        "pcd-fields-of-different-counts": pcd(FIELDS="x y z w"),
        "pcd-field-of-3-bytes": pcd(SIZE="3 4 4"),
        "pcd-count-below-0": pcd(COUNT="-1 1 1"),
        "pcd-points-of-5000-digits": pcd(POINTS="9" * 4000, WIDTH="9" * 4000, HEIGHT=1),
        "pcd-of-few-bytes": pcd(WIDTH=FAR, HEIGHT=FAR, POINTS=FAR**2),
        "pcd-packed-of-few-bytes": pcd("binary_compressed", WIDTH=FAR, HEIGHT=FAR, POINTS=FAR**2),
        "pcd-packed-4-gib": packed[:at] + b"\xff" * 8 + packed[at + 8 :],
        "pcd-packed-reference-before-the-start": packed[: at + 8] + b"\xff" * (len(packed) - at - 8),
        "pcd-packed-runs-to-the-end": packed[: at + 8] + b"\x1f" * (len(packed) - at - 8),
        "pcd-ascii-of-text": pcd("ascii").replace(b"0.", b"x."),
        "pcd-data-and-spaces": pcd().replace(b"DATA binary", b"DATA" + b" " * 50_000 + b"binary"),
    }


@functools.cache
def files():
    """Return the hostile files by what they are; the first word is the type that they claim."""
    return {**pngs(), **jpegs(), **tiffs(), **exrs(), **arrays(), **simple(), **clouds()}
