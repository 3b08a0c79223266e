"""One sample before the synthesis and the detector: background removed, resized, normalised (4.1).

The part lies on a plane.  RANSAC finds it through the points of the image's border; whatever is nearer to it than
a distance is background: its depth becomes the largest depth of what remains, its colour black.  Then, if asked
for, the image is padded to a square and all but the largest cluster of points is removed; then it is resized, and
depth normalised to (0, 1).

Pixels without a measurement keep depth 0 and their colour: they may lie on the part.  Where the data set says
which pixels the part has (`Sample.foreground`), that takes the place of the plane.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import Sample
from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.datasets.samples import Images
from das3d_aug.errors import ForegroundError, ParameterError
from das3d_aug.geometry import Camera
from das3d_aug.preparation.background import NO_PLANE, NO_POINTS, has_points, in_unit, judge, points_of, without_plane
from das3d_aug.preparation.cluster import largest_cluster
from das3d_aug.preparation.plane import Plane
from das3d_aug.preparation.resize import parse_size, resize_sample
from das3d_aug.preparation.settings import Preparation

__all__ = ["Prepared", "prepare_sample"]

_PADDED_TO = 100
_ROBUST = (1, 99)  # percentiles
_OUTLYING = 3


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Prepared(Images):
    """A prepared sample; all images have one height and width and share no memory with the source.

    Attributes
    ----------
    rgb : numpy.ndarray or None
        uint8, H x W x 3; black where the background was removed.  None if there is no colour.
    depth : numpy.ndarray or None
        float32, H x W; 0 where nothing was measured, the largest depth of the part where the background was.  None if
        there is none, but then there is colour.
    valid : numpy.ndarray or None
        bool, H x W: where there is depth, removed background included; None without depth.
    foreground : numpy.ndarray
        bool, H x W: where the part was measured; of colour alone, all that is not known to be background.
    mask : numpy.ndarray or None
        bool, H x W: the anomalous pixels, if they are known.
    xyz : numpy.ndarray or None
        float32, H x W x 3, in ``unit``; (0, 0, 0) outside the foreground.  Only if asked for.
    unit : str
        The source's unit of depth, in which plane, points and camera stay.
    camera : Intrinsics or Orthographic or None
        The camera of the new size, if it is known.
    plane : tuple of 4 floats or None
        a, b, c, d of a x + b y + c z + d = 0 with a² + b² + c² = 1, positive on the camera's side; None if no plane
        was removed.
    normalisation : Normalisation or None
        What was done to the depth; its `invert` gives back the depth in ``unit``.
    warning : str or None
        Why the fallback was taken.
    """

    rgb: NDArray[np.uint8] | None
    depth: NDArray[np.float32] | None
    valid: NDArray[np.bool_] | None
    foreground: NDArray[np.bool_]
    mask: NDArray[np.bool_] | None
    xyz: NDArray[np.float32] | None
    unit: str
    camera: Camera | None
    plane: Plane | None
    normalisation: Normalisation | None
    warning: str | None


def prepare_sample(
    sample: Sample, settings: Preparation | None = None, *, normalisation: Normalisation | None = None
) -> Prepared:
    """Remove the background of a sample, resize and normalise it; the sample is not changed.

    Parameters
    ----------
    sample : Sample
        With points, or depth and a camera, unless its foreground is known or no plane is looked for; or colour alone,
        of which no plane can be removed.
    settings : Preparation, optional
        What is done; `Preparation.paper` without it.  ``foreground="auto"`` judges this sample alone; what belongs to a
        data set is prepared as that is (`resolve_foreground`).
    normalisation : Normalisation, optional
        The range of the data set, needed for ``normalise="dataset"``.

    Returns
    -------
    Prepared
        The same bytes for the same sample and settings, on any number of threads.

    Warns
    -----
    UserWarning
        If no plane or cluster is found and ``fallback`` is "keep".

    Raises
    ------
    ForegroundError
        If nothing would remain, or no plane or cluster is found and ``fallback`` is "error".
    ParameterError
        If the sample has neither points nor a camera and needs them, or its unit cannot be converted.
    """
    settings = settings or Preparation()
    if sample.depth is not None and (settings.normalise == "dataset") != (normalisation is not None):
        raise ParameterError("normalisation is the range of the data set: give it with normalise='dataset' only")
    prepared = remove_and_resize(sample, settings)
    if prepared.warning is not None:
        warnings.warn(f"{sample.entry.key}: {prepared.warning}", stacklevel=2)
    if prepared.depth is None:
        return prepared
    if settings.normalise == "image":
        normalisation = depth_range(prepared)
    if normalisation is None:
        return prepared
    return replace(prepared, depth=normalisation.apply(prepared.depth), normalisation=normalisation)


def depth_range(prepared: Prepared | Sample) -> Normalisation:
    """Return the nearest and farthest depth of an image that is in its unit, flying pixels left out (`_extent`)."""
    depth, valid = prepared.need("depth"), prepared.need("valid")
    measured = depth[valid]
    part = measured if prepared.foreground is None else depth[valid & prepared.foreground]
    return Normalisation(*_extent(part if part.size else measured, within=measured))


def _extent(part: NDArray[np.float32], *, within: NDArray[np.float32]) -> tuple[float, float]:
    """Return the least and the largest number ``within``, but for outliers.

    These lie farther outside the 1st … 99th percentile of the ``part`` than three times the distance between these:
    flying pixels do, and no surface of a part, whose extremes lie near its percentiles.
    """
    low, high = np.percentile(part, _ROBUST)
    reach = _OUTLYING * (high - low)
    if reach > 0:
        within = within[(within >= low - reach) & (within <= high + reach)]
    return float(within.min()), float(within.max())


def remove_and_resize(sample: Sample, settings: Preparation) -> Prepared:
    """Do all but the normalisation; a fallback is told by ``warning`` alone."""
    key = sample.entry.key
    if sample.depth is None:
        return _of_colour(sample, settings)
    measured = sample.need("valid")
    if not measured.any():
        raise ForegroundError(f"{key}: nothing is left: no pixel has a measured depth")
    foreground = measured if sample.foreground is None else sample.foreground & measured
    xyz, plane, troubles = None, None, []
    policy = judge(sample, settings)[0] if settings.foreground == "auto" else settings.foreground
    remove_plane = sample.foreground is None and settings.distance > 0 and policy == "plane"
    if remove_plane and settings.fallback == "keep" and not has_points(sample):
        remove_plane, troubles = False, [f"{NO_PLANE}: the data has {NO_POINTS}"]
    if remove_plane or settings.cluster_distance > 0 or settings.xyz:
        points = points_of(sample)
        if remove_plane:
            foreground, plane, trouble = without_plane(points, foreground, settings, sample)
            troubles += trouble
        if settings.cluster_distance > 0:
            foreground, trouble = _one_cluster(points, foreground, settings, sample)
            troubles += trouble
        if settings.xyz:
            xyz = np.where(foreground[:, :, None], points, np.float32(0))
    if troubles and settings.fallback == "error":
        raise ForegroundError(
            f"{key}: {'; '.join(troubles)}; fallback='keep' keeps everything, foreground='all' looks for no plane"
        )
    if not foreground.any():
        raise ForegroundError(f"{key}: nothing is left: no valid depth, or an empty foreground")
    removed = sample.need("valid") & ~foreground
    part = sample.need("depth")[foreground]
    farthest = np.float32(_extent(part, within=part)[1])
    made = replace(
        sample,
        rgb=None if sample.rgb is None else np.where(removed[:, :, None], np.uint8(0), sample.rgb),
        depth=np.where(foreground, sample.need("depth"), np.where(removed, farthest, np.float32(0))),
        xyz=xyz,
        mask=None if sample.mask is None else sample.mask.copy(),
        foreground=foreground.copy(),
        stored=None,
    )
    made = resize_sample(_padded(made) if settings.pad else made, parse_size(settings.size))
    valid = made.need("depth") > 0
    if not valid.any() or made.foreground is None:
        raise ForegroundError(f"{key}: no valid depth is left at {valid.shape[0]} x {valid.shape[1]} pixels")
    warning = "; ".join([*troubles, "everything is kept"]) if troubles else None
    return _prepared(made, valid, made.foreground, plane=plane, warning=warning)


def _of_colour(sample: Sample, settings: Preparation) -> Prepared:
    """Pad and resize an image of colour alone; where its foreground is known, black out the rest."""
    rgb, part = sample.need("rgb").copy(), sample.foreground
    if part is not None:
        rgb[~part] = 0
    made = replace(sample, rgb=rgb, foreground=np.ones(sample.shape, np.bool_) if part is None else part, stored=None)
    made = resize_sample(_padded(made) if settings.pad else made, parse_size(settings.size))
    inside = made.need("foreground")
    if not inside.any():
        raise ForegroundError(f"{sample.entry.key}: nothing is left: an empty foreground")
    return _prepared(made, None, inside)


def _prepared(
    made: Sample,
    valid: NDArray[np.bool_] | None,
    inside: NDArray[np.bool_],
    *,
    plane: Plane | None = None,
    warning: str | None = None,
) -> Prepared:
    return Prepared(
        rgb=made.rgb,
        depth=made.depth,
        valid=valid,
        foreground=inside,
        mask=made.mask,
        xyz=made.xyz,
        unit=made.unit,
        camera=made.camera,
        plane=plane,
        normalisation=None,
        warning=warning,
    )


def _one_cluster(
    xyz: NDArray[np.float32], inside: NDArray[np.bool_], settings: Preparation, sample: Sample
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return the largest cluster; or everything, and that there is none."""
    distance = in_unit(settings.cluster_distance, settings, sample)
    cluster = largest_cluster(xyz, inside, distance=distance, points=settings.cluster_points)
    if cluster.any():
        return cluster, []
    reach = f"{settings.cluster_distance:g} {settings.unit}"
    return inside, [f"no cluster: nowhere are {settings.cluster_points} points within {reach} of one"]


def padded_square(height: int, width: int) -> tuple[int, int, int]:
    """Return what ``pad`` does to an image: the side of the square, and the image's first row and column in it."""
    side = -(-max(height, width) // _PADDED_TO) * _PADDED_TO
    return side, (side - height) // 2, (side - width) // 2


def _padded(sample: Sample) -> Sample:
    """Pad with invalid, black, normal pixels to a square; an odd one goes below or to the right."""
    height, width = sample.shape
    side, top, left = padded_square(height, width)

    def pad(image: NDArray[Any]) -> NDArray[Any]:
        rest = [(0, 0)] * (image.ndim - 2)
        return np.pad(image, [(top, side - height - top), (left, side - width - left), *rest])

    names = ("rgb", "depth", "valid", "xyz", "mask", "foreground")
    padded: dict[str, Any] = {name: pad(image) for name in names if (image := getattr(sample, name)) is not None}
    return replace(sample, **padded, intrinsics=sample.intrinsics and sample.intrinsics.padded(top, left))
