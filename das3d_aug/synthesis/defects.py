"""Defects of any kind in plain numbers: drawn from a stream, to JSON and back without loss.

What a kind does with its numbers is in `das3d_aug.synthesis.kinds`, how that becomes an image in `scene.py`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from das3d_aug._arguments import ReadOnly, check_number, check_option, check_whole
from das3d_aug.errors import ParameterError, quoted
from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds import DefectKind, kind_named
from das3d_aug.textures import TexturePlan, draw_texture

__all__ = ["SKEWED", "Defect", "Defects", "LengthUnit", "direction", "draw_defect", "draw_light"]

SKEWED = "skewed"
"""The paper's own kind, which has its fields in the plan itself and is alone in its sample."""

LengthUnit = Literal["relative", "mm"]
_MOST = 64  # defects of a sample
_ELEVATION = (25.0, 60.0)  # degrees of the light from the camera's axis


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One defect.

    Attributes
    ----------
    kind : str
        As `das3d_aug.synthesis.kinds.KINDS` names it.
    place : (float, float)
        Its centre: the share of the part's pixels (or of those at its edge) that lie in rows above it, and the share
        of those in its row that lie left of it.
    size : float
        Its length, over the part's extent (the square root of its area in pixels), or in mm.
    height : float
        Over the part's range of depth, or in mm; positive away from the camera.
    elongation, angle : float
        Width over length; direction of the length in degrees from the column axis.
    seed : int
        64 bits, for all that is random in its shape.
    values : mapping of str to float
        The kind's own numbers; read-only.
    texture : TexturePlan or None
        The foreign texture, of kinds that bring one.
    """

    kind: str
    place: tuple[float, float]
    size: float
    height: float
    elongation: float
    angle: float
    seed: int
    values: Mapping[str, float]
    texture: TexturePlan | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", ReadOnly(self.values))

    @classmethod
    def from_dict(cls, values: Any) -> Defect:
        """Rebuild a defect from plain values; raises `ParameterError` if one cannot be used."""
        names = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(values, dict) or values.keys() != names:
            raise ParameterError(f"defect must have {', '.join(sorted(names))}, got {quoted(values)}")
        kind, own = values["kind"], values["values"]
        if not isinstance(kind, str) or not isinstance(own, dict):
            raise ParameterError(f"defect must name its kind and that kind's values, got {quoted(values)}")
        expected = kind_named(kind).draw(Stream(0)).keys()
        if own.keys() != expected:
            raise ParameterError(f"values of kind {kind!r} must be {', '.join(expected)}, got {quoted(list(own))}")
        numbers = {
            name: check_number(name, values[name], low, high)
            for name, low, high in (
                ("size", 1e-6, 1e9), ("height", -1e9, 1e9), ("elongation", 1e-3, 1),
                ("angle", -360, 360),
            )
        }  # fmt: skip
        place = values["place"]
        if not isinstance(place, list | tuple) or len(place) != 2:
            raise ParameterError(f"place must be two shares in 0 … 1, got {quoted(place)}")
        return cls(
            kind=kind,
            place=(check_number("place", place[0], 0, 1), check_number("place", place[1], 0, 1)),
            seed=check_whole("seed", values["seed"], 0, 2**64 - 1),
            values={name: check_number(name, number, -1e9, 1e9) for name, number in own.items()},
            texture=None if values["texture"] is None else TexturePlan.from_dict(values["texture"]),
            **numbers,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and dicts, ready for JSON."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return plain | {
            "place": list(self.place),
            "values": dict(self.values),
            "texture": None if self.texture is None else self.texture.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Defects:
    """The defects of one sample.

    Attributes
    ----------
    items : tuple of Defect
        In the order in which they are put on.
    light : (float, float) or None
        Direction of the light where the image does not tell it, in degrees: of its foot from the row axis, and from
        the camera's axis.  None: colour does not follow the change of shape.
    length_unit : {"relative", "mm"}
        Of sizes and heights.
    """

    items: tuple[Defect, ...]
    light: tuple[float, float] | None
    length_unit: LengthUnit

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        light = None if self.light is None else list(self.light)
        return {"items": [item.to_dict() for item in self.items], "light": light, "length_unit": self.length_unit}

    @classmethod
    def from_dict(cls, values: Any) -> Defects:
        """Rebuild from `to_dict`; raises `ParameterError` if a value cannot be used."""
        names = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(values, dict) or values.keys() != names:
            raise ParameterError(f"defects must have {', '.join(sorted(names))}, got {quoted(values)}")
        items, light = values["items"], values["light"]
        if not isinstance(items, list | tuple) or len(items) > _MOST:
            raise ParameterError(f"items must be at most {_MOST} defects, got {quoted(items)}")
        if light is not None:
            if not isinstance(light, list | tuple) or len(light) != 2:
                raise ParameterError(f"light must be two angles in degrees, got {quoted(light)}")
            light = (check_number("light", light[0], -360, 360), check_number("light", light[1], 0, 89))
        check_option("length_unit", values["length_unit"], ("relative", "mm"))
        return cls(
            items=tuple(Defect.from_dict(item) for item in items), light=light, length_unit=values["length_unit"]
        )


def draw_defect(
    stream: Stream,
    kind: DefectKind,
    *,
    size: tuple[float, float] | None = None,
    height: tuple[float, float] | None = None,
    operations: int = 3,
) -> Defect:
    """Draw a defect of a kind; its own ranges hold where none is given."""
    low, high = size or kind.size
    least, most = (0.0, 0.0) if kind.flat else height or kind.height
    sign = kind.sign or stream.choice((-1, 1))
    return Defect(
        kind=kind.name,
        place=(stream.uniform(), stream.uniform()),
        size=stream.log_uniform(low, high),
        height=sign * (stream.log_uniform(least, most) if least > 0 else 0.0),
        elongation=stream.uniform(*kind.elongation),
        angle=stream.uniform(0.0, 360.0),
        seed=stream.bits(),
        values=kind.draw(stream),
        texture=draw_texture(stream, operations=operations) if kind.texture else None,
    )


def draw_light(stream: Stream) -> tuple[float, float]:
    """Draw where the light stands, in degrees: all around, and 25 … 60 from the camera's axis."""
    return stream.uniform(0.0, 360.0), stream.uniform(*_ELEVATION)


def direction(light: tuple[float, float]) -> tuple[float, float, float]:
    """Return the unit vector to the light: rows, columns, towards the camera."""
    around, away = (math.radians(angle) for angle in light)
    return math.cos(around) * math.sin(away), math.sin(around) * math.sin(away), math.cos(away)
