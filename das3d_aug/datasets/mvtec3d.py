"""MVTec 3D-AD: ``<category>/<split>/<defect>/{rgb/NNN.png, xyz/NNN.tiff, gt/NNN.png}``.

xyz holds float32 points in metres, (0, 0, 0) = no measurement; depth is their z.  ``good`` is the defect name
of normal samples; their gt is all zero in test and absent in train and validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.listing import COLOUR, Findings, Group, list_files, list_groups, role_folders
from das3d_aug.datasets.names import shown
from das3d_aug.datasets.pairing import entries_of, look_around, masks_of, strangers
from das3d_aug.datasets.write_checks import checked_key, known_shapes
from das3d_aug.errors import ParameterError, counted
from das3d_aug.files import encode_mask, encode_png, encode_tiff, read_array
from das3d_aug.files.images import Compression
from das3d_aug.geometry import Camera, depth_to_points, move_along_rays, points_to_depth

__all__ = ["MVTec3DDataset", "encode_mvtec3d"]

_POINTS = (".tiff", ".tif")


class MVTec3DDataset(Dataset):
    """MVTec 3D-AD, the whole set or one category, and whatever is laid out like it.

    The option ``unit`` names the unit of the points, where it is another than the layout's.

    Attributes
    ----------
    masks : str
        The folder of the masks beside ``rgb/`` and ``xyz/``, also their role (class attribute).
    unit : str
        The unit of the points; the layout's own as a class attribute.
    """

    layout = "mvtec3d"
    expected = "<category>/{train,validation,test}/<defect>/ with rgb/ and xyz/ in it"
    masks: ClassVar[str] = "gt"
    options = frozenset({"unit"})
    unit: str = "m"

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for ``rgb/`` beside ``xyz/`` below a split; what else is there tells the three such layouts apart."""
        groups = _groups(root)
        if not groups:
            return None
        layout, mark = _kind(groups)
        if layout != cls.layout:
            return None
        example = shown(groups[0].folder.relative_to(root).as_posix())
        return f"rgb/ beside xyz/ in {counted(len(groups), 'folder')} such as {example}/, {mark}"

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised set or category."""
        findings = Findings(root)
        groups = _groups(root)
        for group in list_groups(root):
            if group not in groups:
                findings.add(group.folder, "holds no rgb/ beside xyz/")
        look_around(root, groups, findings)
        entries = [entry for group in groups for entry in cls._entries(group, findings)]
        dataset = cls(root, how, entries=entries, findings=findings)
        dataset.unit = options.get("unit", cls.unit)
        return dataset

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        colour, xyz = self.colour(entry), None
        if "xyz" in self.roles:
            with np.errstate(over="ignore"):
                xyz = read_array(self.file(entry, "xyz")).astype(np.float32, copy=False)
        if entry.label == 1:
            self.file(entry, self.masks)  # or it is named
        return self.assemble(
            entry,
            colour=colour,
            depth=None if xyz is None else points_to_depth(xyz),
            role="xyz",
            label=entry.label,
            masks=self.masks,
            unit=self.unit,
            xyz=xyz,
        )

    @classmethod
    def _entries(cls, group: Group, findings: Findings) -> Iterator[Entry]:
        roles = cls._files(group, findings)
        strangers(group.folder, roles, findings)
        return entries_of(group, roles, findings, masks=cls.masks)

    @classmethod
    def _files(cls, group: Group, findings: Findings) -> dict[str, dict[str, Path]]:
        """Return the files of a defect folder by role and stem; rgb and xyz come first."""
        return {
            "rgb": list_files(group.folder / "rgb", COLOUR, findings),
            "xyz": list_files(group.folder / "xyz", _POINTS, findings),
            cls.masks: masks_of(group, role_folders(group.folder, findings, first=cls.masks), findings),
        }


def encode_mvtec3d(
    key: str,
    *,
    rgb: NDArray[np.uint8],
    depth: NDArray[Any] | None = None,
    mask: NDArray[Any] | None = None,
    rgb_mask: NDArray[Any] | None = None,
    depth_mask: NDArray[Any] | None = None,
    xyz: NDArray[Any] | None = None,
    intrinsics: Camera | None = None,
    compression: Compression = "default",
) -> dict[str, bytes]:
    """Encode a sample in the layout of MVTec 3D-AD; nothing is written.

    Parameters
    ----------
    key : str
        ``<category>/<split>/<defect>/<name>``.
    rgb : numpy.ndarray
        uint8, H x W x 3, or H x W for grey.
    depth : numpy.ndarray, optional
        H x W, in metres if the result is to be like the released set; without it ``xyz`` is stored as it is.
    mask : numpy.ndarray, optional
        H x W, non-zero where anomalous; needed unless the defect is ``good``.
    rgb_mask, depth_mask : numpy.ndarray, optional
        The same of each modality, stored beside ``gt/`` in folders of these names, which loaders pass over.
    xyz : numpy.ndarray, optional
        H x W x 3, the source's points; they are moved along their rays to ``depth``.
    intrinsics : Intrinsics or Orthographic, optional
        The camera, used where there is no ``xyz``.
    compression : {"none", "default", "small"}
        Of colour and depth, as for `das3d_aug.generation.generate`.

    Returns
    -------
    dict of str to bytes
        The content of each file by its relative path, with forward slashes.

    Raises
    ------
    ParameterError
        If there are neither points nor a camera, the key has not this form, or mask and defect disagree.
    """
    known_shapes(rgb=rgb, depth=depth, mask=mask, rgb_mask=rgb_mask, depth_mask=depth_mask, xyz=xyz)
    category, split, defect, name = checked_key(key, mask)
    if xyz is not None:
        points = xyz.astype(np.float32)
        if depth is not None:
            points = move_along_rays(points, depth)
    elif depth is not None and intrinsics is not None:
        points = depth_to_points(depth, intrinsics)
    else:
        raise ParameterError(
            "xyz, or depth and intrinsics, are needed: MVTec 3D-AD stores points, neither depth nor colour alone"
        )
    folder = f"{category}/{split}/{defect}"
    files = {
        f"{folder}/rgb/{name}.png": encode_png(rgb, compression=compression),
        f"{folder}/xyz/{name}.tiff": encode_tiff(points, compress=compression == "small"),
    }
    if mask is None and split == "test":
        mask = np.zeros(rgb.shape[:2], dtype=bool)
    for role, plane in (("gt", mask), ("rgb_mask", rgb_mask), ("depth_mask", depth_mask)):
        if plane is not None and (split == "test" or defect != "good"):
            files[f"{folder}/{role}/{name}.png"] = encode_mask(plane)
    return files


def _groups(root: Path) -> list[Group]:
    found = list_groups(root)
    return [group for group in found if (group.folder / "rgb").is_dir() and (group.folder / "xyz").is_dir()]


def _kind(groups: Sequence[Group]) -> tuple[str, str]:
    """Tell the layouts with ``rgb/`` beside ``xyz/`` apart: return the layout and what it was told by."""
    if any(group.name == "GOOD" for group in groups):
        return "realiad_d3", "some named GOOD"
    if any((group.folder / "ps").is_dir() for group in groups):
        return "realiad_d3", "some with ps/"
    if any((group.folder / "ground_truth").is_dir() for group in groups):
        return "adam3d", "some with masks in ground_truth/"
    return "mvtec3d", "none named GOOD or with ps/ or ground_truth/"
