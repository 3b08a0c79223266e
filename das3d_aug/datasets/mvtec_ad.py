"""MVTec AD: ``<category>/{train,test}/<defect>/NNN.png`` and ``<category>/ground_truth/<defect>/NNN_mask.png``.

Colour or grey images alone, without depth.  ``good`` is the defect name of normal samples; the names of folders
and masks follow the rule of `das3d_aug.datasets.names`, so that the many sets laid out alike are read too, such as
VisA as its authors' script rearranges it (JPEG images, defect ``bad``, masks named as the images).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.listing import COLOUR, Findings, Group, list_groups, visible
from das3d_aug.datasets.names import role_of, shown
from das3d_aug.datasets.pairing import entries_of, form_of, is_eyecandies, look_around, mixed_roles, told_apart
from das3d_aug.datasets.write_checks import checked_key, known_shapes
from das3d_aug.errors import counted
from das3d_aug.files import encode_mask, encode_png

__all__ = ["MVTecADDataset", "encode_mvtec_ad"]


class MVTecADDataset(Dataset):
    """MVTec AD, the whole set or one category, and whatever is laid out like it."""

    layout = "mvtec_ad"
    expected = "<category>/{train,test}/<defect>/ with images in it, and masks in <category>/ground_truth/<defect>/"

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for images directly in the folders below a split, none of which has folders of roles."""
        groups = list(_groups(root))
        if not groups or any(form_of(group.folder) or told_apart(group.folder) for group in list_groups(root)):
            return None
        first = shown(groups[0].folder.relative_to(root).as_posix())
        return f"images in {counted(len(groups), 'folder')} such as {first}/"

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised set or category; there are no options."""
        findings = Findings(root)
        groups = list(_groups(root))
        for group in list_groups(root):
            if group not in groups:
                findings.add(group.folder, "holds no images that are read")
        look_around(root, groups, findings)
        entries = [entry for group in groups for entry in entries_of(group, mixed_roles(group, findings), findings)]
        return cls(root, how, entries=entries, findings=findings)

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        return self.assemble(
            entry, colour=self.colour(entry), depth=None, role="rgb", label=entry.label, unit="unknown"
        )


def encode_mvtec_ad(key: str, *, rgb: NDArray[np.uint8], mask: NDArray[Any] | None = None) -> dict[str, bytes]:
    """Encode a sample in the layout of MVTec AD; nothing is written.

    Parameters
    ----------
    key : str
        ``<category>/<split>/<defect>/<name>``.
    rgb : numpy.ndarray
        uint8, H x W x 3, or H x W for grey.
    mask : numpy.ndarray, optional
        H x W, non-zero where anomalous; needed unless the defect is ``good``, which has no mask file.

    Returns
    -------
    dict of str to bytes
        The content of each file by its relative path, with forward slashes.

    Raises
    ------
    ParameterError
        If shapes do not fit, the key has not this form, or mask and defect disagree.
    """
    known_shapes(rgb=rgb, mask=mask)
    category, split, defect, name = checked_key(key, mask)
    files = {f"{category}/{split}/{defect}/{name}.png": encode_png(rgb)}
    if mask is not None and defect != "good":
        files[f"{category}/ground_truth/{defect}/{name}_mask.png"] = encode_mask(mask)
    return files


def _groups(root: Path) -> Iterator[Group]:
    for group in list_groups(root):
        role = role_of(group.name)
        if visible(group.folder, COLOUR) and (role is None or role[0] != "mask") and not is_eyecandies(group.folder):
            yield group
