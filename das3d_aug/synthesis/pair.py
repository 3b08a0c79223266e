"""Dual-modality anomaly synthesis, end to end (section 3.2 and Fig. 3 of the paper).

A normal pair (I, Z) and a plan give an anomalous pair and its mask::

    P    = Perlin noise                                  noise.py
    M_t  = M_f * ternary(P, t_p)          eqs 1, 2       masks.py
    D    = norm(G_s) * M_t                eqs 3, 4, 5    skew.py
    Z_a  = Z + p_z D  on valid pixels     eq. 6
    M*   = [p_z |D| >= t_h]               eq. 7          masks.py
    I_a  = (1-M*) I + M* ((1-b) I_u + b I)  eq. 8        blend.py

Eqs 1 to 7 run fused, in delta.py; dropout keeps the colour, the depth or both as they were (eq. 12).  Depth is the
distance from the camera: +1 in the mask adds depth, a dent; -1 removes depth, a bump (as eq. 6 computes; the paper's
text on eq. 1 says the opposite).  Outside M* nothing changes: what eq. 7 calls normal is left bit for bit as it was.
"""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth, as_rgb, assembled, frozen
from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Camera
from das3d_aug.synthesis.blend import in_unit_range, paint, unit_of
from das3d_aug.synthesis.composition import compose, with_texture_names
from das3d_aug.synthesis.delta import LIMITS, apply_delta, delta_of
from das3d_aug.synthesis.donors import Donor, as_donor
from das3d_aug.synthesis.foreground import Foreground, Policy, as_foreground, axis_sign
from das3d_aug.synthesis.plan import Plan
from das3d_aug.synthesis.recipe import Recipe
from das3d_aug.synthesis.showing import describe, figure, row
from das3d_aug.textures import TextureSource, as_source, colour_matrix, sharpness, tone_table

__all__ = ["AnomalyPair", "render", "synthesize"]

Texture = NDArray[Any] | str | Path | TextureSource
_DEFAULT_RECIPE = Recipe()
_FLAT = (
    "depth has no range on the part, so magnitudes relative to it mean nothing and its depth stays as it is: "
    "use magnitude_unit='depth'"
)
_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)  # Rec. 601


@dataclass(frozen=True, kw_only=True, eq=False)
class AnomalyPair:
    """A synthetic anomaly, aligned in both modalities; what was not given is None.

    Attributes
    ----------
    rgb : ndarray, H x W x 3 or H x W, or None
        Colour, in the shape and dtype given.
    depth : ndarray, H x W, or None
        Depth, in the dtype and unit given; invalid pixels as they were.
    mask : ndarray of bool, H x W
        Where the pair is anomalous: the union of the next two.
    rgb_changed, depth_changed : ndarray of bool, H x W
        Where each modality is: where a stored number differs from the one given, after dropout (eq. 12) and after
        rounding to its dtype.  Depth never is on invalid pixels.
    delta : ndarray of float32, H x W, or None
        The change of depth that was applied, in its unit; zero where dropped.
    plan : Plan
        What was drawn; with the same input it renders the same bytes.
    instances : ndarray of uint16, H x W, or None
        Which of ``plan.defects`` marked a pixel of the mask, 1 for the first, 0 outside; None for the paper's kind.
    """

    rgb: NDArray[Any] | None
    depth: NDArray[Any] | None
    mask: NDArray[np.bool_]
    delta: NDArray[np.float32] | None
    rgb_changed: NDArray[np.bool_]
    depth_changed: NDArray[np.bool_]
    plan: Plan
    instances: NDArray[np.uint16] | None = None

    def __repr__(self) -> str:
        return describe(self)

    def _repr_png_(self) -> bytes:
        """Show a notebook the row of pictures that `show` has."""
        return row(self)

    def show(self) -> Any:
        """Draw colour, depth, change of depth and mask side by side.

        Returns
        -------
        matplotlib.figure.Figure
            ``.savefig("pair.png")`` writes it, ``matplotlib.pyplot.show()`` opens a window.

        Raises
        ------
        Das3dError
            If matplotlib is not installed.
        """
        return figure(self)


