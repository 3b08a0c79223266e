"""Own images: ``rgb/`` (or ``color/``) beside ``depth/`` or ``xyz/``, with equal stems; ``mask/``, ``foreground/``.

They lie in the root, or in ``[<category>/]<split>/<defect>/`` below it (``train/good/``, ``test/scratch/``).
``xyz/`` holds point clouds (`das3d_aug.files.clouds`), organised or to be projected or sorted into a grid
(`das3d_aug.datasets.arranging`); clouds with colours need no ``rgb/``.  Depth is a
16-bit PNG or PGM, a float or integer TIFF, npy or npz.  How the stored number becomes depth is named by the user
and never guessed (`das3d_aug.datasets.stored`), or by ``depth.json`` in the root, which holds options by their names.

A SUN RGB-D file read as plain cannot be told from depth: its large steps only look wrong.  A disparity is that of
equal principal points; where they differ (Middlebury's doffs), the difference must have been added.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.arranging import read_arranged
from das3d_aug.datasets.base import Dataset, Entry, Sample, check_size, known_shapes, safe_parts
from das3d_aug.datasets.listing import Group, list_files, list_groups
from das3d_aug.datasets.stored import NAMES, STATED, Meaning
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import (
    contained,
    encode_depth,
    encode_mask,
    encode_png,
    encode_tiff,
    read_json,
    read_plane,
    read_rgb,
)
from das3d_aug.files.clouds import CLOUD_SUFFIXES
from das3d_aug.geometry import Camera, move_along_rays, read_camera

__all__ = ["FolderDataset", "encode_folder"]

_SPLITS = ("train", "validation", "test")
_COLOUR = (".png", ".jpg", ".jpeg", ".ppm", ".bmp", ".tif", ".tiff")
_PLANE = (".png", ".pgm", ".tif", ".tiff", ".npy", ".npz")
_ROLES = {"depth": _PLANE, "xyz": CLOUD_SUFFIXES, "mask": _PLANE, "foreground": _PLANE}


class FolderDataset(Dataset):
    """Own RGB-D images or organised point clouds.

    Parameters
    ----------
    root : pathlib.Path
        The folder; ``intrinsics.json`` or ``camera.json`` in it is read as the camera.
    how : str
        How it was recognised.
    depth_scale, unit, encoding, depth_kind, depth_axis, invalid
        What the stored numbers mean, as for `das3d_aug.datasets.stored.Meaning`; without them what ``depth.json`` says.
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
    options = frozenset({*NAMES, "cloud_width"})

    def __init__(
        self,
        root: Path,
        how: str,
        *,
        cloud_width: int | None = None,
        **meaning: Any,
    ) -> None:
        self.meaning = _meaning(root, meaning)
        if cloud_width is not None and cloud_width < 1:
            raise ParameterError(f"cloud_width must be at least 1, got {cloud_width!r}")
        groups = _groups(root)
        depth, points = (any((group.folder / role).is_dir() for group in groups) for role in ("depth", "xyz"))
        if depth and points:
            raise FileError(root, "has depth/ and xyz/, and which is meant is not known; rename one of them")
        self._geometry = "xyz" if points else "depth"
        for name, changed, folder in (
            ("encoding", self.meaning.encoding != "plain", "depth"),
            ("depth_kind", self.meaning.depth_kind != "z", "depth"),
            ("depth_axis 'opengl'", self.meaning.depth_axis == "opengl", "xyz"),
            ("cloud_width", cloud_width is not None, "xyz"),
        ):
            if changed and folder != self._geometry:
                raise ParameterError(f"{name} is about {folder}/, and {root} has {self._geometry}/")
        self._coloured = any(_colour(group.folder) for group in groups)
        self.cloud_width = cloud_width
        super().__init__(root, how, entries=[entry for group in groups for entry in _entries(group)])
        if self.meaning.depth_kind == "range" and self._camera() is None:
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
        camera, xyz = self._camera(), None
        if self._geometry == "depth":
            measured = self.meaning.measure(path, read_plane(path, name="depth"), camera)
        else:
            size = self._size() if rgb is None else rgb.shape[:2]
            measured, xyz, colours, camera = read_arranged(
                path, meaning=self.meaning, width=self.cloud_width, size=size, camera=camera
            )
            rgb = colours if rgb is None else rgb
        depth = measured.depth
        if rgb is None:
            raise FileError(path, "has no colours (red, green, blue of 8 bits), and there is no rgb/ beside xyz/")
        partner = entry.files.get("rgb", path)
        check_size(path, depth.shape, partner=partner, expected=rgb.shape)
        mask = self.marked(entry, "mask", partner=partner, expected=rgb.shape)
        if mask is None and entry.label == 0:
            mask = np.zeros(rgb.shape[:2], dtype=bool)
        return Sample(
            entry=entry,
            rgb=rgb,
            depth=depth,
            valid=np.isfinite(depth) & (depth > 0),
            unit=measured.unit,
            xyz=xyz,
            intrinsics=camera,
            mask=mask,
            foreground=self.marked(entry, "foreground", partner=partner, expected=rgb.shape),
            warnings=measured.warnings,
            stored=measured.stored,
        )

    def _camera(self) -> Camera | None:
        for name in ("intrinsics.json", "camera.json"):
            path = self.root / name
            if path.exists():
                return read_camera(contained(self.root, path))
        return None

    def _size(self) -> tuple[int, int] | None:
        """Return the height and width of images that the camera's file names."""
        for name in ("intrinsics.json", "camera.json"):
            path = self.root / name
            if path.exists():
                said = read_json(contained(self.root, path))
                height, width = said.get("height"), said.get("width")
                return (height, width) if isinstance(height, int) and isinstance(width, int) else None
        return None


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
        H x W; uint16 becomes a 16-bit PNG, other integers a TIFF of their type, everything else a float32 TIFF.
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
    else:
        suffix, data = encode_depth(depth)
        files[f"depth/{name}{suffix}"] = data
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


def _meaning(root: Path, options: dict[str, Any]) -> Meaning:
    """Return what the options say, and where they say nothing what the file in the root says."""
    path = root / STATED
    if not path.exists():
        return Meaning(**options)
    stated = read_json(contained(root, path))
    if unknown := sorted(stated.keys() - NAMES):
        raise FileError(path, f"holds {unknown[0]!r}; it may hold {', '.join(NAMES)}")
    try:
        Meaning(**stated)
    except ParameterError as error:
        raise FileError(path, str(error)) from error
    return Meaning(**stated | options)
