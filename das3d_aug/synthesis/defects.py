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
from das3d_aug.synthesis.kinds.registry import SKEWED
from das3d_aug.synthesis.places import PLACEMENTS, Placement
from das3d_aug.synthesis.ranges import Span, draw_log, draw_whole
from das3d_aug.textures import TexturePlan, draw_texture

__all__ = ["MOST_SOFT", "SKEWED", "Defect", "Defects", "LengthUnit", "direction", "draw_defect", "draw_light"]

LengthUnit = Literal["relative", "mm"]
_MOST = 64  # defects of a sample
MOST_SOFT = 32
"""The largest softness: a blur of 4 pixels."""

_ELEVATION = (25.0, 60.0)  # degrees of the light from the camera's axis


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One defect.

    Attributes
    ----------
    kind : str
        As `das3d_aug.synthesis.kinds.KINDS` names it.
    place : (float, float)
        Its centre: the share of the part's pixels (or of those that ``where`` or its kind ask for) that lie in rows
        above it, and the share of those in its row that lie left of it.
    size : float
        Its length, over the part's extent (the square root of its area in pixels), or in mm.
    height : float
        Over the part's range of depth, or in mm; positive away from the camera.  Over the range, it is cut to half the
        defect's width.
    elongation, angle : float
        Width over length; direction of the length in degrees from the column axis.
    follows : bool
        Whether its length runs along the lay of the surface there (`das3d_aug.synthesis.lay`), where it has one: turned
        out of it by (angle - 180) / 20 degrees.
    seed : int
        64 bits, for all that is random in its shape.
    values : mapping of str to float
        The kind's own numbers; read-only.
    texture : TexturePlan or None
        The foreign texture, of kinds that bring one.
    contrast : float
        How much of its change of colour is seen, 0 … 1; what is lost or moved is seen as it is.
    softness : int
        How often it is smoothed by (1 2 1) / 4 along rows and columns, as optics and sensors do: a blur of
        sqrt(softness / 2) pixels.
    where : {"anywhere", "edge", "structure"}
        Which of the part's pixels ``place`` counts.
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
    contrast: float = 1.0
    softness: int = 0
    follows: bool = False
    where: Placement = "anywhere"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", ReadOnly(self.values))

    @classmethod
    def from_dict(cls, values: Any) -> Defect:
        """Rebuild a defect from plain values; raises `ParameterError` if one cannot be used."""
        names = {f.name for f in dataclasses.fields(cls)}
        if isinstance(values, dict):  # as plans of before were
            values = {"contrast": 1.0, "softness": 0, "follows": False, "where": "anywhere", **values}
        if not isinstance(values, dict) or values.keys() != names:
            raise ParameterError(f"defect must have {', '.join(sorted(names))}, got {quoted(values)}")
        kind, own = values["kind"], values["values"]
        if not isinstance(kind, str) or not isinstance(own, dict):
            raise ParameterError(f"defect must name its kind and that kind's values, got {quoted(values)}")
        own = own | {name: number for name, number in kind_named(kind).added.items() if name not in own}
        expected = kind_named(kind).draw(Stream(0)).keys()
        if own.keys() != expected:
            raise ParameterError(f"values of kind {kind!r} must be {', '.join(expected)}, got {quoted(list(own))}")
        numbers = {
            name: check_number(name, values[name], low, high)
            for name, low, high in (
                ("size", 1e-6, 1e9), ("height", -1e9, 1e9), ("elongation", 1e-3, 1),
                ("angle", -360, 360), ("contrast", 0, 1),
            )
        }  # fmt: skip
        place = values["place"]
        if not isinstance(place, list | tuple) or len(place) != 2:
            raise ParameterError(f"place must be two shares in 0 … 1, got {quoted(place)}")
        check_option("where", values["where"], PLACEMENTS)
        return cls(
            kind=kind,
            where=values["where"],
            place=(check_number("place", place[0], 0, 1), check_number("place", place[1], 0, 1)),
            seed=check_whole("seed", values["seed"], 0, 2**64 - 1),
            values={name: check_number(name, number, -1e9, 1e9) for name, number in own.items()},
            texture=None if values["texture"] is None else TexturePlan.from_dict(values["texture"]),
            softness=check_whole("softness", values["softness"], 0, MOST_SOFT),
            follows=_yes(values["follows"]),
            **numbers,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and dicts, ready for JSON."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.where == "anywhere":  # as before
            del plain["where"]
        return plain | {
            "place": list(self.place),
            "values": dict(self.values),
            "texture": None if self.texture is None else self.texture.to_dict(),
        }


def _yes(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(f"follows must be true or false, got {quoted(value)}")
    return value


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
    donor : bool
        Whether kinds that can take from another good part do: then it must be given.
    """

    items: tuple[Defect, ...]
    light: tuple[float, float] | None
    length_unit: LengthUnit
    donor: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        light = None if self.light is None else list(self.light)
        plain = {"items": [item.to_dict() for item in self.items], "light": light, "length_unit": self.length_unit}
        return plain | ({"donor": True} if self.donor else {})

    @classmethod
    def from_dict(cls, values: Any) -> Defects:
        """Rebuild from `to_dict`; raises `ParameterError` if a value cannot be used."""
        names = {f.name for f in dataclasses.fields(cls)}
        if isinstance(values, dict):  # plans of before there were donors do not say it
            values = {"donor": False, **values}
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
        if not isinstance(values["donor"], bool):
            raise ParameterError(f"donor must be true or false, got {quoted(values['donor'])}")
        return cls(
            items=tuple(Defect.from_dict(item) for item in items),
            light=light,
            length_unit=values["length_unit"],
            donor=values["donor"],
        )


def draw_defect(
    stream: Stream,
    kind: DefectKind,
    *,
    size: Span | None = None,
    height: Span | None = None,
    contrast: tuple[float, float] = (1.0, 1.0),
    softness: Span = (0, 0),
    where: Placement = "anywhere",
    dents: float = 0.5,
    operations: int = 3,
) -> Defect:
    """Draw a defect of a kind; its own ranges, and its own place at the edge, hold where none is given."""
    sign = kind.sign or (1 if stream.uniform() >= 1 - dents else -1)
    return Defect(
        kind=kind.name,
        place=(stream.uniform(), stream.uniform()),
        size=draw_log(stream, size or kind.size),
        height=sign * (0.0 if kind.flat else draw_log(stream, height or kind.height)),
        elongation=stream.uniform(*kind.elongation),
        angle=stream.uniform(0.0, 360.0),
        seed=stream.bits(),
        values=kind.draw(stream),
        texture=draw_texture(stream, operations=operations) if kind.texture else None,
        contrast=stream.uniform(*contrast),
        softness=draw_whole(stream, softness),
        follows=stream.chance(kind.follows),
        where="anywhere" if kind.place == "edge" else where,
    )


def draw_light(stream: Stream) -> tuple[float, float]:
    """Draw where the light stands, in degrees: all around, and 25 … 60 from the camera's axis."""
    return stream.uniform(0.0, 360.0), stream.uniform(*_ELEVATION)


def direction(light: tuple[float, float]) -> tuple[float, float, float]:
    """Return the unit vector to the light: rows, columns, towards the camera."""
    around, away = (math.radians(angle) for angle in light)
    return math.cos(around) * math.sin(away), math.sin(around) * math.sin(away), math.cos(away)
