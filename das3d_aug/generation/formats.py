"""What `das3d_aug.generation` can write: for each format how a sample is named and how it becomes files.

A further format is a function in `das3d_aug.datasets` that encodes a sample, and an entry of `FORMATS`.

A sample of which nothing is anomalous (both modalities dropped, eq. 12, or all changes below the threshold of
eq. 7) is written as what it is, a normal sample.  In MVTec 3D-AD that is told by the folder alone: its loaders
take ``test/synthetic`` as anomalous and ``test/good`` as normal and never look at the mask.  So it goes to
``test/good``, as ``synthetic_<number>``, which no sample of the released set is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import (
    Entry,
    Sample,
    encode_eyecandies,
    encode_folder,
    encode_mvtec3d,
    encode_webdataset,
)
from das3d_aug.datasets.stored import STATED, Stored
from das3d_aug.errors import ParameterError
from das3d_aug.files.images import Compression
from das3d_aug.geometry import Orthographic, depth_to_points, move_along_rays, to_unit
from das3d_aug.runs.output_folder import to_json
from das3d_aug.synthesis import AnomalyPair

__all__ = ["FORMATS", "Format", "as_written", "colour_of", "default_format", "points_of"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A way to write samples.

    Attributes
    ----------
    name : callable
        From the source and the index in digits to the sample's name, with forward slashes, unique in the folder.
    encode : callable
        From that name, the normal sample, the pair and the compression to the files by relative path.
    check : callable
        Raises `ParameterError` if a sample like this one cannot be written.
    common : callable
        From a sample to the files that all samples share.
    digits : int
        The least number of digits of an index.
    recipes : str
        The folder of the recipes, with a slash; empty if they lie beside the other files.
    sharded : bool
        Whether the files are packed into shards.
    stores_numbers : bool
        Whether depth is written as `Sample.stored` says, where a sample has it.
    """

    name: Callable[[Entry, str], str]
    encode: Callable[[str, Sample, AnomalyPair, Compression], dict[str, bytes]]
    check: Callable[[Sample], None] = lambda sample: None
    common: Callable[[Sample], dict[str, bytes]] = lambda sample: {}
    digits: int = 3
    recipes: str = "recipes/"
    sharded: bool = False
    stores_numbers: bool = False

    def recipe(self, name: str) -> str:
        """Return the path of a sample's recipe."""
        return f"{self.recipes}{name}.json"


def as_written(sample: Sample, *, depth_png: float | None) -> Sample:
    """Return the sample, which will be written as 16-bit PNG of so many steps per unit if that is asked for.

    Raises
    ------
    ParameterError
        If its depth reaches beyond 16 bits.
    """
    if depth_png is None:
        return sample
    return replace(sample, stored=Stored.as_png(sample.need("depth"), sample.unit, scale=depth_png))


def default_format(layout: str) -> str:
    """Return the format of a layout's own family."""
    return layout if layout in FORMATS else _FAMILY.get(layout, "folder")


def _numbered(entry: Entry, index: str) -> str:
    return f"{entry.category or 'object'}/{index}"


def _after_source(entry: Entry, index: str) -> str:
    return f"{entry.key.replace('/', '__')}_{index}"


def _index(entry: Entry, index: str) -> str:
    return index


def _mvtec3d(name: str, sample: Sample, pair: AnomalyPair, compression: Compression) -> dict[str, bytes]:
    category, _, number = name.partition("/")
    place = f"synthetic/{number}" if pair.mask.any() else f"good/synthetic_{number}"
    rgb, depth = _both(pair, "mvtec3d")
    points, moved = sample.xyz, None
    if points is None and sample.intrinsics is not None:
        points = depth_to_points(depth, sample.intrinsics)  # these need not be moved
    elif points is not None and _parallel(sample):
        points = np.concatenate([points[:, :, :2], depth[:, :, None]], axis=2)
    elif points is not None:
        moved = _metres(depth, sample)
    return encode_mvtec3d(
        f"{category}/test/{place}",
        rgb=rgb,
        depth=moved,
        mask=pair.mask,
        rgb_mask=pair.rgb_changed,
        depth_mask=pair.depth_changed,
        xyz=None if points is None else _metres(points, sample),
        compression=compression,
    )


def _parallel(sample: Sample) -> bool:
    """Whether all points move along z: seen by parallel rays, as heights are."""
    heights = sample.stored is not None and sample.stored.stand_off is not None
    return heights or isinstance(sample.intrinsics, Orthographic)


