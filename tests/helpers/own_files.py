"""What cameras write, for folders of one's own: PLY, PCD and arrays of one scene."""

import json

import numpy as np
import tifffile

from das3d_aug.geometry import Intrinsics, depth_to_points

RNG = np.random.default_rng(11)
RGB = RNG.integers(0, 256, (10, 14, 3), dtype=np.uint8)
DEPTH = RNG.uniform(0.5, 0.9, (10, 14)).astype(np.float32)
DEPTH[0, :3] = 0
CAMERA = Intrinsics(70.0, 71.0, 6.5, 4.5)
XYZ = depth_to_points(DEPTH, CAMERA)
MASK = np.zeros((10, 14), bool)
MASK[4:6, 5:9] = True


def ply(*, colours=True, xyz=XYZ, size=True):
    """A binary PLY as a camera writes it."""
    record = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)] if colours else [("xyz", "<f4", 3)])
    points = np.zeros(xyz.shape[:2], record)
    points["xyz"] = xyz
    lines = ["ply", "format binary_little_endian 1.0"]
    if size:
        lines += [f"obj_info num_cols {xyz.shape[1]}", f"obj_info num_rows {xyz.shape[0]}"]
    lines += [f"element vertex {points.size}", *(f"property float {axis}" for axis in "xyz")]
    if colours:
        points["rgb"] = RGB[: xyz.shape[0], : xyz.shape[1]]
        lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    return "\n".join([*lines, "end_header", ""]).encode() + points.tobytes()


def pcd(xyz=XYZ):
    height, width = xyz.shape[:2]
    head = f"VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {width}\nHEIGHT {height}\n"
    head += f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {height * width}\nDATA binary\n"
    return head.encode() + xyz.astype("<f4").tobytes()


def put(path, content):
    """Write bytes, or an array with the libraries themselves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    else:
        tifffile.imwrite(path, content, photometric="rgb" if content.ndim == 3 else "minisblack")
    return path


def camera(root):
    put(root / "intrinsics.json", json.dumps({"fx": 70.0, "fy": 71.0, "cx": 6.5, "cy": 4.5}).encode())
