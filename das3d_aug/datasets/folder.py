"""Own images: ``rgb/``, ``depth/`` or ``xyz/``, or colour beside one of the two; ``mask/``, ``foreground/``.

They lie in the root, or in ``[<category>/]<split>/<defect>/`` below it (``train/good/``, ``test/scratch/``), by the
rule of `das3d_aug.datasets.names`.  Without such folders the files of one folder are told apart by their names
(``color_0001.png``, ``depth_0001.png``), and images whose names say nothing are colour.
``xyz/`` holds point clouds (`das3d_aug.files.clouds`), organised or to be projected or sorted into a grid
(`das3d_aug.datasets.arranging`); clouds with colours need no ``rgb/``.  Depth is a 16-bit PNG or PGM, a float or
integer TIFF, npy or npz.  How the stored number becomes depth is named by the user and never guessed
(`das3d_aug.datasets.stored`), or by ``depth.json``, which holds options by their names
(`das3d_aug.datasets.beside`).

A SUN RGB-D file read as plain cannot be told from depth: its large steps only look wrong.  A disparity is that of
equal principal points; where they differ (Middlebury's doffs), the difference must have been added.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.arranging import read_arranged
from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.beside import Beside
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
from das3d_aug.datasets.stored import NAMES
from das3d_aug.datasets.write_checks import known_shapes, safe_parts
from das3d_aug.errors import FileError, ParameterError, counted
from das3d_aug.files import (
    encode_depth,
    encode_mask,
    encode_png,
    encode_tiff,
    read_camera,
    read_plane,
)
from das3d_aug.files.images import Compression
from das3d_aug.geometry import Camera, move_along_rays

__all__ = ["FolderDataset", "encode_folder"]

_TYPES = {"rgb": COLOUR, "depth": PLANES, "xyz": POINTS}
_MVTEC = "rgb/ beside xyz/"


class FolderDataset(Dataset):
    """Own colour images, depth images or organised point clouds, or colour beside one of the other two.

    Parameters
    ----------
    root : pathlib.Path
        The folder; ``intrinsics.json``, ``camera.yaml`` … is read as the camera (`das3d_aug.files.camera_file`), from
        the place that `das3d_aug.datasets.beside` says, as ``depth.json``.
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
    expected = "rgb/ beside depth/ or xyz/, or one of the three; so too in <split>/<defect>/; or a folder of images"
    options = frozenset({*NAMES, "cloud_width"})

    def __init__(self, root: Path, how: str, *, cloud_width: int | None = None, **meaning: Any) -> None:
        if cloud_width is not None and cloud_width < 1:
            raise ParameterError(f"cloud_width must be at least 1, got {cloud_width!r}")
        findings = Findings(root)
        groups = _groups(root, findings)
        entries = [entry for group in groups for entry in _entries(group, findings)]
        super().__init__(root, how, entries=entries, findings=findings)
        self._beside, images = Beside(root), [next(iter(entry.files.values())) for entry in entries]
        self.meaning = self._beside.meaning(images, meaning)
        if {"depth", "xyz"} <= self.roles:
            raise FileError(root, "has depth/ and xyz/, and which is meant is not known; rename one of them")
        self._geometry = next((role for role in ("depth", "xyz") if role in self.roles), None)
        self._alone = groups[0].folder == root and form_of(root) is None
        for name, changed, folder in (
            ("encoding=", self.meaning.encoding != "plain", "depth"),
            ("depth_kind=", self.meaning.depth_kind != "z", "depth"),
            ("depth_axis='opengl'", self.meaning.depth_axis == "opengl", "xyz"),
            ("cloud_width=", cloud_width is not None, "xyz"),
        ):
            if changed and folder != self._geometry:
                raise ParameterError(f"{name} is about {folder}/, and {root} has {self._geometry or 'rgb'}/")
        self.cloud_width = cloud_width
        if self.meaning.depth_kind == "range" and any(self._beside.camera_file(image) is None for image in images):
            raise FileError(root / "intrinsics.json", "is missing; depth_kind='range' needs the camera")

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
            return (
                f"{form} in {counted(len(forms), 'folder')} such as {shown(group.folder.relative_to(root).as_posix())}/"
            )
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
        if self._geometry is None:
            camera, notes = (None, ()) if rgb is None else self._camera(self.file(entry, "rgb"), rgb.shape)
            unit = self.meaning.unit or "unknown"
            return self.assemble(
                entry, colour=(rgb, grey), depth=None, role="rgb", label=entry.label, unit=unit, intrinsics=camera
            )
        path, xyz = self.file(entry, self._geometry), None
        if self._geometry == "depth":
            numbers = read_plane(path, name="depth")
            camera, notes = self._camera(path, numbers.shape)
            measured = self.meaning.measure(path, numbers, camera)
        else:
            size = self._beside.size(path) if rgb is None else rgb.shape[:2]
            path_of_camera, notes = self._beside.camera_file(path), ()
            camera = None if path_of_camera is None else read_camera(path_of_camera)
            if size is not None:
                camera, notes = self._camera(path, size)
            measured, xyz, colours, camera = read_arranged(
                path, meaning=self.meaning, width=self.cloud_width, size=size, camera=camera
            )
            if rgb is None and self.mode != "depth":
                rgb = colours
            if rgb is None and self.mode in ("rgb", "rgbd"):
                raise FileError(path, "has no colours (red, green, blue of 8 bits), and there is no rgb/ beside xyz/")
            if size is None and path_of_camera is not None:
                camera, notes = self._camera(path, measured.depth.shape)
        seen = self.mode != "rgb"
        return self.assemble(
            entry,
            colour=(rgb, grey),
            depth=measured.depth if seen else None,
            role=self._geometry,
            label=entry.label,
            unit=measured.unit,
            xyz=xyz if seen else None,
            intrinsics=camera,
            warnings=(*notes, *measured.warnings),
            stored=measured.stored if seen else None,
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

    def _camera(self, image: Path, shape: tuple[int, ...]) -> tuple[Camera | None, tuple[str, ...]]:
        return self._beside.camera(image, shape, self.meaning.depth_scale)


def encode_folder(
    key: str,
    *,
    rgb: NDArray[np.uint8] | None = None,
    depth: NDArray[Any] | None = None,
    xyz: NDArray[Any] | None = None,
    mask: NDArray[Any] | None = None,
    rgb_mask: NDArray[Any] | None = None,
    depth_mask: NDArray[Any] | None = None,
    compression: Compression = "default",
) -> dict[str, bytes]:
    """Encode a sample in the folder layout; nothing is written.

    Parameters
    ----------
    key : str
        Its name; ``a/b`` becomes the stem ``a__b``.
    rgb : numpy.ndarray, optional
        uint8, H x W x 3, or H x W for grey; needed without depth.
    depth : numpy.ndarray, optional
        H x W; uint16 becomes a 16-bit PNG, other integers a TIFF of their type, everything else a float32 TIFF.
    xyz : numpy.ndarray, optional
        H x W x 3, the source's points; moved along their rays to ``depth``, they are stored in its place.
    mask, rgb_mask, depth_mask : numpy.ndarray, optional
        H x W, non-zero where anomalous (anywhere, in colour, in depth); stored as 0 and 255.
    compression : {"none", "default", "small"}
        Of colour and depth, as for `das3d_aug.generation.generate`.

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
    files = {} if rgb is None else {f"rgb/{name}.png": encode_png(rgb, compression=compression)}
    if depth is None:
        pass
    elif xyz is not None:
        points = move_along_rays(xyz.astype(np.float32), depth)
        files[f"xyz/{name}.tiff"] = encode_tiff(points, compress=compression == "small")
    else:
        suffix, data = encode_depth(depth, compression=compression)
        files[f"depth/{name}{suffix}"] = data
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
