"""What may be drawn (`Recipe`, ranges) and what was drawn (`Plan`, plain numbers).

Drawing is split from rendering: a plan says everything that a sample needs beside its input, goes to JSON and
back without loss, and renders to the same bytes anywhere.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from das3d_aug._texture_plan import TexturePlan, draw_texture
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.masks import DepthAxis
from das3d_aug.randomness import Stream

__all__ = ["Plan", "Recipe"]

Range: TypeAlias = tuple[float, float]

VERSION = 1  # of the plan's fields and of what they mean


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

    def with_texture(self, name: str) -> Plan:
        """Return the plan with its texture's name filled in."""
        # What `dataclasses.replace` does, without checking and setting every other field: it runs for each sample.
        texture, plan = object.__new__(TexturePlan), object.__new__(Plan)
        texture.__dict__.update(self.texture.__dict__, name=name)
        plan.__dict__.update(self.__dict__, texture=texture)
        return plan

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, ready for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["texture"] = self.texture.to_dict()
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
        if values.get("version") != VERSION:
            raise ParameterError(f"plan has version {values.get('version')!r}; this das3d reads version {VERSION}")
        names = {f.name for f in dataclasses.fields(cls)}
        if values.keys() != names:
            raise ParameterError(f"plan has missing or unknown keys: {sorted(values.keys() ^ names)}")
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        plan = cls(**plain | {"texture": TexturePlan.from_dict(values["texture"])})
        _check_plan(plan)
        return plan

    def to_json(self) -> str:
        """Return the plan as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Rebuild a plan from `to_json`; raises `ParameterError` as `from_dict` does."""
        try:
            values = json.loads(text)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"plan is not JSON: {error}") from None
        return cls.from_dict(values)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The ranges from which every sample is drawn; all are ``(low, high)``, both ends included.

    Attributes
    ----------
    resolution : (int, int)
        Noise cells per axis, drawn as powers of two (1 … 32; prior: DRAEM, 3DSR).
    rotation : (float, float)
        Rotation of the noise in degrees (±90; prior: DRAEM).
    threshold : (float, float)
        ``t_p`` of eq. 1 (0.5; prior: DRAEM). Used only with ``area=None``.
    area : (float, float) or None
        Share of the foreground that the ternary mask covers, drawn log-uniformly; ``t_p`` is then that quantile
        of the noise. Real defects cover 2–3 % of a part, plain Perlin masks 29 % (0.001 … 0.08; ours: after
        the filter has widened it, M* covers 2–3 % in the median). None: plain Perlin masks by ``threshold``,
        as the paper.
    skew : bool
        Whether the ternary mask goes through the skew filter (True; off for Table 6).
    alpha : (float, float)
        Skew per pixel, for each axis (U(-0.5, 0.5); paper).
    sigma : (float, float)
        Standard deviation of the kernel's wider axis in px (1 … 4; ours, about the prior's 2).
    anisotropy : (float, float)
        Narrower over wider standard deviation, in (0, 1] (0.5 … 1; ours). The wider axis points anywhere.
    reference_size : int or None
        If given, ``sigma`` and ``alpha`` are in pixels of an image whose longer side is this long, so that a
        sample looks alike at any resolution (None; the paper works at 256).
    magnitude : (float, float)
        ``p_z`` of eq. 6 (0.05 … 0.3 of the range; ours: real dents are 0.06 … 0.25).
    bump_magnitude : (float, float) or None
        ``p_z`` of bumps, if it differs from that of dents. (0, 0): no bumps.
    magnitude_unit : {"range", "depth"}
        "range": relative to the object's range of depth, as in data normalised to (0, 1). "depth": in the unit
        of the depth image.
    mask_threshold : float
        ``t_h`` of eq. 7, in the same unit (0.01; prior: PG-Mamba3D).
    depth_axis : {"away", "towards"}
        "away": depth is the distance from the camera, +1 of the ternary mask makes a dent. "towards": depth
        is a height, and dents lower it.
    beta : (float, float)
        Share of the image that stays under the texture (U(0, 0.8); paper).
    texture_operations : int
        How many photometric operations vary the texture (3; prior: DRAEM).
    probability : float
        Chance that a sample is anomalous at all, before dropout (1). A defect so small or shallow that it stays
        below ``mask_threshold`` everywhere is not one, by eq. 7: such a sample stays normal.
    dropout : float
        ``p_d`` of eq. 12, for each modality (0.5; prior: PG-Mamba3D; 25 % of samples then stay normal).
    modality : {"rgbd", "rgb", "depth"}
        "rgb" never changes the depth, "depth" never the colour; the other one is then never dropped.

    Raises
    ------
    ParameterError
        If a value cannot be used; the message names the field.
    """

    resolution: tuple[int, int] = (1, 32)
    rotation: Range = (-90.0, 90.0)
    threshold: Range = (0.5, 0.5)
    area: Range | None = (0.001, 0.08)
    skew: bool = True
    alpha: Range = (-0.5, 0.5)
    sigma: Range = (1.0, 4.0)
    anisotropy: Range = (0.5, 1.0)
    reference_size: int | None = None
    magnitude: Range = (0.05, 0.3)
    bump_magnitude: Range | None = None
    magnitude_unit: Literal["range", "depth"] = "range"
    mask_threshold: float = 0.01
    depth_axis: DepthAxis = "away"
    beta: Range = (0.0, 0.8)
    texture_operations: int = 3
    probability: float = 1.0
    dropout: float = 0.5
    modality: Literal["rgbd", "rgb", "depth"] = "rgbd"
    _octaves: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("resolution", 1, 4096), ("rotation", -360, 360), ("threshold", 0, 1), ("area", 1e-6, 1),
            ("alpha", -10, 10), ("sigma", 0.1, 500), ("anisotropy", 0.02, 1), ("magnitude", 0, 1e9),
            ("bump_magnitude", 0, 1e9), ("beta", 0, 1),
        ):  # fmt: skip
            object.__setattr__(self, name, _range(name, getattr(self, name), low, high))
        for name in ("probability", "dropout"):
            _number(name, getattr(self, name), 0, 1)
        _number("mask_threshold", self.mask_threshold, 1e-12, 1e9)
        _whole("texture_operations", self.texture_operations, 0, 9)
        if self.reference_size is not None:
            _whole("reference_size", self.reference_size, 1, 2**20)
        _option("magnitude_unit", self.magnitude_unit, ("range", "depth"))
        _option("depth_axis", self.depth_axis, ("away", "towards"))
        _option("modality", self.modality, ("rgbd", "rgb", "depth"))
        if not isinstance(self.skew, bool):
            raise ParameterError(f"skew must be true or false, got {self.skew!r}")
        if any(cells != int(cells) or int(cells) & (int(cells) - 1) for cells in self.resolution):
            raise ParameterError(f"resolution must be powers of two, got {self.resolution!r}")
        low, high = (int(cells) for cells in self.resolution)
        object.__setattr__(self, "resolution", (low, high))
        object.__setattr__(self, "_octaves", (low.bit_length() - 1, high.bit_length() - 1))

    def draw(self, shape: tuple[int, int], *, seed: int, index: int = 0, epoch: int = 0) -> Plan:
        """Draw one sample's plan; it depends on the recipe, the shape and the three keys alone.

        Parameters
        ----------
        shape : (int, int)
            Height and width of the pair.
        seed, index, epoch : int
            Which run, which sample, and which pass over the data; each 0 … 2**64 - 1.

        Returns
        -------
        Plan
        """
        height, width = _shape(shape)
        stream = Stream(seed, index=index, epoch=epoch)
        scale = 1.0 if self.reference_size is None else max(height, width) / self.reference_size
        anomalous = stream.chance(self.probability)
        drop_rgb, drop_depth = stream.chance(self.dropout), stream.chance(self.dropout)
        if self.modality != "rgbd":
            drop_rgb, drop_depth = self.modality == "depth", self.modality == "rgb"
        octave = self._octaves
        area = self.area and stream.log_uniform(*self.area)
        wide = stream.uniform(*self.sigma) * scale
        narrow = wide * stream.uniform(*self.anisotropy)
        return Plan(
            shape=(height, width),
            anomalous=anomalous,
            drop_rgb=drop_rgb,
            drop_depth=drop_depth,
            noise_seed=stream.bits(),
            resolution=(2 ** stream.integer(*octave), 2 ** stream.integer(*octave)),
            rotation=stream.uniform(*self.rotation),
            threshold=stream.uniform(*self.threshold),
            area=area,
            skew=self.skew,
            alpha=(stream.uniform(*self.alpha) / scale, stream.uniform(*self.alpha) / scale),
            covariance=_covariance(wide, narrow, stream.uniform(0.0, math.pi)),
            dent=stream.uniform(*self.magnitude),
            bump=stream.uniform(*(self.magnitude if self.bump_magnitude is None else self.bump_magnitude)),
            magnitude_unit=self.magnitude_unit,
            mask_threshold=float(self.mask_threshold),
            depth_axis=self.depth_axis,
            beta=stream.uniform(*self.beta),
            texture=draw_texture(stream, operations=self.texture_operations),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON, YAML and TOML."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Rebuild a recipe; fields left out take their defaults, an unknown one raises `ParameterError`."""
        if not isinstance(values, dict):
            raise ParameterError(f"recipe must be a dict, got {type(values).__name__}")
        names = [f.name for f in dataclasses.fields(cls) if f.init]
        unknown = sorted(map(str, values.keys() - set(names)))
        if unknown:
            raise ParameterError(f"recipe has no field {', '.join(unknown)}; there are {', '.join(names)}")
        return cls(**values)

    @classmethod
    def from_toml(cls, path: str | Path) -> Recipe:
        """Read a recipe from a TOML file of field = value lines; ``area = "none"`` stands for None.

        Raises
        ------
        FileError
            If the file cannot be read, is not TOML, or a value cannot be used.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise FileError(path, f"cannot be read as TOML: {error}") from None
        try:
            return cls.from_dict({name: None if value == "none" else value for name, value in values.items()})
        except ParameterError as error:
            raise FileError(path, str(error)) from None


def _covariance(wide: float, narrow: float, angle: float) -> tuple[float, float, float]:
    cosine, sine = math.cos(angle), math.sin(angle)
    a, b = wide * wide, narrow * narrow
    return a * cosine**2 + b * sine**2, (a - b) * cosine * sine, a * sine**2 + b * cosine**2


def _check_plan(plan: Plan) -> None:
    """Refuse numbers that the kernels cannot take (a plan may come from a file)."""
    _shape(plan.shape)
    for name in ("anomalous", "drop_rgb", "drop_depth", "skew"):
        if not isinstance(getattr(plan, name), bool):
            raise ParameterError(f"{name} must be true or false, got {getattr(plan, name)!r}")
    _whole("noise_seed", plan.noise_seed, 0, 2**64 - 1)
    for name, length in (("resolution", 2), ("alpha", 2), ("covariance", 3)):
        value = getattr(plan, name)
        if not isinstance(value, tuple) or len(value) != length:
            raise ParameterError(f"{name} must be {length} numbers, got {value!r}")
    for cells in plan.resolution:
        _whole("resolution", cells, 1, 4096)
    for value in (*plan.alpha, *plan.covariance):
        _number("alpha and covariance", value, -1e6, 1e6)
    row, both, column = plan.covariance
    if row <= 0 or row * column - both * both <= 0:
        raise ParameterError(f"covariance must be positive definite, got {plan.covariance!r}")
    _number("rotation", plan.rotation, -360, 360)
    _number("threshold", plan.threshold, 0, 1)
    if plan.area is not None:
        _number("area", plan.area, 1e-6, 1)
    for name in ("dent", "bump"):
        _number(name, getattr(plan, name), 0, 1e9)
    _number("mask_threshold", plan.mask_threshold, 1e-12, 1e9)
    _number("beta", plan.beta, 0, 1)
    _option("magnitude_unit", plan.magnitude_unit, ("range", "depth"))
    _option("depth_axis", plan.depth_axis, ("away", "towards"))


def _range(name: str, value: Any, low: float, high: float) -> Range | None:
    if value is None and name in ("area", "bump_magnitude"):
        return None
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ParameterError(f"{name} must be a range (low, high), got {value!r}")
    first, second = (_number(name, end, low, high) for end in value)
    if first > second:
        raise ParameterError(f"{name} must be a range (low, high) with low <= high, got {value!r}")
    return first, second


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not hasattr(value, "__float__") or isinstance(value, str):
        raise ParameterError(f"{name} must be a number, got {value!r}")
    if not low <= float(value) <= high:
        raise ParameterError(f"{name} must be in {low:g} … {high:g}, got {value!r}")
    return float(value)


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ParameterError(f"{name} must be a whole number in {low} … {high}, got {value!r}")


def _option(name: str, value: Any, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ParameterError(f"{name} must be one of {', '.join(options)}, got {value!r}")


def _shape(shape: Any) -> tuple[int, int]:
    try:
        height, width = (side.__index__() for side in shape)
    except (AttributeError, TypeError, ValueError):
        raise ParameterError(f"shape must be (height, width), got {shape!r}") from None
    if height < 1 or width < 1:
        raise ParameterError(f"shape must be (height, width), each >= 1, got {shape!r}")
    return height, width
