"""Own images: ``rgb/`` (or ``color/``) beside ``depth/`` or ``xyz/``, with equal stems; ``mask/``, ``foreground/``.

They lie in the root, or in ``[<category>/]<split>/<defect>/`` below it (``train/good/``, ``test/scratch/``).
``xyz/`` holds organised point clouds (`das3d_aug.files.clouds`); clouds with colours need no ``rgb/``.  Depth is a
16-bit PNG or PGM, a float or integer TIFF, npy or npz.  How the stored number becomes depth is named by the user
and never guessed:

=========== ==============================================================================================
plain       depth = stored / depth_scale (TUM: ``depth_scale=5000, unit="m"``; most cameras: ``unit="mm"``)
disparity   depth = depth_scale / stored, with depth_scale = focal length in pixels x baseline
sunrgbd     SUN RGB-D: the 16 bits rotated right by 3 give millimetres
nyu         NYU v2 raw Kinect: the bytes swapped give a disparity d, and depth = 351.3 / (1092.5 − d) m
=========== ==============================================================================================

A SUN RGB-D file read as plain cannot be told from depth: its large steps only look wrong.  A disparity is that of
equal principal points; where they differ (Middlebury's doffs), the difference must have been added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample, check_size, known_shapes, safe_parts
from das3d_aug.datasets.listing import Group, list_files, list_groups
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import (
    camera_file,
    encode_mask,
    encode_png,
    encode_tiff,
    read_camera_for,
    read_organized,
    read_plane,
    read_rgb,
)
from das3d_aug.files.clouds import CLOUD_SUFFIXES
from das3d_aug.geometry import Camera, move_along_rays, points_to_depth, range_to_depth

__all__ = ["FolderDataset", "encode_folder"]

_SPLITS = ("train", "validation", "test")
_ENCODINGS = ("plain", "disparity", "sunrgbd", "nyu")
_DEPTH_KINDS = ("z", "range")
_COLOUR = (".png", ".jpg", ".jpeg", ".ppm", ".bmp", ".tif", ".tiff")
_PLANE = (".png", ".pgm", ".tif", ".tiff", ".npy", ".npz")
_ROLES = {"depth": _PLANE, "xyz": CLOUD_SUFFIXES, "mask": _PLANE, "foreground": _PLANE}


class FolderDataset(Dataset):
    """Own RGB-D images or organised point clouds.

    Parameters
    ----------
    root : pathlib.Path
        The folder; ``intrinsics.json``, ``camera.yaml`` … in it is read as the camera (`das3d_aug.files.camera_file`).
    how : str
        How it was recognised.
    depth_scale : float, optional
        Stored units per unit of depth (and of points).  Without it numbers stay as stored, and integers get the
        unit ``"raw"`` unless ``unit`` is given.
    unit : str, optional
        The unit of depth; ``"unknown"`` if not given (``"mm"`` for sunrgbd and nyu without ``depth_scale``).
    encoding : {"plain", "disparity", "sunrgbd", "nyu"}
        What the stored numbers of ``depth/`` mean.
    depth_kind : {"z", "range"}
        Whether ``depth/`` is along the optical axis or along the viewing ray, which needs the camera.
    cloud_width : int, optional
        Points in a row of ``xyz/``, for clouds that do not say it; without it that of ``rgb/``.

    Raises
    ------
    ParameterError
        If an option has an impossible value, or does not go with the folder.
    FileError
        If two files of one folder share a stem, there are ``depth/`` and ``xyz/``, or the camera is missing.
    """

    layout = "folder"
    expected = "rgb/ or color/ beside depth/ or xyz/, or xyz/ with colours; so too in <split>/<defect>/"
    options = frozenset({"depth_scale", "unit", "encoding", "depth_kind", "cloud_width"})

    def __init__(
        self,
        root: Path,
        how: str,
        *,
        depth_scale: float | None = None,
        unit: str | None = None,
        encoding: str = "plain",
        depth_kind: str = "z",
        cloud_width: int | None = None,
    ) -> None:
        if depth_scale is not None and not (math.isfinite(depth_scale) and depth_scale > 0):
            raise ParameterError(f"depth_scale must be positive, got {depth_scale!r}")
        if encoding not in _ENCODINGS:
            raise ParameterError(f"encoding must be one of {', '.join(_ENCODINGS)}, got {encoding!r}")
        if encoding == "disparity" and depth_scale is None:
            raise ParameterError("depth_scale is needed for encoding 'disparity': focal length in pixels x baseline")
        if depth_kind not in _DEPTH_KINDS:
            raise ParameterError(f"depth_kind must be one of {', '.join(_DEPTH_KINDS)}, got {depth_kind!r}")
        if cloud_width is not None and cloud_width < 1:
            raise ParameterError(f"cloud_width must be at least 1, got {cloud_width!r}")
        groups = _groups(root)
        depth, points = (any((group.folder / role).is_dir() for group in groups) for role in ("depth", "xyz"))
        if depth and points:
            raise FileError(root, "has depth/ and xyz/, and which is meant is not known; rename one of them")
        self._geometry = "xyz" if points else "depth"
        for name, changed, folder in (
            ("encoding", encoding != "plain", "depth"),
            ("depth_kind", depth_kind != "z", "depth"),
            ("cloud_width", cloud_width is not None, "xyz"),
        ):
            if changed and folder != self._geometry:
                raise ParameterError(f"{name} is about {folder}/, and {root} has {self._geometry}/")
        self._coloured = any(_colour(group.folder) for group in groups)
        self.depth_scale = depth_scale
        self.unit = unit
        self.encoding = encoding
        self.depth_kind = depth_kind
        self.cloud_width = cloud_width
        self._cameras: dict[tuple[int, ...], tuple[Camera | None, tuple[str, ...]]] = {}
        super().__init__(root, how, entries=[entry for group in groups for entry in _entries(group)])
        if depth_kind == "range" and camera_file(root) is None:
            raise FileError(root / "intrinsics.json", "is missing; depth_kind 'range' needs the camera")

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for depth or points in the root and below splits, where ``rgb/`` beside ``xyz/`` is MVTec 3D-AD's."""
        if form := _form(root):
            return form
        forms = [(group, form) for group in list_groups(root, _SPLITS) if (form := _form(group.folder))]
        own = [(group, form) for group, form in forms if form != "rgb/ beside xyz/"]
        if not own:
            return None
        group, form = own[0]
        return f"{form} in {len(own)} folders such as {group.folder.relative_to(root).as_posix()}/"

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised folder."""
        return cls(root, how, **options)

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        rgb = read_rgb(self.file(entry, "rgb")) if self._coloured else None
        path = self.file(entry, self._geometry)
        xyz = None
        if self._geometry == "depth":
            depth, unit = self._depth(path)
        else:
            cloud = read_organized(path, width=self.cloud_width or (rgb if rgb is None else rgb.shape[1]))
            xyz, unit = self._scaled(cloud.xyz), self.unit or "unknown"
            depth = points_to_depth(xyz)
            rgb = cloud.rgb if rgb is None else rgb
        if rgb is None:
            raise FileError(path, "has no colours (red, green, blue of 8 bits), and there is no rgb/ beside xyz/")
        partner = entry.files.get("rgb", path)
        check_size(path, depth.shape, partner=partner, expected=rgb.shape)
        mask = self.marked(entry, "mask", partner=partner, expected=rgb.shape)
        if mask is None and entry.label == 0:
            mask = np.zeros(rgb.shape[:2], dtype=bool)
        camera, notes = self._camera(depth.shape)
        return Sample(
            entry=entry,
            rgb=rgb,
            depth=depth,
            valid=np.isfinite(depth) & (depth > 0),
            unit=unit,
            xyz=xyz,
            intrinsics=camera,
            warnings=notes,
            mask=mask,
            foreground=self.marked(entry, "foreground", partner=partner, expected=rgb.shape),
        )

    def _camera(self, shape: tuple[int, ...]) -> tuple[Camera | None, tuple[str, ...]]:
        """Return the camera of images of a size, and what its file says beside; it is read once."""
        if shape not in self._cameras:
            path = camera_file(self.root)
            none: tuple[None, tuple[str, ...]] = (None, ())
            found = none if path is None else read_camera_for(path, shape, depth_scale=self.depth_scale)
            self._cameras[shape] = found
        return self._cameras[shape]

    def _depth(self, path: Path) -> tuple[NDArray[np.float32], str]:
        stored = read_plane(path, name="depth")
        unit = self.unit or "unknown"
        if self.encoding == "plain":
            if path.suffix.lower() == ".pgm" and stored.dtype == np.uint16 and _looks_swapped(stored):
                raise FileError(path, "looks like raw Kinect disparity with swapped bytes; open with encoding='nyu'")
            depth = self._scaled(stored)
            if stored.dtype.kind != "f" and self.depth_scale is None:
                unit = self.unit or "raw"
        elif self.encoding == "disparity":
            depth = _from_disparity(stored, self.depth_scale or 1.0)
        else:
            if stored.dtype != np.uint16:
                raise FileError(path, f"encoding {self.encoding!r} needs 16-bit integers, got {stored.dtype}")
            depth = self._scaled(_sunrgbd(stored) if self.encoding == "sunrgbd" else _nyu(stored))
            if self.depth_scale is None:
                unit = self.unit or "mm"
        camera = self._camera(stored.shape)[0] if self.depth_kind == "range" else None
        return depth if camera is None else range_to_depth(depth, camera), unit

    def _scaled(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is invalid
            return (stored if self.depth_scale is None else stored / np.float64(self.depth_scale)).astype(np.float32)


def encode_folder(
    key: str,
    *,
    rgb: NDArray[np.uint8],
    depth: NDArray[Any],
    xyz: NDArray[Any] | None = None,
    mask: NDArray[Any] | None = None,
    rgb_mask: NDArray[Any] | None = None,
    depth_mask: NDArray[Any] | None = None,
) -> dict[str, bytes]:
    """Encode a sample in the folder layout; nothing is written.

    Parameters
    ----------
    key : str
        Its name; ``a/b`` becomes the stem ``a__b``.
    rgb : numpy.ndarray
        uint8, H x W x 3.
    depth : numpy.ndarray
        H x W; uint16 becomes a 16-bit PNG, everything else a float32 TIFF.
    xyz : numpy.ndarray, optional
        H x W x 3, the source's points; moved along their rays to ``depth``, they are stored in its place.
    mask, rgb_mask, depth_mask : numpy.ndarray, optional
        H x W, non-zero where anomalous (anywhere, in colour, in depth); stored as 0 and 255.

    Returns
    -------
    dict of str to bytes
        The content of each file by its relative path, with forward slashes.

    Raises
    ------
    ParameterError
        If shapes or dtypes do not fit, or the key is not a safe name.
    """
    known_shapes(rgb=rgb, depth=depth, xyz=xyz, mask=mask, rgb_mask=rgb_mask, depth_mask=depth_mask)
    parts = safe_parts(key)
    name = "__".join(parts)
    if len(parts) > 1 and name.split("__") != parts:
        raise ParameterError(f"key must not hold '__' beside '/', two keys could get one name, got {key!r}")
    files = {f"rgb/{name}.png": encode_png(rgb)}
    if xyz is not None:
        files[f"xyz/{name}.tiff"] = encode_tiff(move_along_rays(xyz.astype(np.float32), depth))
    elif depth.dtype == np.uint16:
        files[f"depth/{name}.png"] = encode_png(depth)
    else:
        files[f"depth/{name}.tiff"] = encode_tiff(depth.astype(np.float32))
    for folder, plane in (("mask", mask), ("rgb_mask", rgb_mask), ("depth_mask", depth_mask)):
        if plane is not None:
            files[f"{folder}/{name}.png"] = encode_mask(plane)
    return files


def _colour(folder: Path) -> str | None:
    return next((name for name in ("rgb", "color") if (folder / name).is_dir()), None)


def _form(folder: Path) -> str | None:
    """Return what makes a folder one of RGB-D images, in words."""
    colour = _colour(folder)
    if colour and (folder / "depth").is_dir():
        return f"{colour}/ beside depth/"
    if (folder / "xyz").is_dir():
        return f"{colour}/ beside xyz/" if colour else "xyz/"
    return None


def _groups(root: Path) -> list[Group]:
    return [Group(root, "", "", "")] if _form(root) else list(list_groups(root, _SPLITS))


def _entries(group: Group) -> Iterable[Entry]:
    roles = {"rgb": list_files(group.folder / (_colour(group.folder) or "rgb"), _COLOUR)}
    for role, suffixes in _ROLES.items():
        roles[role] = list_files(group.folder / role, suffixes)
    for stem in roles["rgb"].keys() | roles["depth"].keys() | roles["xyz"].keys():
        yield Entry(
            key="/".join([*filter(None, group[1:]), stem]),
            split=group.split,
            defect=group.name,
            label=int(group.name != "good") if group.name else None,
            files={role: found[stem] for role, found in roles.items() if stem in found},
            category=group.category,
        )


def _from_disparity(stored: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """Return ``scale`` / stored, 0 where the disparity is not positive or not finite."""
    depth = np.zeros(stored.shape)
    with np.errstate(over="ignore"):
        np.divide(scale, stored, out=depth, where=stored > 0)
        return depth.astype(np.float32)


def _sunrgbd(stored: NDArray[np.uint16]) -> NDArray[Any]:
    """Return millimetres: the writer of SUN RGB-D rotated them left by three bits."""
    return (stored >> 3) | (stored << 13)


def _nyu(stored: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return millimetres, 0 where the disparity has none."""
    disparity = stored.byteswap().astype(np.float64)  # whole numbers: 1092.5 is never met
    return np.maximum(351.3 / (1092.5 - disparity) * 1000, 0)


def _looks_swapped(stored: NDArray[np.uint16]) -> bool:
    """Most numbers are beyond 11 bits, but not with their bytes swapped: true of 3 % of honest numbers."""
    return bool(np.mean((stored > 2048) & (stored.byteswap() < 2048)) > 0.6)
