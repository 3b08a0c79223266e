"""What may be drawn: a recipe is ranges, from which every sample's `das3d_aug.synthesis.Plan` comes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from das3d_aug._arguments import assembled, check_number, check_option, check_shape, check_whole
from das3d_aug.errors import FileError, ParameterError, brief, quoted
from das3d_aug.files import read_toml
from das3d_aug.randomness import Stream
from das3d_aug.synthesis.defects import SKEWED, Defects, LengthUnit, draw_defect, draw_light
from das3d_aug.synthesis.foreground import DepthAxis
from das3d_aug.synthesis.kinds import kind_named
from das3d_aug.synthesis.places import PLACEMENTS, Placement
from das3d_aug.synthesis.plan import VERSION, Plan
from das3d_aug.synthesis.ranges import Range, Span, as_range, as_span, draw_whole
from das3d_aug.synthesis.recipe_fields import LIMITS, OF_KINDS, REALISTIC, in_toml, plain
from das3d_aug.synthesis.weights import as_weights, weighted
from das3d_aug.textures import draw_texture

__all__ = ["Recipe"]

_DEFECTS = 7  # a stream beside that of the paper's kind
_PLACES = 8  # and one beside that of the other kinds
_RANGES = (
    "resolution", "rotation", "threshold", "area", "alpha", "sigma", "anisotropy", "magnitude", "bump_magnitude",
    "beta",
)  # fmt: skip
_LATER = {"placement": None, "dents": 0.5}  # fields that recipes of before do not have


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The ranges from which every sample is drawn; all are ``(low, high)``, both ends included.

    In the place of a range ``count``, ``size``, ``height`` and ``softness`` take a few values to choose from,
    ``{"choice": (0.05, 0.3)}``, or a normal distribution cut at two ends, ``{"normal": (mean, standard deviation),
    "within": (low, high)}``.

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
        "range": relative to the object's range of depth without stray pixels, as in data normalised to (0, 1);
        a part without range (a constant plane) then keeps its depth. "depth": in the unit of the depth image.
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
    kinds : mapping of str to float, or None
        Weights of the kinds that defects are drawn from, by the names of `das3d_aug.synthesis.kinds.KINDS`, and
        "skewed" for the paper's own, to which all fields above belong.  None: the paper's alone.
    count : (int, int) or mapping
        How many defects a sample of other kinds gets.
    size : (float, float), mapping or None
        Their lengths, of a range log-uniform, in ``length_unit``; None: each kind's own range.
    height : (float, float), mapping or None
        Their heights, of a range log-uniform, in ``length_unit``; None: each kind's own range.
    contrast : (float, float)
        How much of their change of colour is seen, uniform (0.2 … 1; ours: real cracks and dents are mostly faint).
    softness : (int, int) or mapping
        How often they are smoothed by (1 2 1) / 4, a blur of sqrt(softness / 2) px (0 … 4; ours: no camera draws lines
        of one sharp pixel).
    length_unit : {"relative", "mm"}
        "relative": sizes over the part's extent (the square root of its area in pixels), heights over its range of
        depth.  "mm" needs ``size`` and ``height`` here, and a camera and the depth's unit with the pair.
    relight : bool
        Whether colour follows the change of shape.
    placement : mapping of str to float, or None
        Weights of where they go: "anywhere" on the part, near its "edge" (up to a fifth of the way to the middle), or
        along "structure" of its own (strong gradients of colour or depth).  None: anywhere.  A kind that is at home
        at the edge stays there.  For a region of your own, give it as the ``foreground``.
    dents : float
        Chance that one of a kind that goes both ways is a dent, and not a bump (0.5).
    modality : {"rgbd", "rgb", "depth"}
        "rgb" never changes the depth, "depth" never the colour; the other one is then never dropped.  A pair
        with one modality narrows it to that one.

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
    kinds: Mapping[str, float] | None = None
    count: Span = (1, 3)
    size: Span | None = None
    height: Span | None = None
    contrast: Range = (0.2, 1.0)
    softness: Span = (0, 4)
    length_unit: LengthUnit = "relative"
    relight: bool = True
    placement: Mapping[str, float] | None = None
    dents: float = 0.5
    modality: Literal["rgbd", "rgb", "depth"] = "rgbd"
    _octaves: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            if f.init and isinstance(value := getattr(self, f.name), np.generic):
                object.__setattr__(self, f.name, value.item())
        for name in _RANGES:
            if (value := getattr(self, name)) is not None or name not in ("area", "bump_magnitude"):
                object.__setattr__(self, name, as_range(name, value, *LIMITS[name].ends))
        for name in ("probability", "dropout", "dents", "mask_threshold"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), *LIMITS[name].ends))
        for name in ("texture_operations", "reference_size"):
            if name != "reference_size" or self.reference_size is not None:
                first, last = (int(end) for end in LIMITS[name].ends)
                object.__setattr__(self, name, check_whole(name, getattr(self, name), first, last))
        self._check_kinds()
        check_option("magnitude_unit", self.magnitude_unit, ("range", "depth"))
        check_option("depth_axis", self.depth_axis, ("away", "towards"))
        check_option("modality", self.modality, ("rgbd", "rgb", "depth"))
        if not isinstance(self.skew, bool):
            raise ParameterError(f"skew must be true or false, got {quoted(self.skew)}")
        if any(cells != int(cells) or int(cells) & (int(cells) - 1) for cells in self.resolution):
            raise ParameterError(f"resolution must be powers of two, got {quoted(self.resolution)}")
        low, high = (int(cells) for cells in self.resolution)
        object.__setattr__(self, "resolution", (low, high))
        object.__setattr__(self, "_octaves", (low.bit_length() - 1, high.bit_length() - 1))

    def __repr__(self) -> str:
        """Show what differs from the defaults."""
        fields = [f for f in dataclasses.fields(self) if f.init and getattr(self, f.name) != f.default]
        return f"Recipe({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in fields)})"

    def _check_kinds(self) -> None:
        if self.kinds is not None:
            kinds = as_weights("kinds", self.kinds, "crack", lambda name: None if name == SKEWED else kind_named(name))
            object.__setattr__(self, "kinds", kinds)
        if self.placement is not None:
            places = as_weights(
                "placement", self.placement, "edge", lambda name: check_option("placement", name, PLACEMENTS)
            )
            object.__setattr__(self, "placement", places)
        for name in ("count", "size", "height", "softness"):
            if (value := getattr(self, name)) is not None or name in ("count", "softness"):
                limits = LIMITS[name]
                object.__setattr__(self, name, as_span(name, value, *limits.ends, whole=limits.whole))
        object.__setattr__(self, "contrast", as_range("contrast", self.contrast, *LIMITS["contrast"].ends))
        check_option("length_unit", self.length_unit, ("relative", "mm"))
        if self.length_unit == "mm" and (self.size is None or self.height is None):
            raise ParameterError("length_unit 'mm' needs size and height in mm, such as size = (1, 20)")
        if not isinstance(self.relight, bool):
            raise ParameterError(f"relight must be true or false, got {quoted(self.relight)}")
        idle = [f.name for f in dataclasses.fields(self) if f.name in OF_KINDS and getattr(self, f.name) != f.default]
        if self.kinds is None and idle:
            raise ParameterError(
                f"{idle[0]} is of kinds of defects, and there are none: give kinds too, as {{'dent': 1}}"
            )

    @classmethod
    def realistic(cls, **changes: Any) -> Recipe:
        """Return a recipe of all kinds at all scales, with colour that follows shape; ``changes`` are fields."""
        return cls(**{"kinds": REALISTIC, "dropout": 0.2, **changes})

    @classmethod
    def named(cls, name: str) -> Recipe:
        """Return "paper" (the defaults) or "realistic".

        Raises
        ------
        ParameterError
            If the name is neither.
        """
        check_option("recipe", name, ("paper", "realistic"))
        return cls() if name == "paper" else cls.realistic()

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
        height, width = check_shape(shape)
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
        fields = {
            "shape": (height, width),
            "anomalous": anomalous,
            "drop_rgb": drop_rgb,
            "drop_depth": drop_depth,
            "noise_seed": stream.bits(),
            "resolution": (2 ** stream.integer(*octave), 2 ** stream.integer(*octave)),
            "rotation": stream.uniform(*self.rotation),
            "threshold": stream.uniform(*self.threshold),
            "area": area,
            "skew": self.skew,
            "alpha": (stream.uniform(*self.alpha) / scale, stream.uniform(*self.alpha) / scale),
            "covariance": _covariance(wide, narrow, stream.uniform(0.0, math.pi)),
            "dent": stream.uniform(*self.magnitude),
            "bump": stream.uniform(*(self.magnitude if self.bump_magnitude is None else self.bump_magnitude)),
            "magnitude_unit": self.magnitude_unit,
            "mask_threshold": self.mask_threshold,
            "depth_axis": self.depth_axis,
            "beta": stream.uniform(*self.beta),
            "texture": draw_texture(stream, operations=self.texture_operations),
            "version": VERSION,
            "defects": None if self.kinds is None else self._draw_defects(stream.spawn(_DEFECTS), self.kinds),
        }
        return assembled(Plan, fields)

    def _draw_defects(self, stream: Stream, kinds: Mapping[str, float]) -> Defects | None:
        """Draw the defects of a sample; None if it gets the paper's own kind."""
        others = {name: weight for name, weight in kinds.items() if name != SKEWED}
        if stream.chance(kinds.get(SKEWED, 0.0) / sum(kinds.values())):
            return None
        places = stream.spawn(_PLACES)
        items = tuple(
            draw_defect(
                stream,
                kind_named(weighted(stream, others)),
                where=self._place(places),
                dents=self.dents,
                size=self.size,
                height=self.height,
                contrast=self.contrast,
                softness=self.softness,
                operations=self.texture_operations,
            )
            for _ in range(draw_whole(stream, self.count))
        )
        light = draw_light(stream)
        return Defects(items=items, light=light if self.relight else None, length_unit=self.length_unit)

    def _place(self, stream: Stream) -> Placement:
        return "anywhere" if self.placement is None else cast(Placement, weighted(stream, self.placement))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON, YAML and TOML."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        if self.kinds is None:  # as recipes were before there were other kinds
            values = {name: value for name, value in values.items() if name not in OF_KINDS}
        values = {name: value for name, value in values.items() if name not in _LATER or value != _LATER[name]}
        return {name: plain(value) for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Rebuild a recipe; fields left out take their defaults, an unknown one raises `ParameterError`."""
        if not isinstance(values, dict):
            raise ParameterError(f"recipe must be a dict, got {type(values).__name__}")
        names = [f.name for f in dataclasses.fields(cls) if f.init]
        unknown = sorted(map(str, values.keys() - set(names)))
        if unknown:
            raise ParameterError(f"recipe has no field {brief(', '.join(unknown))}; there are {', '.join(names)}")
        return cls(**values)

    def to_toml(self) -> str:
        """Return the lines that `from_toml` reads: the fields that differ from the defaults."""
        values = ((f, getattr(self, f.name)) for f in dataclasses.fields(self) if f.init)
        return "".join(f"{f.name} = {in_toml(value)}\n" for f, value in values if value != f.default)

    @classmethod
    def from_toml(cls, path: str | Path, *, data: bytes | None = None) -> Recipe:
        """Read a recipe from a TOML file of field = value lines; ``area = "none"`` stands for None.

        Parameters
        ----------
        path : path
            The file, which errors name.
        data : bytes, optional
            What it holds, if it is not to be read.

        Raises
        ------
        FileError
            If the file cannot be read, is not TOML, or a value cannot be used.
        """
        values = read_toml(path, data=data)
        try:
            return cls.from_dict({name: None if value == "none" else value for name, value in values.items()})
        except ParameterError as error:
            raise FileError(path, str(error)) from None


def _covariance(wide: float, narrow: float, angle: float) -> tuple[float, float, float]:
    cosine, sine = math.cos(angle), math.sin(angle)
    a, b = wide * wide, narrow * narrow
    return a * cosine**2 + b * sine**2, (a - b) * cosine * sine, a * sine**2 + b * cosine**2
