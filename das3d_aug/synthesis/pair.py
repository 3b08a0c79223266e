"""Dual-modality anomaly synthesis, end to end (section 3.2 and Fig. 3 of the paper).

A normal pair (I, Z) and a plan give an anomalous pair and its mask::

    P    = Perlin noise                                  noise.py
    M_t  = M_f * ternary(P, t_p)          eqs 1, 2       masks.py
    D    = norm(G_s) * M_t                eqs 3, 4, 5    skew.py
    Z_a  = Z + p_z D  on valid pixels     eq. 6
    M*   = [p_z |D| >= t_h]               eq. 7
    I_a  = (1-M*) I + M* ((1-b) I_u + b I)  eq. 8        blend.py

and dropout keeps the colour, the depth or both as they were (eq. 12).  Depth is the distance from the camera:
+1 in the mask adds depth, a dent; -1 removes depth, a bump (as eq. 6 computes; the paper's text on eq. 1 says
the opposite).  Outside M* nothing changes: what eq. 7 calls normal is left bit for bit as it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth, as_mask, as_rgb
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis.blend import in_unit_range, paint, unit_of
from das3d_aug.synthesis.delta import LIMITS, apply_delta, delta_of
from das3d_aug.synthesis.foreground import axis_sign
from das3d_aug.synthesis.plan import Plan
from das3d_aug.synthesis.recipe import Recipe
from das3d_aug.textures import TextureSource, as_source, colour_matrix, sharpness, tone_table

__all__ = ["AnomalyPair", "render", "synthesize"]

Texture = NDArray[Any] | str | Path | TextureSource
_DEFAULT_RECIPE = Recipe()


@dataclass(frozen=True, kw_only=True, eq=False)
class AnomalyPair:
    """A synthetic anomaly, aligned in both modalities.

    Attributes
    ----------
    rgb : ndarray, H x W x 3
        Colour, in the dtype given.
    depth : ndarray, H x W
        Depth, in the dtype and unit given; invalid pixels as they were.
    mask : ndarray of bool, H x W
        Where the pair is anomalous: the union of the next two.
    rgb_changed, depth_changed : ndarray of bool, H x W
        Where each modality is, after dropout (eq. 12). Depth never is on invalid pixels.
    delta : ndarray of float32, H x W
        The change of depth that was applied, in its unit; zero where dropped.
    plan : Plan
        What was drawn; with the same input it renders the same bytes.
    """

    rgb: NDArray[Any]
    depth: NDArray[Any]
    mask: NDArray[np.bool_]
    delta: NDArray[np.float32]
    rgb_changed: NDArray[np.bool_]
    depth_changed: NDArray[np.bool_]
    plan: Plan


def synthesize(
    rgb: NDArray[Any],
    depth: NDArray[Any],
    *,
    recipe: Recipe = _DEFAULT_RECIPE,
    seed: int,
    index: int = 0,
    epoch: int = 0,
    texture: Texture | None = None,
    foreground: NDArray[np.bool_] | None = None,
) -> AnomalyPair:
    """Draw a plan and render it: one normal pair in, one aligned anomaly out.

    Parameters
    ----------
    rgb : ndarray of uint8, or of float32 in [0, 1], H x W x 3
        Normal colour image, never changed.
    depth : ndarray of float32, float64 or uint16, H x W
        Its depth in any unit, never changed. Zero, negative, NaN and infinite depth is invalid.
    recipe : Recipe
        The ranges to draw from.
    seed, index, epoch : int
        The sample depends on (recipe, seed, epoch, index) alone.
    texture : optional
        Where foreign textures come from: None for the procedural ones, a folder of images, an array
        (H x W x 3) or a list of arrays, or a `TextureSource`.
    foreground : ndarray of bool, H x W, optional
        Where defects may start; by default `foreground_mask` of the depth.

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
    """
    z = as_depth(depth)
    plan = recipe.draw(z.shape, seed=seed, index=index, epoch=epoch)
    return render(rgb, z, plan, texture=texture, foreground=foreground)


def render(
    rgb: NDArray[Any],
    depth: NDArray[Any],
    plan: Plan,
    *,
    texture: Texture | None = None,
    foreground: NDArray[np.bool_] | None = None,
) -> AnomalyPair:
    """Apply a plan to a normal pair: the same bytes for the same input, anywhere.

    Parameters and errors are those of `synthesize`; the pair must have the plan's shape.
    """
    z = as_depth(depth)
    image = as_rgb(rgb, z.shape)
    if z.shape != tuple(plan.shape):
        raise ParameterError(f"depth is {z.shape[0]} x {z.shape[1]}, the plan is for {plan.shape[0]} x {plan.shape[1]}")
    if not in_unit_range(image):
        raise ParameterError("rgb of float32 must lie in [0, 1] without NaN; divide it by its full scale")
    given = None if foreground is None else as_mask(foreground, z.shape, "foreground")
    if not plan.anomalous or (plan.drop_rgb and plan.drop_depth):
        return _copies(image, z, plan)
    if not plan.drop_rgb:
        foreign, plan = _choose(as_source(texture), plan)
    out = _copies(image, z, plan)
    delta, top, left, unit = delta_of(z, given, plan)
    window = np.s_[top : top + delta.shape[0], left : left + delta.shape[1]]
    apply_delta(
        delta, z[window], out.depth[window], out.delta[window],
        out.mask[window], out.depth_changed[window],
        plan.dent * unit, plan.bump * unit, plan.mask_threshold * unit, axis_sign(plan.depth_axis),
        *LIMITS[z.dtype.type], not plan.drop_depth,
    )  # fmt: skip
    if plan.drop_rgb:
        out.mask[window] = out.depth_changed[window]
        return out
    out.rgb_changed[window] = out.mask[window]
    _paint(out.rgb, out.rgb_changed[window], top, left, foreign, plan)
    return out


def _copies(image: NDArray[Any], depth: NDArray[Any], plan: Plan) -> AnomalyPair:
    """Copy the pair, with nothing marked."""
    return AnomalyPair(
        rgb=image.copy(),
        depth=depth.copy(),
        mask=np.zeros(depth.shape, np.bool_),
        delta=np.zeros(depth.shape, np.float32),
        rgb_changed=np.zeros(depth.shape, np.bool_),
        depth_changed=np.zeros(depth.shape, np.bool_),
        plan=plan,
    )


def _choose(source: TextureSource, plan: Plan) -> tuple[NDArray[np.uint8], Plan]:
    """Find the plan's texture, and write its name into the plan if it has none yet."""
    choice = plan.texture
    if choice.name is not None:
        return source.named(choice.name), plan
    name, texture = source.pick(choice.pick)
    return texture, plan.with_texture(name)


def _paint(
    rgb: NDArray[Any], mask: NDArray[np.bool_], top: int, left: int, texture: NDArray[np.uint8], plan: Plan
) -> None:
    """Eq. 8 in place, in the window ``mask`` at (top, left)."""
    choice = plan.texture
    angle = math.radians(choice.rotation)
    along, across = choice.scale * math.cos(angle), choice.scale * math.sin(angle)
    place = (
        choice.row * texture.shape[0], along, -across,
        choice.column * texture.shape[1], across, along,
    )  # fmt: skip
    paint(
        rgb, mask, top, left, texture, tone_table(texture, choice), colour_matrix(choice),
        np.float32(sharpness(choice)), place, np.float32(plan.beta), *unit_of(rgb),
    )  # fmt: skip
