"""A whole file of every type of image that is read, small, and what reads it."""

import cv2
from helpers.image_files import RGB, U16, XYZ, chunk, exr, jpeg, npy, npz, pfm, png, tiff, written

from das3d_aug.files import encode_tiff, read_array, read_plane, read_rgb

WHOLE = [
    ("a.png", png(RGB, colour=2, extra=chunk(b"tEXt", b"k\0v" * 50)), read_rgb),
    ("a.jpg", jpeg(), read_rgb),
    ("a.ppm", b"P6 13 9 255\n" + RGB.tobytes(), read_rgb),
    ("a.pgm", b"P5 13 9 65535\n" + U16.astype(">u2").tobytes(), read_plane),
    ("a.bmp", cv2.imencode(".bmp", RGB)[1].tobytes(), read_rgb),
    ("a.tiff", encode_tiff(XYZ), read_array),
    ("b.tiff", tiff(XYZ), read_array),
    ("c.tiff", encode_tiff(XYZ, compress=True), read_array),
    ("d.tiff", written(U16, compression="lzw", predictor=2, rowsperstrip=2), read_plane),
    ("e.tiff", written(XYZ, photometric="rgb", compression="zlib", predictor=3, tile=(16, 16)), read_array),
    ("f.tiff", written(RGB, photometric="rgb", compression="packbits", bigtiff=True, byteorder=">"), read_rgb),
    ("a.npy", npy(XYZ), read_array),
    ("a.npz", npz(XYZ), read_array),
    ("a.pfm", pfm(XYZ), read_array),
    ("a.exr", exr({name: XYZ[:, :, k] for k, name in enumerate("XYZ")}), read_array),
]
