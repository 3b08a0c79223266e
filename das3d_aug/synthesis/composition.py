"""From a plan of defects to an anomalous pair: the scene is made of the pair, each defect put on it, the result stored.

What is stored is compared number by number with what was given: only what differs is marked (`AnomalyPair.mask`), and
a change of depth below eq. 7's threshold is not stored at all.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ForegroundError, ParameterError
from das3d_aug.geometry import Camera, Intrinsics, to_unit
from das3d_aug.synthesis.blend import paint, unit_of
from das3d_aug.synthesis.border_plane import fit_background
from das3d_aug.synthesis.defects import Defect, Defects, direction
from das3d_aug.synthesis.donors import DonorPart
from das3d_aug.synthesis.foreground import Policy, axis_sign, locate
from das3d_aug.synthesis.part_range import part_range
from das3d_aug.synthesis.places import places, with_specks
from das3d_aug.synthesis.plan import Plan
from das3d_aug.synthesis.relight import estimate_light
from das3d_aug.synthesis.scene import RELIEF, OtherPart, Scene
from das3d_aug.textures import TextureSource, colour_matrix, sharpness, tone_table

__all__ = ["Composed", "compose", "with_texture_names"]

_LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))  # Rec. 601
_LIMITS = {np.uint16: (1.0, 65535.0), np.float32: (1e-37, 3e38), np.float64: (1e-37, 3e38)}


@dataclasses.dataclass(frozen=True, eq=False)
class Composed:
    """What came out: arrays of the dtypes given, None where nothing was given or the modality is dropped.

    Outside of ``window`` nothing has an owner, and nothing differs from what was given.
    """

    rgb: NDArray[Any] | None
    depth: NDArray[Any] | None
    owner: NDArray[np.uint16]
    window: tuple[slice, slice]


def compose(
    image: NDArray[Any] | None,
    depth: NDArray[Any] | None,
    plan: Plan,
    foreground: Policy | NDArray[np.bool_],
    source: TextureSource,
    *,
    camera: Camera | None,
    unit: str | None,
    donor: DonorPart | None = None,
) -> Composed:
    """Put a plan's defects onto a checked pair; parameters as `das3d_aug.synthesis.render` has them."""
    defects = plan.defects
    assert defects is not None
    scene, back = _scene(image, depth, plan, defects, foreground, camera, unit, donor)

    def texture(defect: Defect, foot: NDArray[np.bool_], top: int, left: int) -> NDArray[np.float32]:
        foreign = _texture(source, defect, foot, top, left)
        return foreign if image is None or image.ndim == 3 else _grey(foreign)

    for number, defect in enumerate(defects.items, start=1):
        scene.put(defect, number, texture if defect.texture is not None and image is not None else None)
    rgb = z = None
    window = _window(scene.owner)
    where = scene.owner[window] > 0
    if image is not None and scene.rgb is not None and not plan.drop_rgb:
        rgb = image.copy()
        _store_colour(rgb[window], scene.rgb[window], where)
    if depth is not None and scene.depth is not None and not plan.drop_depth:
        z = depth.copy()
        _store_depth(z[window], back(scene.depth[window]), where, scene.threshold)
    return Composed(rgb, z, scene.owner, window)


