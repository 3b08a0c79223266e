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
from das3d_aug._jit import kernel
from das3d_aug._nonzero import nonzero, padded
from das3d_aug.blend import in_unit_range, paint, unit_of
from das3d_aug.errors import ForegroundError, ParameterError
from das3d_aug.masks import axis_sign, scan
from das3d_aug.noise import fill_noise, lattice_grid, noise_buffer
from das3d_aug.plan import Plan
from das3d_aug.recipe import Recipe
from das3d_aug.skew import ONE, filter_runs, kernel_size, sample_kernel
from das3d_aug.textures import TextureSource, as_source, colour_matrix, sharpness, tone_table

__all__ = ["AnomalyPair", "render", "synthesize"]

Texture = NDArray[Any] | str | Path | TextureSource

_DEFAULT_RECIPE = Recipe()
_BINS = 1024  # of |noise|, to find the threshold that leaves the planned area
_QUANTILE_SAMPLES = 2**12


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
    delta, top, left, unit = _delta(z, given, plan)
    window = np.s_[top : top + delta.shape[0], left : left + delta.shape[1]]
    _apply(
        delta, z[window], out.depth[window], out.delta[window],
        out.mask[window], out.depth_changed[window],
        plan.dent * unit, plan.bump * unit, plan.mask_threshold * unit, axis_sign(plan.depth_axis),
        *_LIMITS[z.dtype.type], not plan.drop_depth,
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


def _delta(
    depth: NDArray[Any], given: NDArray[np.bool_] | None, plan: Plan
) -> tuple[NDArray[np.int32], int, int, float]:
    """Eqs 1 to 5: the window of Delta_Z that can differ from zero, its corner, and the unit of the magnitudes."""
    inside, first, last, low, high = scan(depth, axis_sign(plan.depth_axis), given=given)
    if high == 0:
        raise ForegroundError(_no_foreground(depth, given is None))
    unit = 1.0
    if plan.magnitude_unit == "range":
        unit = high - low
        if unit <= 0:
            raise ForegroundError(
                "depth has no range on the foreground, so magnitudes relative to it mean nothing: "
                "use magnitude_unit='depth'"
            )
    row, both, column = plan.covariance
    window = _filtered_mask(
        inside, first, last, np.uint64(plan.noise_seed),
        lattice_grid(plan.shape, plan.resolution, plan.rotation),
        plan.threshold, -1.0 if plan.area is None else plan.area,
        *plan.alpha, row, both, column, kernel_size(row, column) if plan.skew else 1,
    )  # fmt: skip
    return *window, unit


def _no_foreground(depth: NDArray[Any], estimated: bool) -> str:
    if not ((depth > 0) & (depth < np.inf)).any():
        return "depth has no valid pixel: all of it is zero, negative or not finite"
    if estimated:
        return (
            "nothing stands out of the background: give a foreground mask (foreground=, or a foreground/ folder beside "
            "the depth), for example depth > 0 if the part fills the image"
        )
    return "foreground is empty, or holds no valid depth"


# Smallest and largest valid depth of each dtype, and whether it is whole numbers.
_LIMITS = {
    np.float32: (float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max), False),
    np.float64: (float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max), False),
    np.uint16: (1.0, 65535.0, True),
}


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


@kernel
def _filtered_mask(
    inside, first, last, seed, grid, threshold, area, alpha_y, alpha_x, yy, yx, xx, size
):  # fmt: skip
    """Eqs 1 to 5 on a foreground: what `filter_runs` returns."""
    noise = noise_buffer(inside.shape)
    fill_noise(noise, first, last, seed, *grid)
    if area >= 0.0:
        threshold = _quantile(noise, inside, first, last, area)
    mask = inside.view(np.int8)  # the foreground is not needed again: its memory becomes M_t
    _ternarise(mask, noise, first, last, np.float32(threshold))
    if size == 1:  # without the skew filter
        return filter_runs(mask, np.full((1, 1), ONE, np.int32))
    weights = sample_kernel(alpha_y, alpha_x, yy, yx, xx, size)
    return filter_runs(mask, np.rint(weights * ONE).astype(np.int32))


@kernel
def _quantile(noise, inside, first, last, area):
    """Threshold on |noise| that leaves about ``area`` of the foreground (a few samples of it)."""
    step = max(1, int(math.sqrt(inside.size // _QUANTILE_SAMPLES)))
    counts = np.zeros(_BINS, np.int64)
    total = 0
    for y in range(0, inside.shape[0], step):
        for x in range((first[y] + step - 1) // step * step, last[y], step):
            if inside[y, x]:
                counts[min(int(abs(noise[y, x]) * np.float32(_BINS)), _BINS - 1)] += 1
                total += 1
    above = 0
    for k in range(_BINS - 1, -1, -1):
        above += counts[k]
        if above > area * total:
            # Keep the bin that crosses the limit only if nothing lies above it.
            return (k if above == counts[k] else k + 1) / _BINS
    return 0.0


@kernel
def _ternarise(mask, noise, first, last, threshold):
    """Eqs 1 and 2 in place: the foreground (0 or 1) becomes M_t (-1, 0 or 1)."""
    for y in range(mask.shape[0]):
        row, values = mask[y, first[y] : last[y]], noise[y, first[y] : last[y]]
        for x in range(row.size):
            row[x] *= np.int8(values[x] > threshold) - np.int8(values[x] < -threshold)


@kernel
def _apply(
    total, source, depth, delta, mask, changed, dent, bump, threshold, sign, lowest, highest, whole, enabled
):  # fmt: skip
    """Eqs 6 and 7 on the window, into the outputs."""
    # |share| >= threshold / magnitude, in the integers that the filter works in.
    most = 2.0**30
    up = np.int32(min(math.ceil(threshold / dent * ONE), most) if dent > 0 else most)
    down = np.int32(-min(math.ceil(threshold / bump * ONE), most) if bump > 0 else -most)
    marked = padded(total.shape[1])
    found = np.empty(marked.size, np.int32)
    for y in range(total.shape[0]):
        _refine(marked, mask[y], total[y], up, down)
        for n in range(nonzero(marked, found) if enabled else 0):
            x = found[n]
            z = source[y, x]
            if not (z > 0 and z < np.inf):
                continue
            changed[y, x] = True
            share = total[y, x] / ONE
            moved = float(z) + sign * (share * (dent if share > 0 else bump))
            if whole:
                moved = np.rint(moved)
            depth[y, x] = min(max(moved, lowest), highest)
            delta[y, x] = float(depth[y, x]) - float(z)


@kernel
def _refine(marked, mask, total, up, down):
    """Eq. 7 on one row."""
    for x in range(mask.size):
        marked[x] = (total[x] >= up) | (total[x] <= down)
    for x in range(mask.size):
        mask[x] = marked[x]
