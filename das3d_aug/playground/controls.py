"""The controls of a page, one for each field of a recipe: all that they say is read from the class."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from das3d_aug.synthesis import Recipe
from das3d_aug.synthesis.kinds import all_kinds
from das3d_aug.synthesis.kinds.registry import SKEWED
from das3d_aug.synthesis.places import PLACEMENTS
from das3d_aug.synthesis.recipe_fields import LIMITS, OF_KINDS, OF_THE_PAPER, plain

__all__ = ["about_kinds", "controls", "values_of"]

_SKEWED = "the paper's kind: blots of Perlin noise with skewed flanks, filled with a foreign texture"
_KINDS, _DEFECTS, _PAPER, _ALL = "Kinds", "Defects of these kinds", "The paper's kind, skewed", "All samples"


def controls(recipe: type[Any] = Recipe) -> list[dict[str, Any]]:
    """Return what a page needs to show a control for each field of a class of recipes, in order of its groups.

    Returns
    -------
    list of dict
        ``name``, ``group``, ``about`` (of the docstring), ``form`` ("flag", "choice", "number", "range", "span",
        "weights"), ``optional`` (whether it may be None), ``options`` (of "choice", and names of "weights"),
        ``default``;
        ``start``, with which one begins that was None; of numbers what `das3d_aug.synthesis.recipe_fields.Limits` has.
    """
    hints, said = get_type_hints(recipe), _said(recipe)
    realistic = values_of(Recipe.realistic())
    found = []
    for f in dataclasses.fields(recipe):
        if f.init:
            form, optional, options = _form(f.name, hints[f.name])
            default = plain(f.default)
            limits = dataclasses.asdict(LIMITS[f.name]) if f.name in LIMITS else {}
            start = default if default is not None else realistic.get(f.name)
            if start is None:
                start = _start(form, options, limits)
            found.append(
                {
                    "name": f.name,
                    "group": _group(f.name),
                    "about": said.get(f.name, ""),
                    "form": form,
                    "optional": optional,
                    "options": options,
                    "default": default,
                    "start": start,
                    **limits,
                }
            )
    order = [_KINDS, _DEFECTS, _ALL, _PAPER]
    return sorted(found, key=lambda control: order.index(control["group"]))


def values_of(recipe: Recipe) -> dict[str, Any]:
    """Return all fields of a recipe in numbers, strings, lists and dicts, whether or not they are the defaults."""
    return {f.name: plain(getattr(recipe, f.name)) for f in dataclasses.fields(recipe) if f.init}


def about_kinds() -> dict[str, str]:
    """Return what each kind is, by its name: the paper's, those that ship and those of plug-ins."""
    return {SKEWED: _SKEWED} | {name: kind.about for name, kind in all_kinds().items()}


def _form(name: str, hint: Any) -> tuple[str, bool, list[str]]:
    """Return the form of a control, whether None is a value, and what it chooses from."""
    union = get_origin(hint) in (Union, types.UnionType)
    kinds = [part for part in (get_args(hint) if union else (hint,)) if part is not type(None)]
    optional = union and len(kinds) < len(get_args(hint))
    origins = {get_origin(part) or part for part in kinds}
    if origins == {Literal}:
        return "choice", optional, [str(option) for part in kinds for option in get_args(part)]
    if origins == {tuple, Mapping}:
        return "span", optional, []
    if origins == {Mapping}:
        return "weights", optional, {"kinds": list(about_kinds()), "placement": list(PLACEMENTS)}.get(name, [])
    form = {bool: "flag", int: "number", float: "number", tuple: "range"}.get(next(iter(origins)))
    if form is None or len(origins) > 1:
        raise TypeError(f"no control is known for the field {name} of type {hint}")
    return form, optional, []


def _start(form: str, options: list[str], limits: Mapping[str, Any]) -> Any:
    """Return a first value of a field that is None."""
    if form == "weights":
        return {name: float(at == 0) for at, name in enumerate(options)}
    low, high = limits["usual"]
    return [low, high] if form in ("range", "span") else round((low * high) ** 0.5)


def _group(name: str) -> str:
    if name == "kinds":
        return _KINDS
    return _DEFECTS if name in OF_KINDS else _PAPER if name in OF_THE_PAPER else _ALL


def _said(recipe: type[Any]) -> dict[str, str]:
    """Return what the section of attributes of a docstring says, by name."""
    section = re.search(r"^Attributes\n-+\n(.*?)(?:^\w+\n-+\n|\Z)", inspect.getdoc(recipe) or "", re.M | re.S)
    found: dict[str, str] = {}
    for names, text in re.findall(
        r"^(\w[\w, ]*) : .*\n((?:    .*\n|\n)+)", (section[1] if section else "") + "\n", re.M
    ):
        said = " ".join(text.replace("``", "").replace("`", "").split())
        found |= dict.fromkeys(names.split(", "), said)
    return found
