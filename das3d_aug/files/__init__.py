"""Files: bytes of images, depth, clouds and documents, judged before they are decoded; whole files written.

Here lives what knows a file format and nothing of data sets.  It may import geometry and the ground.
"""

from das3d_aug.files.camera_files import camera_file, read_camera, read_camera_for
from das3d_aug.files.clouds import OrganizedCloud, read_organized, read_points
from das3d_aug.files.documents import read_json, read_toml, read_yaml
from das3d_aug.files.images import (
    encode_depth,
    encode_mask,
    encode_png,
    encode_tiff,
    read_array,
    read_colour,
    read_plane,
    read_rgb,
)
from das3d_aug.files.limits import Limits, limits, read_bytes
from das3d_aug.files.ply_out import encode_ply
from das3d_aug.files.remote import Place, Remote, place
from das3d_aug.files.whole import contained, open_atomic, sweep_partials, write_atomic, write_first

__all__ = [
    "Limits",
    "OrganizedCloud",
    "Place",
    "Remote",
    "camera_file",
    "contained",
    "encode_depth",
    "encode_mask",
    "encode_ply",
    "encode_png",
    "encode_tiff",
    "limits",
    "open_atomic",
    "place",
    "read_array",
    "read_bytes",
    "read_camera",
    "read_camera_for",
    "read_colour",
    "read_json",
    "read_organized",
    "read_plane",
    "read_points",
    "read_rgb",
    "read_toml",
    "read_yaml",
    "sweep_partials",
    "write_atomic",
    "write_first",
]
