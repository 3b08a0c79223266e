"""The kinds by name: those that ship, those that were registered, and those of plug-ins."""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points

from das3d_aug.errors import ParameterError, brief, quoted
from das3d_aug.synthesis.kinds.base import DefectKind
from das3d_aug.synthesis.kinds.contamination import contamination
from das3d_aug.synthesis.kinds.crack import crack
from das3d_aug.synthesis.kinds.crater import crater
from das3d_aug.synthesis.kinds.cut import cut
from das3d_aug.synthesis.kinds.dent import dent
from das3d_aug.synthesis.kinds.flat import flat
from das3d_aug.synthesis.kinds.fray import fray
from das3d_aug.synthesis.kinds.hole import chunk, hole
from das3d_aug.synthesis.kinds.layer import layer
from das3d_aug.synthesis.kinds.missing import missing
from das3d_aug.synthesis.kinds.moved import bend, shear, shift, stretch
from das3d_aug.synthesis.kinds.paste import paste
from das3d_aug.synthesis.kinds.pits import pits
from das3d_aug.synthesis.kinds.ridge import ridge
from das3d_aug.synthesis.kinds.ripple import ripple
from das3d_aug.synthesis.kinds.scratch import scratch
from das3d_aug.synthesis.kinds.spall import spall
from das3d_aug.synthesis.kinds.stain import stain

__all__ = ["KINDS", "SKEWED", "all_kinds", "kind_named", "register_kind"]

SKEWED = "skewed"
"""The paper's own kind, which has its fields in the plan itself and is alone in its sample."""

_GROUP = "das3d.kinds"

KINDS: dict[str, DefectKind] = {
    kind.name: kind
    for kind in (
        dent, missing, ridge, crater, pits, ripple, flat, crack, scratch, cut, hole, chunk, spall, contamination, stain,
        fray, shear, stretch, bend, shift, layer, paste,
    )
}  # fmt: skip
"""Kinds by name, in the order in which they are listed: those that ship, and others once they were asked for."""


def register_kind(kind: DefectKind) -> None:
    """Add a kind under its name.

    Raises
    ------
    ParameterError
        If it is no `DefectKind`, or the name is taken.
    """
    if not isinstance(kind, DefectKind):
        raise ParameterError(f"kind must be a das3d_aug.synthesis.kinds.DefectKind, got {type(kind).__name__}")
    if kind.name in KINDS or kind.name == SKEWED:
        raise ParameterError(f"kind must have a new name, {kind.name!r} is taken")
    KINDS[kind.name] = kind


def all_kinds() -> dict[str, DefectKind]:
    """Return every kind by its name, those of plug-ins too; of a plug-in that cannot be loaded a warning says why."""
    found = {}
    for name in dict.fromkeys([*KINDS, *(point.name for point in entry_points(group=_GROUP))]):
        try:
            found[name] = kind_named(name)
        except ParameterError as error:
            warnings.warn(str(error), stacklevel=2)
    return found


def kind_named(name: str) -> DefectKind:
    """Return a kind; one that is not known is looked for among the plug-ins (entry points of ``das3d.kinds``).

    Raises
    ------
    ParameterError
        If there is none of that name, or its plug-in cannot be loaded.
    """
    if name not in KINDS:
        found = {point.name: point for point in entry_points(group=_GROUP)}
        if name not in found:
            raise ParameterError(f"kind must be one of {', '.join([*KINDS, *found])}, got {quoted(name)}")
        try:
            kind = found[name].load()
            if getattr(kind, "name", name) != name:
                raise ParameterError(f"its kind has another name, {kind.name!r}")
            register_kind(kind)
        except (Exception, SystemExit) as error:  # whatever a foreign module raises when it is imported
            raise ParameterError(
                f"the plug-in {found[name].value} of kind {name!r} cannot be loaded: {brief(str(error))}"
            ) from error
    return KINDS[name]
