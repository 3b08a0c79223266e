"""MVTec 3D-AD: ``<category>/<split>/<defect>/{rgb/NNN.png, xyz/NNN.tiff, gt/NNN.png}``.

xyz holds float32 points in metres, (0, 0, 0) = no measurement; depth is their z.  ``good`` is the defect name
of normal samples; their gt is all zero in test and absent in train and validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import (
    Dataset,
    Entry,
    Sample,
    check_size,
    known_shapes,
    list_files,
    natural,
    safe_parts,
)
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png, encode_tiff, read_array, read_plane, read_rgb
from das3d_aug.geometry import Intrinsics, depth_to_points, move_along_rays, points_to_depth

__all__ = ["MVTec3DDataset", "encode_mvtec3d"]

_SPLITS = ("train", "validation", "test")
_ROLES = {"rgb": (".png",), "xyz": (".tiff", ".tif"), "gt": (".png",)}


class MVTec3DDataset(Dataset):
    """MVTec 3D-AD, the whole set or one category, and whatever is laid out like it."""

    layout = "mvtec3d"
    expected = "<category>/{train,validation,test}/<defect>/ with rgb/ and xyz/ in it"

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for ``rgb/`` beside ``xyz/`` below a split of the root or of its folders."""
        groups = [group for group, *_ in _groups(root) if (group / "rgb").is_dir() and (group / "xyz").is_dir()]
        if not groups:
            return None
        return f"rgb/ beside xyz/ in {len(groups)} folders such as {groups[0].relative_to(root).as_posix()}/"

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised set or category; there are no options."""
        return cls(root, how, entries=_entries(root))

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        rgb_path, xyz_path = self.file(entry, "rgb"), self.file(entry, "xyz")
        rgb = read_rgb(rgb_path)
        with np.errstate(over="ignore"):
            xyz = read_array(xyz_path).astype(np.float32, copy=False)
        check_size(xyz_path, xyz.shape, partner=rgb_path, expected=rgb.shape)
        if entry.label == 0 and "gt" not in entry.files:
            mask = np.zeros(rgb.shape[:2], dtype=bool)
        else:
            gt_path = self.file(entry, "gt")
            mask = read_plane(gt_path) > 0
            check_size(gt_path, mask.shape, partner=rgb_path, expected=rgb.shape)
        depth = points_to_depth(xyz)
        return Sample(entry=entry, rgb=rgb, depth=depth, valid=depth > 0, unit="m", xyz=xyz, mask=mask)


def encode_mvtec3d(
    key: str,
    *,
    rgb: NDArray[np.uint8],
    depth: NDArray[Any] | None = None,
    mask: NDArray[Any] | None = None,
    xyz: NDArray[Any] | None = None,
    intrinsics: Intrinsics | None = None,
) -> dict[str, bytes]:
    """Encode a sample in the layout of MVTec 3D-AD; nothing is written.

    Parameters
    ----------
    key : str
        ``<category>/<split>/<defect>/<name>``.
    rgb : numpy.ndarray
        uint8, H x W x 3.
    depth : numpy.ndarray, optional
        H x W, in metres if the result is to be like the released set; without it ``xyz`` is stored as it is.
    mask : numpy.ndarray, optional
        H x W, non-zero where anomalous; needed unless the defect is ``good``.
    xyz : numpy.ndarray, optional
        H x W x 3, the source's points; they are moved along their rays to ``depth``.
    intrinsics : Intrinsics, optional
        The camera, used where there is no ``xyz``.

    Returns
    -------
    dict of str to bytes
        The content of each file by its relative path, with forward slashes.

    Raises
    ------
    ParameterError
        If there are neither points nor a camera, the key has not this form, or mask and defect disagree.
    """
    known_shapes(rgb=rgb, depth=depth, mask=mask, xyz=xyz)
    parts = safe_parts(key)
    if len(parts) != 4 or parts[1] not in _SPLITS:
        raise ParameterError(f"key must be <category>/<{'|'.join(_SPLITS)}>/<defect>/<name>, got {key!r}")
    category, split, defect, name = parts
    if defect != "good" and mask is None:
        raise ParameterError(f"mask is needed for the anomalous sample {key!r}")
    if defect == "good" and mask is not None and mask.any():
        raise ParameterError(f"mask must be empty for the good sample {key!r}; name a defect in the key")
    if xyz is not None:
        points = xyz.astype(np.float32)
        if depth is not None:
            points = move_along_rays(points, depth)
    elif depth is not None and intrinsics is not None:
        points = depth_to_points(depth, intrinsics)
    else:
        raise ParameterError("xyz, or depth and intrinsics, are needed: MVTec 3D-AD stores points, not depth alone")
    folder = f"{category}/{split}/{defect}"
    files = {f"{folder}/rgb/{name}.png": encode_png(rgb), f"{folder}/xyz/{name}.tiff": encode_tiff(points)}
    if split == "test" or defect != "good":
        anomalous = np.zeros(rgb.shape[:2], bool) if mask is None else mask != 0
        files[f"{folder}/gt/{name}.png"] = encode_png(anomalous.astype(np.uint8) * np.uint8(255))
    return files


def _groups(root: Path) -> Iterator[tuple[Path, str, str, str]]:
    """Yield (folder, category, split, defect) for every defect folder of a set or a category."""
    single = any((root / split).is_dir() for split in _SPLITS)
    for category in [root] if single else _folders(root):
        for split in _SPLITS:
            for group in _folders(category / split):
                yield group, category.resolve().name, split, group.name


def _folders(parent: Path) -> list[Path]:
    try:
        found = [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    except OSError as error:
        raise FileError(parent, f"cannot be listed: {error.strerror}") from error
    return sorted(found, key=lambda path: natural(path.name))


def _entries(root: Path) -> Iterable[Entry]:
    for group, category, split, defect in _groups(root):
        roles = {role: list_files(group / role, suffixes) for role, suffixes in _ROLES.items()}
        for stem in roles["rgb"].keys() | roles["xyz"].keys():
            yield Entry(
                key=f"{category}/{split}/{defect}/{stem}",
                split=split,
                defect=defect,
                label=int(defect != "good"),
                files={role: found[stem] for role, found in roles.items() if stem in found},
                category=category,
            )
