"""What is known of a recipe's fields beside their defaults: limits of numbers, the realistic weights, their text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from das3d_aug.synthesis.defects import MOST_SOFT

__all__ = ["LIMITS", "OF_KINDS", "OF_THE_PAPER", "REALISTIC", "Limits", "in_toml", "plain"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the numbers of a field may be.

    Attributes
    ----------
    ends : (float, float)
        What is not between them is refused.
    usual : (float, float)
        What a slider reaches; any number between ``ends`` may be typed.
    scale : {"linear", "log", "octaves"}
        How a slider runs; "octaves" are powers of two.
    unit : str
        Of the numbers, as people read it.
    whole : bool
        Whether they are whole.
    """

    ends: tuple[float, float]
    usual: tuple[float, float]
    scale: Literal["linear", "log", "octaves"] = "linear"
    unit: str = ""
    whole: bool = False


LIMITS: Mapping[str, Limits] = {
    "resolution": Limits(ends=(1, 4096), usual=(1, 64), scale="octaves", unit="cells", whole=True),
    "rotation": Limits(ends=(-360, 360), usual=(-180, 180), unit="°"),
    "threshold": Limits(ends=(0, 1), usual=(0, 1)),
    "area": Limits(ends=(1e-6, 1), usual=(0.0005, 0.5), scale="log", unit="of the part"),
    "alpha": Limits(ends=(-10, 10), usual=(-1, 1), unit="per px"),
    "sigma": Limits(ends=(0.1, 500), usual=(0.5, 20), scale="log", unit="px"),
    "anisotropy": Limits(ends=(0.02, 1), usual=(0.02, 1)),
    "reference_size": Limits(ends=(1, 2**20), usual=(64, 1024), scale="log", unit="px", whole=True),
    "magnitude": Limits(ends=(0, 1e9), usual=(0, 1), unit="of the part's range"),
    "bump_magnitude": Limits(ends=(0, 1e9), usual=(0, 1), unit="of the part's range"),
    "mask_threshold": Limits(ends=(1e-12, 1e9), usual=(0.0005, 0.2), scale="log", unit="of the part's range"),
    "beta": Limits(ends=(0, 1), usual=(0, 1)),
    "texture_operations": Limits(ends=(0, 9), usual=(0, 9), whole=True),
    "probability": Limits(ends=(0, 1), usual=(0, 1)),
    "dropout": Limits(ends=(0, 1), usual=(0, 1)),
    "kinds": Limits(ends=(0, 1e9), usual=(0, 5)),
    "count": Limits(ends=(1, 32), usual=(1, 12), unit="per sample", whole=True),
    "size": Limits(ends=(1e-4, 1e6), usual=(0.01, 1), scale="log", unit="of the part's extent"),
    "height": Limits(ends=(1e-6, 1e6), usual=(0.005, 1), scale="log", unit="of the part's range"),
    "contrast": Limits(ends=(0.01, 1), usual=(0.01, 1)),
    "softness": Limits(ends=(0, MOST_SOFT), usual=(0, MOST_SOFT), unit="times", whole=True),
    "placement": Limits(ends=(0, 1e9), usual=(0, 5)),
    "dents": Limits(ends=(0, 1), usual=(0, 1)),
}
"""By field, all that hold numbers; those of ``kinds`` and ``placement`` are weights."""

OF_KINDS = (
    "kinds", "count", "size", "height", "contrast", "softness", "length_unit", "relight", "placement", "dents",
)  # fmt: skip
"""The fields of other kinds than the paper's."""

OF_THE_PAPER = (
    "area", "magnitude", "bump_magnitude", "beta", "resolution", "rotation", "threshold", "skew", "alpha", "sigma",
    "anisotropy", "reference_size",
)  # fmt: skip
"""The fields of the paper's kind alone; what is in neither list is of all samples."""

REALISTIC = {
    "skewed": 1.0, "dent": 3.0, "missing": 2.0, "ridge": 1.0, "crater": 1.0, "pits": 2.0, "ripple": 0.5, "flat": 1.0,
    "crack": 3.0, "scratch": 2.0, "cut": 2.0, "hole": 2.0, "chunk": 1.5, "spall": 2.0, "contamination": 3.0,
    "stain": 2.0, "fray": 1.0, "shear": 0.5, "stretch": 0.5, "bend": 0.5, "shift": 0.5, "layer": 1.0, "paste": 2.0,
}  # fmt: skip
"""Weights of `das3d_aug.Recipe.realistic`."""


def in_toml(value: Any) -> str:
    """Return a field's value in TOML, which has no null: ``"none"``."""
    if not isinstance(value, Mapping):
        return json.dumps("none" if value is None else value)
    pairs = (f"{_key(name)} = {json.dumps(part)}" for name, part in value.items())
    return f"{{ {', '.join(pairs)} }}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return a field's value in numbers, strings, lists and dicts."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    return list(value) if isinstance(value, tuple) else value