def synthesize(
    rgb: NDArray[Any] | None,
    depth: NDArray[Any] | None,
    *,
    recipe: Recipe = _DEFAULT_RECIPE,
    seed: int,
    index: int = 0,
    epoch: int = 0,
    texture: Texture | None = None,
    foreground: Foreground = "auto",
    camera: Camera | None = None,
    unit: str | None = None,
    donor: Donor | None = None,
) -> AnomalyPair:
    """Draw a plan and render it: one normal pair in, one aligned anomaly out.

    Parameters
    ----------
    rgb : ndarray of uint8, or of float32 in [0, 1], H x W x 3 or H x W, or None
        Normal colour image, never changed.  A grey one stays grey: its textures are the luma (Rec. 601) of the
        coloured ones.  None: the depth alone.
    depth : ndarray of float32, float64 or uint16, H x W, or None
        Its depth in any unit, never changed. Zero, negative, NaN and infinite depth is invalid.  None: the colour
        alone.
    recipe : Recipe
        The ranges to draw from.  One modality alone narrows ``recipe.modality`` to it.
    seed, index, epoch : int
        The sample depends on (recipe, seed, epoch, index) alone.
    texture : optional
        Where foreign textures come from: None for the procedural ones, a folder of images, an array
        (H x W x 3) or a list of arrays, or a `TextureSource`.
    foreground : {"auto", "all", "plane"} or ndarray of bool or integers, H x W
        Where defects may start, as `find_foreground` finds it; without depth, "auto" is every pixel.
    camera : Intrinsics or Orthographic, optional
        With it slopes, and so light and shade, are the part's own; and sizes may be in mm.
    unit : {"m", "cm", "mm", "um"}, optional
        Of the depth; needed for sizes in mm.
    donor : (rgb, depth) or (rgb, depth, foreground), optional
        Another good part, of the pair's shapes and dtypes, from which defects of kind "paste" take their patches.
        The plan says so, and `render` then needs the same donor.  Of one without foreground nothing is taken.

    Returns
    -------
    AnomalyPair

    Raises
    ------
    ForegroundError
        If there is no foreground to put a defect on.
    ParameterError
        If an argument cannot be used; the message names it.
    FileError
        If a texture cannot be read.

    Warns
    -----
    UserWarning
        If magnitudes are relative to the part's range of depth and it has none: its depth stays as it is.
    """
    image, z, shape = as_pair(rgb, depth)
    if not isinstance(recipe, Recipe):
        raise ParameterError(f"recipe must be a Recipe, got {recipe!r}")
    if image is None or z is None:
        recipe = _narrowed(recipe, "depth" if image is None else "rgb")
    plan = recipe.draw(shape, seed=seed, index=index, epoch=epoch)
    plan = plan if donor is None else plan.with_donor()
    return _render(image, z, plan, texture, as_part(foreground, z, shape), camera, unit, donor)


def render(
    rgb: NDArray[Any] | None,
    depth: NDArray[Any] | None,
    plan: Plan,
    *,
    texture: Texture | None = None,
    foreground: Foreground = "auto",
    camera: Camera | None = None,
    unit: str | None = None,
    donor: Donor | None = None,
) -> AnomalyPair:
    """Apply a plan to a normal pair: the same bytes for the same input, anywhere.

    Parameters, errors and warnings are those of `synthesize`; the pair must have the plan's shape.  A modality that
    is None counts as dropped.
    """
    image, z, shape = as_pair(rgb, depth)
    if shape != tuple(plan.shape):
        name, (height, width) = "rgb" if z is None else "depth", plan.shape
        raise ParameterError(f"{name} is {shape[0]} x {shape[1]}, the plan is for {height} x {width}")
    if image is None or z is None:
        plan = replace(plan, drop_rgb=plan.drop_rgb or image is None, drop_depth=plan.drop_depth or z is None)
    return _render(image, z, plan, texture, as_part(foreground, z, shape), camera, unit, donor)


def as_pair(
    rgb: NDArray[Any] | None, depth: NDArray[Any] | None
) -> tuple[NDArray[Any] | None, NDArray[Any] | None, tuple[int, int]]:
    """Check a pair; return its arrays and its height and width."""
    z = None if depth is None else as_depth(depth)
    if rgb is None:
        if z is None:
            raise ParameterError("rgb and depth are both None: give at least one of them")
        return None, z, z.shape
    image = as_rgb(rgb, None if z is None else z.shape, grey=True)
    if not in_unit_range(image):
        raise ParameterError(
            "rgb of float32 must lie in [0, 1] without NaN: divide it by its full scale; a transform: put it before "
            "Normalize"
        )
    return image, z, image.shape[:2]


@functools.lru_cache(maxsize=16)
def _narrowed(recipe: Recipe, modality: Literal["rgb", "depth"]) -> Recipe:
    if recipe.modality not in ("rgbd", modality):
        raise ParameterError(f"recipe.modality is {recipe.modality!r}, but there is no {recipe.modality}: give it")
    return replace(recipe, modality=modality)


def as_part(foreground: Foreground, depth: NDArray[Any] | None, shape: tuple[int, int]) -> Policy | NDArray[np.bool_]:
    """Check the foreground; without depth there is no plane to look for, and "auto" is every pixel."""
    found = as_foreground(foreground, shape)
    if depth is None and isinstance(found, str):
        if found == "plane":
            raise ParameterError("foreground='plane' needs depth, which is None: use 'all', or give a mask")
        return "all"
    return found


