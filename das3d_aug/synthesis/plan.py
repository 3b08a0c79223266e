"""What was drawn for one sample, in plain numbers.

A plan says everything that a sample needs beside its input, goes to JSON and back without loss, and renders to the
same bytes anywhere.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from das3d_aug._arguments import assembled, check_number, check_option, check_shape, check_whole
from das3d_aug.errors import FileError, ParameterError, brief, quoted
from das3d_aug.files import read_json
from das3d_aug.synthesis.defects import Defects
from das3d_aug.synthesis.foreground import DepthAxis
from das3d_aug.synthesis.kinds import kind_named
from das3d_aug.textures import TexturePlan

__all__ = ["Plan"]

VERSION = 1  # of the plan's fields and of what they mean
_WITH_DEFECTS = 2  # of a plan of other kinds than the paper's
_WITH_PLACES = 3  # of one whose defects are not anywhere on the part, or come from another part


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that was drawn for one sample (`Recipe.draw`), in plain numbers.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the pair, in pixels.
    anomalous : bool
        False: the sample stays as it is.
    drop_rgb, drop_depth : bool
        The modality stays as it is (``d_I``, ``d_Z`` of eq. 12).
    noise_seed : int
        64-bit key of the Perlin noise.
    resolution : (int, int)
        Noise cells over the height and the width.
    rotation : float
        Rotation of the noise, in degrees.
    threshold : float
        ``t_p`` of eq. 1; unused where ``area`` is given.
    area : float or None
        Share of the foreground that the ternary mask covers; ``t_p`` is then that quantile of the noise.
    skew : bool
        False: ``Delta_Z = M_t``, without the filter (Table 6).
    alpha : (float, float)
        Skew in 1/px along rows and columns (eq. 3).
    covariance : (float, float, float)
        ``Sigma`` in px²: row variance, covariance, column variance.
    dent, bump : float
        ``p_z`` of positive and of negative change (eq. 6), in ``magnitude_unit``.
    magnitude_unit : {"range", "depth"}
        Of the object's range of depth, or the depth's own unit.
    mask_threshold : float
        ``t_h`` of eq. 7, in ``magnitude_unit``.
    depth_axis : {"away", "towards"}
        Whether depth is a distance from the camera or a height towards it.
    beta : float
        Share of the image that stays (eq. 8).
    texture : TexturePlan
        Which texture, where, and how varied.
    version : int
        Of this format.
    defects : Defects or None
        Defects of other kinds than the paper's; then the fields of that one (noise to texture) mean nothing.
    """

    shape: tuple[int, int]
    anomalous: bool
    drop_rgb: bool
    drop_depth: bool
    noise_seed: int
    resolution: tuple[int, int]
    rotation: float
    threshold: float
    area: float | None
    skew: bool
    alpha: tuple[float, float]
    covariance: tuple[float, float, float]
    dent: float
    bump: float
    magnitude_unit: Literal["range", "depth"]
    mask_threshold: float
    depth_axis: DepthAxis
    beta: float
    texture: TexturePlan
    version: int = VERSION
    defects: Defects | None = None

    def __repr__(self) -> str:
        """Say what is done to what; `to_json` has the numbers."""
        height, width = self.shape
        changed = " and ".join(name for name, drop in (("rgb", self.drop_rgb), ("depth", self.drop_depth)) if not drop)
        kinds = ["skewed"] if self.defects is None else [item.kind for item in self.defects.items]
        words = f"{', '.join(kinds)} in {changed}" if self.anomalous else "normal"
        return f"Plan({height} x {width}, {words})"

    def with_texture(self, name: str) -> Plan:
        """Return the plan with its texture's name filled in."""
        texture = assembled(TexturePlan, {**self.texture.__dict__, "name": name})
        return assembled(Plan, {**self.__dict__, "texture": texture})

    def with_donor(self) -> Plan:
        """Return the plan with patches that come from another part, where it has any."""
        if self.defects is None:
            return self
        taken = any(kind_named(item.kind).donor for item in self.defects.items)
        return dataclasses.replace(self, defects=dataclasses.replace(self.defects, donor=taken))

    @property
    def takes_from_donor(self) -> bool:
        """Whether patches come from another part, which must then be given."""
        return self.defects is not None and self.defects.donor

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, ready for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["texture"] = self.texture.to_dict()
        del values["defects"]
        if self.defects is not None:
            placed = self.defects.donor or any(item.where != "anywhere" for item in self.defects.items)
            values |= {"version": _WITH_PLACES if placed else _WITH_DEFECTS, "defects": self.defects.to_dict()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """Rebuild a plan from `to_dict`.

        Raises
        ------
        ParameterError
            If a key is missing or unknown, the version is newer than this program, or a value cannot be used.
        """
        if not isinstance(values, dict):
            raise ParameterError(f"plan must be a dict, got {type(values).__name__}")
        version = values.get("version")
        if isinstance(version, bool) or version not in (VERSION, _WITH_DEFECTS, _WITH_PLACES):
            raise ParameterError(f"plan has version {quoted(version)}; this das3d reads up to {_WITH_PLACES}")
        names = {f.name for f in dataclasses.fields(cls)} - ({"defects"} if version == VERSION else set())
        if values.keys() != names:
            raise ParameterError(
                f"plan has missing or unknown keys: {brief(', '.join(sorted(map(str, values.keys() ^ names))))}"
            )
        defects = Defects.from_dict(values["defects"]) if version != VERSION else None
        return cls(**_checked(values), texture=TexturePlan.from_dict(values["texture"]), defects=defects)

    def to_json(self) -> str:
        """Return the plan as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Rebuild a plan from `to_json`; raises `ParameterError` as `from_dict` does."""
        if not isinstance(text, str):
            raise ParameterError(f"plan must be JSON text, got {quoted(text)}")
        try:
            return cls.from_dict(read_json("plan", data=text.encode("utf-8", "surrogatepass")))
        except FileError as error:
            raise ParameterError(f"plan {error.reason}") from None


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields but for the texture, as the kernels take them: ints in the place of floats compile them anew.

    Numbers that the kernels cannot take are refused: a plan may come from a file.
    """
    plain: dict[str, Any] = {"shape": check_shape(values["shape"])}
    for name in ("anomalous", "drop_rgb", "drop_depth", "skew"):
        if not isinstance(values[name], bool):
            raise ParameterError(f"{name} must be true or false, got {quoted(values[name])}")
        plain[name] = values[name]
    plain["noise_seed"] = check_whole("noise_seed", values["noise_seed"], 0, 2**64 - 1)
    plain["resolution"] = tuple(
        check_whole("resolution", cells, 1, 4096) for cells in _several(values, "resolution", 2)
    )
    for name, length in (("alpha", 2), ("covariance", 3)):
        plain[name] = tuple(check_number(name, value, -1e6, 1e6) for value in _several(values, name, length))
    row, both, column = plain["covariance"]
    if row <= 0 or row * column - both * both <= 0:
        raise ParameterError(f"covariance must be positive definite, got {quoted(plain['covariance'])}")
    for name, least, most in (
        ("rotation", -360, 360), ("threshold", 0, 1), ("area", 1e-6, 1), ("dent", 0, 1e9), ("bump", 0, 1e9),
        ("mask_threshold", 1e-12, 1e9), ("beta", 0, 1),
    ):  # fmt: skip
        unset = name == "area" and values[name] is None
        plain[name] = None if unset else check_number(name, values[name], least, most)
    for name, options in (("magnitude_unit", ("range", "depth")), ("depth_axis", ("away", "towards"))):
        check_option(name, values[name], options)
        plain[name] = values[name]
    return plain


def _several(values: Mapping[str, Any], name: str, length: int) -> Sequence[Any]:
    value = values[name]
    if not isinstance(value, (list, tuple)) or len(value) != length:
        raise ParameterError(f"{name} must be {length} numbers, got {quoted(value)}")
    return value