def _grey(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the luma in all three channels; without a matrix product, whose rounding differs from CPU to CPU."""
    red, green, blue = (colour[:, :, k] * weight for k, weight in enumerate(_LUMA))
    return np.repeat((red + green + blue)[:, :, None], 3, axis=2)


def _window(owner: NDArray[np.uint16]) -> tuple[slice, slice]:
    """Return the smallest window that holds every pixel with an owner."""
    ends = []
    for axis in (1, 0):
        there = np.flatnonzero(owner.max(axis=axis))
        ends.append(slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 0))
    return ends[0], ends[1]


def with_texture_names(plan: Plan, source: TextureSource) -> Plan:
    """Write the names of the textures that the defects picked into the plan, where they are missing."""
    if plan.defects is None:
        return plan
    items = tuple(
        dataclasses.replace(item, texture=dataclasses.replace(item.texture, name=source.pick(item.texture.pick)[0]))
        if item.texture is not None and item.texture.name is None
        else item
        for item in plan.defects.items
    )
    return dataclasses.replace(plan, defects=dataclasses.replace(plan.defects, items=items))


def _scene(
    image: NDArray[Any] | None,
    depth: NDArray[Any] | None,
    plan: Plan,
    defects: Defects,
    foreground: Policy | NDArray[np.bool_],
    camera: Camera | None,
    unit: str | None,
    donor: DonorPart | None,
) -> tuple[Scene, Any]:
    """Return the scene, and what turns its depth back into the one given."""
    sign = axis_sign(plan.depth_axis)
    behind = z = None
    low, high = 0.0, 1.0
    if depth is None:
        inside = np.ones(plan.shape, np.bool_) if isinstance(foreground, str) else foreground
    else:
        how, found = locate(depth, foreground, sign)
        inside = found[0].view(np.bool_)
        low, high = part_range(depth, found) if inside.any() else (0.0, 0.0)
        top = 2.0 * high  # a height becomes the distance from a camera above it
        z = _distances(depth, sign, top)
        if how == "plane" and sign > 0:
            behind = _plane(depth)
    if not inside.any():
        raise ForegroundError("foreground is empty, or holds no valid depth: use foreground='all', or give a mask")
    extent = math.sqrt(np.count_nonzero(inside))
    height = (high - low) or 1.0
    pitch = height / (RELIEF * extent)
    if camera is not None and depth is not None:
        middle = (low + high) / 2
        pitch = middle / math.sqrt(camera.fx * camera.fy) if isinstance(camera, Intrinsics) else camera.pitch_x
    size = extent
    if defects.length_unit == "mm":
        if camera is None or unit is None:
            wanted = (("camera=", camera), ("unit= (of the depth)", unit))
            missing = " and ".join(name for name, value in wanted if value is None)
            raise ParameterError(f"length_unit='mm' needs {missing}: give what is missing, or use 'relative'")
        height = float(to_unit(1.0, "mm", unit))
        size = height / pitch
    colour = None
    if image is not None:
        colour = _colour(image)
    part = inside
    if z is not None:
        part = _with_specks(inside, z, foreground)
    light = None
    if defects.light is not None and colour is not None:
        light = None if z is None else estimate_light(colour, z, inside, pitch)
        light = light or direction(defects.light)
    scene = Scene(
        rgb=colour,
        depth=z,
        inside=part,
        unit=height,
        pitch=pitch,
        size=size,
        light=light,
        threshold=plan.mask_threshold * ((high - low) if plan.magnitude_unit == "range" else 1.0),
        plausible=defects.length_unit == "relative",
        behind=behind,
        owner=np.zeros(plan.shape, np.uint16),
        donor=None if donor is None else _other_part(donor, sign, 0.0 if z is None else top, plan.shape),
        places={where: places(where, part, colour, z) for where in {item.where for item in defects.items}},
    )
    return scene, (lambda changed: changed) if sign > 0 else (lambda changed: np.where(changed > 0, top - changed, 0))


def _other_part(donor: DonorPart, sign: float, top: float, shape: tuple[int, int]) -> OtherPart:
    """Return a donor as the scene takes it."""
    rgb = None if donor.rgb is None else _colour(donor.rgb)
    if donor.depth is not None:
        inside = locate(donor.depth, donor.foreground, sign)[1][0].view(np.bool_)
        z = _distances(donor.depth, sign, top)
        return OtherPart(rgb, z, _with_specks(inside, z, donor.foreground))
    part = donor.foreground
    return OtherPart(rgb, None, np.ones(shape, np.bool_) if isinstance(part, str) else part)


def _with_specks(
    inside: NDArray[np.bool_], depth: NDArray[np.float32], foreground: Policy | NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the part with its specks; who marks the part has the last word."""
    found = with_specks(inside, depth)
    return found if isinstance(foreground, str) else found & foreground


def _distances(depth: NDArray[Any], sign: float, top: float) -> NDArray[np.float32]:
    """Return distances from a camera, 0 where nothing was measured; heights become those from one at ``top``."""
    valid = (depth > 0) & (depth < np.inf)
    return np.where(valid, depth if sign > 0 else top - depth, 0).astype(np.float32)


def _colour(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return colour in 0 … 1, H x W x 3."""
    full = np.float32(255) if image.dtype == np.uint8 else np.float32(1)
    coloured = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    return np.asarray(coloured.astype(np.float32) / full)


def _plane(depth: NDArray[Any]) -> NDArray[np.float32]:
    """Return the background's plane at every pixel, as the foreground was told from it."""
    by, bx, c, kind, _ = fit_background(depth, 1.0, depth.dtype == np.uint16)
    y, x = np.ogrid[: depth.shape[0], : depth.shape[1]]
    values = by * y + bx * x + c
    with np.errstate(divide="ignore"):
        far = 1.0 / values if kind == 0 else -values
    return np.where(np.isfinite(far) & (far > 0), far, 0).astype(np.float32)


def _texture(
    source: TextureSource, defect: Defect, foot: NDArray[np.bool_], top: int, left: int
) -> NDArray[np.float32]:
    """Return the foreign texture of a defect where its footprint is."""
    plan = defect.texture
    assert plan is not None
    texture = source.pick(plan.pick)[1] if plan.name is None else source.named(plan.name)
    angle = math.radians(plan.rotation)
    along, across = plan.scale * math.cos(angle), plan.scale * math.sin(angle)
    rows, columns = plan.row * texture.shape[0], plan.column * texture.shape[1]
    # The texture lies on the image, not on the window, as eq. 8 has it.
    place = (rows + along * top - across * left, along, -across, columns + across * top + along * left, across, along)
    out = np.zeros((*foot.shape, 3), np.float32)
    unused = np.empty(foot.shape, np.bool_)
    paint(
        out, np.flatnonzero(foot), unused, unused, unused, texture, tone_table(texture, plan), colour_matrix(plan),
        sharpness(plan), place, np.float32(0), *unit_of(out),
    )  # fmt: skip
    return out


def _store_colour(out: NDArray[Any], made: NDArray[np.float32], where: NDArray[np.bool_]) -> None:
    values = made[where] if out.ndim == 3 else made[where][:, 0]
    out[where] = np.rint(values * np.float32(255)).astype(np.uint8) if out.dtype == np.uint8 else values


def _store_depth(out: NDArray[Any], made: NDArray[np.float32], where: NDArray[np.bool_], threshold: float) -> None:
    before = np.where((out > 0) & (out < np.inf), out, 0).astype(np.float32)
    lost = where & (made <= 0) & (before > 0)
    moved = where & (made > 0) & (before > 0) & (np.abs(made - before) >= max(threshold, 1e-30))
    low, high = _LIMITS[out.dtype.type]
    values = made[moved].astype(np.float64).clip(low, high)
    out[moved] = np.rint(values) if out.dtype == np.uint16 else values
    out[lost] = 0