def points_of(sample: Sample, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the points of a sample at another depth, in its unit and on the axis of its source.

    Raises
    ------
    ParameterError
        If it has neither points nor a camera.
    """
    if sample.xyz is not None and not _parallel(sample):
        return move_along_rays(sample.xyz, depth)
    if sample.xyz is None and sample.intrinsics is None:
        raise ParameterError(f"{sample.entry.key!r} has neither points nor a camera (intrinsics.json)")
    points = depth_to_points(depth, sample.intrinsics) if sample.intrinsics and sample.xyz is None else sample.xyz
    assert points is not None
    z = depth
    if sample.stored is not None and sample.stored.stand_off is not None:
        z = np.where(depth > 0, np.float32(sample.stored.stand_off) - depth, np.float32(0))
    return np.concatenate([points[:, :, :2], z[:, :, None]], axis=2)


def _has_points(sample: Sample) -> None:
    if sample.xyz is None and sample.intrinsics is None:
        raise ParameterError(
            f"format 'mvtec3d' stores points, and {sample.entry.key!r} has neither points nor a camera "
            "(intrinsics.json); use another format"
        )


def _eyecandies(name: str, sample: Sample, pair: AnomalyPair, compression: Compression) -> dict[str, bytes]:
    category, _, number = name.partition("/")
    rgb, depth = _both(pair, "eyecandies")
    return encode_eyecandies(
        f"{category}/test_public/{number}",
        rgb=rgb,
        depth=_metres(depth, sample),
        mask=pair.mask,
        rgb_mask=pair.rgb_changed,
        normal_depth=_metres(sample.need("depth"), sample),
        compression=compression,
    )


def _folder(name: str, sample: Sample, pair: AnomalyPair, compression: Compression) -> dict[str, bytes]:
    return encode_folder(name, **_images(sample, pair), compression=compression)


def _common_files(sample: Sample) -> dict[str, bytes]:
    files = {}
    if sample.intrinsics is not None:
        files["intrinsics.json"] = to_json(sample.intrinsics.to_dict())
    if sample.stored is not None:
        files[STATED] = to_json(sample.stored.meaning.stated())
    elif sample.depth is not None and sample.unit not in ("raw", "unknown"):
        files[STATED] = to_json({"unit": sample.unit})
    return files


def _webdataset(name: str, sample: Sample, pair: AnomalyPair, compression: Compression) -> dict[str, bytes]:
    return encode_webdataset(name, **_images(sample, pair), compression=compression)


def _both(pair: AnomalyPair, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if pair.rgb is None or pair.depth is None:
        raise ParameterError(f"format {name!r} stores colour and depth, and one is missing; use format 'folder'")
    rgb = pair.rgb if pair.rgb.ndim == 3 else np.repeat(pair.rgb[:, :, None], 3, axis=2)
    return rgb, pair.depth


def colour_of(sample: Sample) -> NDArray[np.uint8] | None:
    """Return the colour as it was stored: H x W where it was grey."""
    return np.ascontiguousarray(sample.rgb[:, :, 0]) if sample.grey and sample.rgb is not None else sample.rgb


def _images(sample: Sample, pair: AnomalyPair) -> dict[str, Any]:
    depth = pair.depth
    if depth is not None and sample.stored is not None:
        depth = sample.stored.restore(depth, sample.need("depth"))
    return {
        "rgb": pair.rgb,
        "depth": depth,
        "mask": pair.mask,
        "rgb_mask": pair.rgb_changed,
        "depth_mask": pair.depth_changed,
    }


def _metres(lengths: NDArray[Any], sample: Sample) -> NDArray[Any]:
    """Return lengths in metres; those of an unknown unit stay as they are."""
    try:
        return np.asarray(to_unit(lengths, sample.unit, "m"))
    except ParameterError:
        return lengths


_FAMILY = {"realiad_d3": "mvtec3d", "adam3d": "mvtec3d"}

FORMATS = {
    "mvtec3d": Format(name=_numbered, encode=_mvtec3d, check=_has_points),
    "folder": Format(name=_after_source, encode=_folder, common=_common_files, stores_numbers=True),
    "eyecandies": Format(name=_numbered, encode=_eyecandies),
    "webdataset": Format(name=_index, encode=_webdataset, digits=6, recipes="", sharded=True, stores_numbers=True),
}
