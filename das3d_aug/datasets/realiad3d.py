"""Real-IAD D³: ``<category>/{train,test}/{GOOD,<defect>}/{rgb,ps,xyz,gt}``, NaN points = no measurement.

What is known comes from the loader of the authors (github.com/Real-IAD-D3/main, ``dataset.py``, 2025); the set
itself is given out on request only:

* ``xyz/*.tiff``: organised points with NaN; neither their unit nor their origin is documented, so ``unit`` is
  ``"unknown"``, and as everywhere z <= 0 is no depth;
* ``rgb/<NAME>/*L05*RGB*.jpg``: a folder of images under different lights for each sample, of which L05 is used;
  one image for each sample directly in ``rgb/`` is read too;
* ``ps/*.jpg`` or ``.png``: the pseudo-3D image of photometric stereo, colour, here only listed (role ``"ps"``);
* ``gt/*.png`` or ``gt/rgb/*.png``: masks, of the anomalous samples only.

Files belong together by their names.  If of a folder of many lights no name fits, the k-th sample of each role
in the order of names is taken, as the authors do, provided that there are equally many.
"""

from __future__ import annotations

from pathlib import Path

from das3d_aug.datasets.listing import COLOUR, Findings, Group, list_files, list_folders, role_folders
from das3d_aug.datasets.mvtec3d import MVTec3DDataset
from das3d_aug.datasets.pairing import masks_of
from das3d_aug.datasets.samples import Entry

__all__ = ["RealIAD3DDataset"]

_POINTS = (".tiff", ".tif")


class RealIAD3DDataset(MVTec3DDataset):
    """Real-IAD D³, the whole set or one category."""

    layout = "realiad_d3"
    expected = "<category>/{train,test}/{GOOD,<defect>}/ with rgb/ and xyz/ in it, and ps/"
    unit = "unknown"

    def place(self, entry: Entry, role: str) -> Path:
        """Return where a missing file is expected, without extension; see `Dataset.place`."""
        folder = next(iter(entry.files.values())).parent
        if folder.name not in ("rgb", "xyz"):  # a folder of many lights
            folder = folder.parent
        return folder.parent / role / entry.key.rpartition("/")[2]

    @classmethod
    def _files(cls, group: Group, findings: Findings) -> dict[str, dict[str, Path]]:
        folder = group.folder
        masks = role_folders(folder, first=cls.masks)
        if "mask" in masks and (masks["mask"] / "rgb").is_dir():
            masks["mask"] /= "rgb"
        others = {
            "xyz": list_files(folder / "xyz", _POINTS, findings),
            "ps": list_files(folder / "ps", COLOUR, findings),
            cls.masks: masks_of(group, masks, findings),
        }
        rgb = list_files(folder / "rgb", COLOUR, findings)
        if not rgb:
            rgb = _many_lights(folder / "rgb")
            others = {role: _in_order(rgb, files) for role, files in others.items()}
        return {"rgb": rgb, **others}


def _many_lights(folder: Path) -> dict[str, Path]:
    """Return the image under light L05 by the name of its folder."""
    found = {}
    for sample in sorted(list_folders(folder)):
        images = [path for stem, path in list_files(sample, COLOUR).items() if "L05" in stem and "RGB" in stem]
        if images:
            found[sample.name] = images[0]
    return found


def _in_order(rgb: dict[str, Path], files: dict[str, Path]) -> dict[str, Path]:
    """Return files by the names of ``rgb``: as they are if a name fits or the numbers differ, else by order."""
    if len(rgb) != len(files) or rgb.keys() & files.keys():
        return files
    return dict(zip(rgb, files.values(), strict=True))