def _render(
    image: NDArray[Any] | None,
    depth: NDArray[Any] | None,
    plan: Plan,
    texture: Texture | None,
    foreground: Policy | NDArray[np.bool_],
    camera: Camera | None,
    unit: str | None,
    donor: Any,
) -> AnomalyPair:
    """Render checked arguments."""
    out = _copies(image, depth, plan)
    if not plan.anomalous or (plan.drop_rgb and plan.drop_depth):
        return out
    if plan.defects is not None:
        return _composed(out, image, depth, plan, as_source(texture), foreground, camera, unit, donor)
    surface, moved, delta = depth, out.depth, out.delta
    if surface is None or moved is None or delta is None:  # any will do: nothing of it is kept
        surface, moved, delta = frozen(np.ones(plan.shape, np.float32)), *np.ones((2, *plan.shape), np.float32)
    change, top, left, scale = delta_of(surface, foreground, plan)
    moves = not plan.drop_depth
    if scale == 0:  # eq. 7 compares magnitudes with each other, so the colour's mask needs no unit
        if moves:
            warnings.warn(_FLAT, stacklevel=3)
        scale, moves = 1.0, False
    places = apply_delta(
        change, top, left, surface, moved, delta, out.mask, out.depth_changed,
        plan.dent * scale, plan.bump * scale, plan.mask_threshold * scale, axis_sign(plan.depth_axis),
        *LIMITS[surface.dtype.type], moves,
    )  # fmt: skip
    if out.rgb is None or plan.drop_rgb:
        out.mask[:] = out.depth_changed
        return out
    foreign, plan = _choose(as_source(texture), plan)
    _paint(out.rgb, out, places, foreign, plan)
    return assembled(AnomalyPair, {**out.__dict__, "plan": plan})


def _copies(image: NDArray[Any] | None, depth: NDArray[Any] | None, plan: Plan) -> AnomalyPair:
    """Copy the pair, with nothing marked."""
    fields = {
        "rgb": None if image is None else image.copy(),
        "depth": None if depth is None else depth.copy(),
        "mask": np.zeros(plan.shape, np.bool_),
        "delta": None if depth is None else np.zeros(plan.shape, np.float32),
        "rgb_changed": np.zeros(plan.shape, np.bool_),
        "depth_changed": np.zeros(plan.shape, np.bool_),
        "plan": plan,
        "instances": None,
    }
    return assembled(AnomalyPair, fields)


def _composed(
    out: AnomalyPair,
    image: NDArray[Any] | None,
    depth: NDArray[Any] | None,
    plan: Plan,
    source: TextureSource,
    foreground: Policy | NDArray[np.bool_],
    camera: Camera | None,
    unit: str | None,
    donor: Any,
) -> AnomalyPair:
    """Render a plan of other kinds than the paper's onto the copies in ``out``."""
    other = as_donor(donor, image, depth, foreground, plan)
    made = compose(image, depth, plan, foreground, source, camera=camera, unit=unit, donor=other)
    window = made.window
    if made.rgb is not None and image is not None:
        differs = np.atleast_3d(made.rgb[window] != image[window])
        out.rgb_changed[window] = functools.reduce(np.logical_or, np.moveaxis(differs, 2, 0))  # any(axis=2) is slow
    if made.depth is not None and depth is not None and out.delta is not None:
        before, after = depth[window], made.depth[window]
        changed = out.depth_changed[window]
        changed[:] = (after != before) & (before > 0) & (before < np.inf)
        # Only where it changed: infinity less infinity would be a warning.
        out.delta[window] = np.subtract(after, before, out=np.zeros(before.shape), where=changed, dtype=np.float64)
    out.mask[window] = out.rgb_changed[window] | out.depth_changed[window]
    return replace(
        out,
        rgb=out.rgb if made.rgb is None else made.rgb,
        depth=out.depth if made.depth is None else made.depth,
        plan=with_texture_names(plan, source),
        instances=made.owner * out.mask,
    )


def _choose(source: TextureSource, plan: Plan) -> tuple[NDArray[np.uint8], Plan]:
    """Find the plan's texture, and write its name into the plan if it has none yet."""
    choice = plan.texture
    if choice.name is not None:
        return source.named(choice.name), plan
    name, texture = source.pick(choice.pick)
    return texture, plan.with_texture(name)


def _paint(
    rgb: NDArray[Any], out: AnomalyPair, places: NDArray[np.int64], texture: NDArray[np.uint8], plan: Plan
) -> None:
    """Eq. 8 in place; what stays as it was is taken out of ``out.mask``."""
    choice = plan.texture
    colour = colour_matrix(choice)
    if rgb.ndim == 2:
        rgb, colour = rgb[:, :, None], _LUMA @ colour
    angle = math.radians(choice.rotation)
    along, across = choice.scale * math.cos(angle), choice.scale * math.sin(angle)
    place = (
        choice.row * texture.shape[0], along, -across,
        choice.column * texture.shape[1], across, along,
    )  # fmt: skip
    paint(
        rgb, places, out.rgb_changed, out.mask, out.depth_changed, texture, tone_table(texture, choice), colour,
        sharpness(choice), place, np.float32(plan.beta), *unit_of(rgb),
    )  # fmt: skip
