"""Own images: ``rgb/``, ``depth/`` or ``xyz/``, or colour beside one of the two; ``mask/``, ``foreground/``.

They lie in the root, or in ``[<category>/]<split>/<defect>/`` below it (``train/good/``, ``test/scratch/``), by the
rule of `das3d_aug.datasets.names`.  Without such folders the files of one folder are told apart by their names
(``color_0001.png``, ``depth_0001.png``), and images whose names say nothing are colour.
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

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.listing import (
    COLOUR,
    MASKS,
    PLANES,
    POINTS,
    Findings,
    Group,
    list_files,
    list_groups,
    role_folders,
    visible,
)
from das3d_aug.datasets.names import role_of, shown
from das3d_aug.datasets.pairing import entries_of, form_of, look_around, masks_of, mixed_roles, strangers, told_apart
from das3d_aug.datasets.writing import known_shapes, safe_parts
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import contained, encode_mask, encode_png, encode_tiff, read_organized, read_plane
from das3d_aug.geometry import Camera, move_along_rays, points_to_depth, range_to_depth, read_camera

__all__ = ["FolderDataset", "encode_folder"]

_ENCODINGS = ("plain", "disparity", "sunrgbd", "nyu")
_DEPTH_KINDS = ("z", "range")
_TYPES = {"rgb": COLOUR, "depth": PLANES, "xyz": POINTS}
_MVTEC = "rgb/ beside xyz/"


class FolderDataset(Dataset):
    """Own colour images, depth images or organised point clouds, or colour beside one of the other two.

    Parameters
    ----------
    root : pathlib.Path
        The folder; ``intrinsics.json`` or ``camera.json`` in it is read as the camera.
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
    expected = "rgb/ beside depth/ or xyz/, or one of the three; so too in <split>/<defect>/; or a folder of images"
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
        findings = Findings(root)
        groups = _groups(root, findings)
        entries = [entry for group in groups for entry in _entries(group, findings)]
        super().__init__(root, how, entries=entries, findings=findings)
        if {"depth", "xyz"} <= self.roles:
            raise FileError(root, "has depth/ and xyz/, and which is meant is not known; rename one of them")
        self._geometry = next((role for role in ("depth", "xyz") if role in self.roles), None)
        self._alone = groups[0].folder == root and form_of(root) is None
        for name, changed, folder in (
            ("encoding", encoding != "plain", "depth"),
            ("depth_kind", depth_kind != "z", "depth"),
            ("cloud_width", cloud_width is not None, "xyz"),
        ):
            if changed and folder != self._geometry:
                raise ParameterError(f"{name} is about {folder}/, and {root} has {self._geometry or 'rgb'}/")
        self.depth_scale = depth_scale
        self.unit = unit
        self.encoding = encoding
        self.depth_kind = depth_kind
        self.cloud_width = cloud_width
        if depth_kind == "range" and self._camera() is None:
            raise FileError(root / "intrinsics.json", "is missing; depth_kind 'range' needs the camera")

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for folders of roles in the root and below splits, where ``rgb/`` beside ``xyz/`` is MVTec 3D-AD's.

        Images alone are looked for last: there may be a picture beside the folders of any layout.
        """
        groups = list(list_groups(root))
        if (form := form_of(root)) and (" beside " in form or not groups):
            return form
        forms = [(group, form) for group in groups if (form := form_of(group.folder) or told_apart(group.folder))]
        if any(form == _MVTEC for _, form in forms):
            forms = [
                (group, form) for group, form in forms if form == "xyz/" or (" beside " in form and form != _MVTEC)
            ]
        if forms:
            group, form = forms[0]
            return f"{form} in {len(forms)} folders such as {shown(group.folder.relative_to(root).as_posix())}/"
        if groups:
            return None
        count = len(visible(root, COLOUR))
        return told_apart(root) or (f"{count} image{'s' * (count > 1)}" if count else None)

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised folder."""
        return cls(root, how, **options)

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        rgb, grey = self.colour(entry)
        depth, xyz, unit = None, None, self.unit or "unknown"
        if self._geometry == "depth":
            depth, unit = self._depth(self.file(entry, "depth"))
        elif self._geometry == "xyz":
            path = self.file(entry, "xyz")
            cloud = read_organized(path, width=self.cloud_width or (rgb if rgb is None else rgb.shape[1]))
            if rgb is None and self.mode != "depth":
                rgb = cloud.rgb
            if rgb is None and self.mode in ("rgb", "rgbd"):
                raise FileError(path, "has no colours (red, green, blue of 8 bits), and there is no rgb/ beside xyz/")
            if self.mode != "rgb":
                xyz = self._scaled(cloud.xyz)
                depth = points_to_depth(xyz)
        return self.assemble(
            entry,
            colour=(rgb, grey),
            depth=depth,
            role=self._geometry or "rgb",
            label=entry.label,
            unit=unit,
            xyz=xyz,
            intrinsics=self._camera(),
        )

    def colour(self, entry: Entry) -> tuple[NDArray[np.uint8] | None, bool]:
        """Return the colour of a sample, see `Dataset.colour`; images alone may turn out to be depth."""
        try:
            return super().colour(entry)
        except FileError as error:
            if self._alone and not _is_8_bit(error.path):
                raise FileError(
                    error.path, "holds no 8-bit colour; images of depth are opened with mode='depth'"
                ) from error
            raise

    def place(self, entry: Entry, role: str) -> Path:
        """Return where a missing file is expected, without extension; see `Dataset.place`."""
        partner = next(iter(entry.files.values()))
        if role_of(partner.parent.name) is None:  # told apart by names
            return partner.with_name(f"{role}_{entry.key.rpartition('/')[2]}")
        return super().place(entry, role)

    def restricted(self, mode: str) -> Self:
        """Return a view of one modality, see `Dataset.restricted`; with "depth", images alone are depth."""
        view = self
        if mode == "depth" and self._alone and self.roles.isdisjoint({"depth", "xyz"}):
            view = copy.copy(self)
            view._geometry = "depth"
            view.entries = tuple(_as_depth(entry) for entry in self.entries)
            view.roles = self.roles - {"rgb"} | {"depth"}
        view = super(FolderDataset, view).restricted(mode)
        view._geometry = next((role for role in ("depth", "xyz") if role in view.roles), None)
        return view

    def _camera(self) -> Camera | None:
        for name in ("intrinsics.json", "camera.json"):
            path = self.root / name
            if path.exists():
                return read_camera(contained(self.root, path))
        return None

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
        camera = self._camera() if self.depth_kind == "range" else None
        return depth if camera is None else range_to_depth(depth, camera), unit

    def _scaled(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is invalid
            return (stored if self.depth_scale is None else stored / np.float64(self.depth_scale)).astype(np.float32)


def encode_folder(
    key: str,
    *,
    rgb: NDArray[np.uint8] | None = None,
    depth: NDArray[Any] | None = None,
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
    rgb : numpy.ndarray, optional
        uint8, H x W x 3, or H x W for grey; needed without depth.
    depth : numpy.ndarray, optional
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
    known_shapes(either=True, rgb=rgb, depth=depth, xyz=xyz, mask=mask, rgb_mask=rgb_mask, depth_mask=depth_mask)
    parts = safe_parts(key)
    name = "__".join(parts)
    if len(parts) > 1 and name.split("__") != parts:
        raise ParameterError(f"key must not hold '__' beside '/', two keys could get one name, got {key!r}")
    files = {} if rgb is None else {f"rgb/{name}.png": encode_png(rgb)}
    if depth is None:
        pass
    elif xyz is not None:
        files[f"xyz/{name}.tiff"] = encode_tiff(move_along_rays(xyz.astype(np.float32), depth))
    elif depth.dtype == np.uint16:
        files[f"depth/{name}.png"] = encode_png(depth)
    else:
        files[f"depth/{name}.tiff"] = encode_tiff(depth.astype(np.float32))
    for folder, plane in (("mask", mask), ("rgb_mask", rgb_mask), ("depth_mask", depth_mask)):
        if plane is not None:
            files[f"{folder}/{name}.png"] = encode_mask(plane)
    return files


def _groups(root: Path, findings: Findings) -> list[Group]:
    """Return the folders of samples, never none; `Group.split` is empty where the root is one."""
    listed = list(list_groups(root))
    form = form_of(root)
    groups = [group for group in listed if form_of(group.folder) or told_apart(group.folder)]
    if not groups or (form is not None and " beside " in form):
        return [Group(root, "", "", "")]
    for group in listed:
        if group not in groups:
            findings.add(group.folder, "holds no rgb/, depth/ or xyz/ with files")
    look_around(root, groups, findings)
    return groups


def _entries(group: Group, findings: Findings) -> Iterator[Entry]:
    found = role_folders(group.folder, findings)
    if found.keys().isdisjoint(_TYPES):
        roles = mixed_roles(group, findings)
    else:
        roles = {role: list_files(found[role], types, findings) for role, types in _TYPES.items() if role in found}
        roles["mask"] = masks_of(group, found, findings)
        for path in visible(group.folder, COLOUR):
            findings.add(path, f"not read, since it lies beside {'/, '.join(roles)}/ and not in one of them")
        strangers(group.folder, roles, findings)
    if "foreground" in found:
        roles["foreground"] = list_files(found["foreground"], MASKS, findings)
    return entries_of(group, roles, findings)


def _is_8_bit(path: Path) -> bool:
    """Whether a file that could not be read as colour is not a readable plane of other numbers either."""
    try:
        return read_plane(path).dtype == np.uint8
    except FileError:
        return True


def _as_depth(entry: Entry) -> Entry:
    files = {"depth" if role == "rgb" else role: path for role, path in entry.files.items()}
    return replace(entry, files=files)


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
