"""Another good part, from which patches are pasted: checked, and as a scene takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth, as_rgb
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis.blend import in_unit_range
from das3d_aug.synthesis.defects import SKEWED
from das3d_aug.synthesis.foreground import Foreground, Policy, as_foreground
from das3d_aug.synthesis.kinds import kind_named
from das3d_aug.synthesis.plan import Plan
from das3d_aug.synthesis.recipe import Recipe

__all__ = ["Donor", "DonorPart", "as_donor", "check_takes"]

Donor: TypeAlias = tuple[NDArray[Any] | None, NDArray[Any] | None] | tuple[Any, Any, Foreground]
"""Colour and depth of another good part, and where the part is (as the pair's policy finds it, if left out)."""


@dataclass(frozen=True, eq=False)
class DonorPart:
    """A checked donor: what the pair has, of its shapes and dtypes."""

    rgb: NDArray[Any] | None
    depth: NDArray[Any] | None
    foreground: Policy | NDArray[np.bool_]


def check_takes(recipe: Recipe, asked: str) -> None:
    """Refuse a recipe of which no kind takes patches from donors, which were ``asked`` for: they would mean nothing."""
    kinds = recipe.kinds or {}
    if not any(weight and name != SKEWED and kind_named(name).donor for name, weight in kinds.items()):
        raise ParameterError(
            f"{asked} is for kinds that take patches, and the recipe has none: give kinds = {{paste = 1}}"
        )


def as_donor(
    donor: Any, rgb: NDArray[Any] | None, depth: NDArray[Any] | None, foreground: Policy | NDArray[np.bool_], plan: Plan
) -> DonorPart | None:
    """Check a donor for a checked pair, its foreground and a plan of defects; None if that takes nothing from it.

    Raises
    ------
    ParameterError
        If it lacks what the pair has, or has another shape or dtype; or if it is None, and the plan needs it.
    """
    takes = plan.takes_from_donor
    if donor is None:
        if takes:
            raise ParameterError("plan takes patches from another part: give that part as donor=(rgb, depth)")
        return None
    if not isinstance(donor, tuple) or len(donor) not in (2, 3):
        what = f"a tuple of {len(donor)}" if isinstance(donor, tuple) else type(donor).__name__
        raise ParameterError(f"donor must be (rgb, depth) or (rgb, depth, foreground), got {what}")
    found: dict[str, NDArray[Any] | None] = {"rgb": None, "depth": None}
    for name, own, other in (("rgb", rgb, donor[0]), ("depth", depth, donor[1])):
        if own is None:
            continue
        if other is None:
            raise ParameterError(f"donor has no {name}, and the pair has: give both of the donor")
        called = f"{name} of the donor"
        array = as_rgb(other, name=called, grey=True) if name == "rgb" else as_depth(other, called)
        if array.shape != own.shape or array.dtype != own.dtype:
            raise ParameterError(
                f"{called} must be as the pair's, {own.dtype} {own.shape}, got {array.dtype} {array.shape}"
            )
        if name == "rgb" and not in_unit_range(array):
            raise ParameterError(f"{called} must lie in [0, 1] without NaN: divide it by its full scale")
        found[name] = array
    policy = foreground if isinstance(foreground, str) else "auto"
    part = as_foreground(donor[2] if len(donor) == 3 else policy, plan.shape)
    if depth is None and isinstance(part, str):
        part = "all"
    return DonorPart(found["rgb"], found["depth"], part) if takes else None
