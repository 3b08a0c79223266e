"""What lies in a generated folder, in figures, and what looks wrong about them.

They come from the recipes that are there, whichever run wrote them, so neither workers nor interruptions change them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from das3d_aug.errors import ParameterError, counted
from das3d_aug.generation.spreads import Numbers, Spread
from das3d_aug.geometry import to_unit

__all__ = ["Breakdown", "Collected", "figures_of"]

_FIGURES = ("sample", "kind", "severity", "unit", "foreground", "measured")
"""What of a recipe is looked at here."""

_FEW = 3  # samples, or 2 % of them, are chance
_TINY = 16  # pixels
_OFF = 100.0  # times the part's range, or 1/1000 of it: not drawn so by anyone
_NO_PART: Mapping[str, Any] = {
    "how": "given",
    "share": 0.0,
    "at_border": False,
    "low": 0.0,
    "high": 0.0,
}  # there is no depth
_HIDDEN = 3.0  # standard deviations of noise: the usual limit of detection
_SHALLOW, _DEEP = 0.02, 20_000.0  # mm of a part's range; odd distances are said by the readers


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """What the samples of a generated folder are; a spread is None where no sample has that figure.

    Of more than a million samples a median may be up to 0.1 % too small; all else is exact.

    Attributes
    ----------
    samples, normal, rgb, depth, both : int
        How many there are, and of which kind (`das3d_aug.synthesis.Kind`).
    pixels : Spread or None
        Pixels in the mask of an anomalous sample.
    area : Spread or None
        The same in mm², square to the camera's axis, of samples whose camera or points give it.
    depth_change : Spread or None
        Largest change of depth of a sample whose depth is anomalous, in ``unit``.
    unit : str
        "mm" where the depth has a known unit, else what the source calls it.
    relative_depth_change : Spread or None
        The same over the part's own range of depth.
    """

    samples: int
    normal: int
    rgb: int
    depth: int
    both: int
    pixels: Spread | None
    area: Spread | None
    depth_change: Spread | None
    unit: str
    relative_depth_change: Spread | None


@dataclass(frozen=True, kw_only=True)
class _Figures:
    """Those of one sample; lengths in mm, or in ``unit`` if that is of unknown length."""

    sample: str
    kind: str
    unit: str
    pixels: int
    area: float | None
    change: float
    relative: float
    policy: str
    how: str
    share: float
    at_border: bool
    spans: float
    noise: float


class Collected:
    """The figures of all samples, summed up one by one: memory does not follow how many there are."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._unit = "unknown"
        self._pixels, self._area, self._change, self._relative = (Numbers() for _ in range(4))
        self._alike = [_Alike() for _ in _CHECKS]
        self._least: _Figures | None = None  # of the estimated parts, the smallest and the largest
        self._most: _Figures | None = None

    @property
    def samples(self) -> int:
        """How many there are."""
        return self._kinds.total()

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a sample by its recipe, or all of a shard by its mark; one whose figures are damaged is left out."""
        for one in figures_of(record):
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self._add(_read(one))

    def _add(self, one: _Figures) -> None:
        if not self._kinds:
            self._unit = one.unit
        self._kinds[one.kind] += 1
        if _anomalous(one):
            self._pixels.add(one.pixels)
            if one.area is not None:
                self._area.add(one.area)
            if one.kind != "rgb":
                self._change.add(one.change)
            if _moved(one):
                self._relative.add(one.relative)
        for check, alike in zip(_CHECKS, self._alike, strict=True):
            if check.among(one):
                alike.among += 1
                if check.says(one):
                    alike.found += 1
                    alike.first = alike.first or one.sample
        if _estimated(one):
            if self._least is None or one.share < self._least.share:
                self._least = one
            if self._most is None or one.share >= self._most.share:
                self._most = one

    def breakdown(self) -> Breakdown:
        """Return the counts and spreads."""
        return Breakdown(
            samples=self.samples,
            normal=self._kinds["normal"],
            rgb=self._kinds["rgb"],
            depth=self._kinds["depth"],
            both=self._kinds["both"],
            pixels=self._pixels.spread(),
            area=self._area.spread(),
            depth_change=self._change.spread(),
            unit=self._unit,
            relative_depth_change=self._relative.spread(),
        )

    def warnings(self, probability: float = 1.0) -> tuple[tuple[str, str], ...]:
        """Return what looks wrong, as (how many samples, sentence), each cause once.

        ``probability`` is the share of samples that were meant to be anomalous.
        """
        found_alike = tuple(
            (f"{alike.found} of {counted(alike.among, 'sample')}, such as {alike.first}", check.text)
            for check, alike in zip(_CHECKS, self._alike, strict=True)
            if check.enough(alike.found, alike.among, probability)
        )
        return (*found_alike, *_unsteady(self._least, self._most))


def figures_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what is looked at here: of a sample's recipe, or of all samples that the mark of a shard repeats."""
    of_shard = record.get("figures")
    return of_shard if isinstance(of_shard, list) else [{name: record[name] for name in _FIGURES if name in record}]


def _read(record: Mapping[str, Any]) -> _Figures:
    severity, measured, unit = record["severity"], record["measured"], record["unit"]
    try:
        scale, unit = float(to_unit(1.0, unit, "mm")), "mm"
    except ParameterError:
        scale = 1.0
    part = measured["part"] or _NO_PART
    return _Figures(
        sample=record["sample"],
        kind=record["kind"],
        unit=unit,
        pixels=int(float(measured["pixels"])),
        area=None if measured["area"] is None else float(measured["area"]),
        change=scale * severity["depth_change"],
        relative=float(severity["relative_depth_change"]),
        policy=record.get("foreground", "auto"),
        how=part["how"],
        share=float(part["share"]),
        at_border=bool(part["at_border"]),
        spans=scale * (part["high"] - part["low"]),
        noise=scale * float(part.get("noise", 0.0)),  # a recipe of an older run has none
    )


def _any(count: int, total: int, probability: float) -> bool:
    return count > 0


def _many(count: int, total: int, probability: float) -> bool:
    return count > max(_FEW, total // 50) or _most(count, total, probability)


def _most(count: int, total: int, probability: float) -> bool:
    return 2 * count > total


def _rather_than(count: int, total: int, probability: float) -> bool:
    return count > (1 - probability / 2) * total


_TOO_DEEP = (
    "the depth changes by more than the part's own range of depth: a hole or a chunk goes through to what lies "
    "behind, as it should; for all else lower the recipe's magnitude (height of kinds)"
)
_OFF_SCALE = (
    "the depth changes by more than 100 times the part's range of depth, or by less than 1/1000 of it, so the recipe's "
    "unit is not that of the depth: give the recipe in that one, or name the depth's with unit='mm' or depth_scale=1000"
)
_IN_NOISE = (
    f"the depth changes by less than {_HIDDEN:g} times the noise of the part's own depth, in which a defect hardly "
    "shows: raise the recipe's magnitude (height of kinds), take a larger size=, or smooth the depth first"
)
_TOO_SMALL = f"at most {_TINY} pixels are anomalous: raise the recipe's area (size of kinds), or take a larger size="
_UNSEEN = (
    "nothing changed that can be seen, so these are normal: kinds may change what is not there (a stain needs colour; "
    "without relight, a dent needs depth), or raise their size, height and contrast"
)
_WRONG_UNIT = (
    f"the part's depth spans less than {_SHALLOW:g} mm or more than {_DEEP / 1000:g} m, so its unit looks wrong: name "
    "it with unit='mm' or depth_scale=1000"
)
_SMALL_PART = (
    "the part was found on less than 1 % of the image: look at the preview, and give masks, or say foreground='all'"
)
_WHOLE_IMAGE = (
    "no background was found, so defects lie anywhere in the image: say foreground='all' if that is meant, else give "
    "masks, or remove the background first with das3d-aug prepare"
)
_UNSTEADY = 3.0  # the largest share over the least
_UNSTEADY_PART = (
    "where the part is flickers from image to image: look at the preview, and give masks, or say foreground='all'"
)
_EDGE_PART = (
    "most of what was found as the part is joined to the image's edge, as a second background is (a floor, a rig): "
    "look at the preview, and give masks, or say foreground='all'"
)


def _unsteady(least: _Figures | None, most: _Figures | None) -> Iterator[tuple[str, str]]:
    """Yield what is said where parts of one set were found to be of very different size."""
    if least is not None and most is not None and most.share > _UNSTEADY * least.share:
        ends = (f"{one.sample} (the part is {one.share:.0%} of the image)" for one in (least, most))
        yield " and ".join(ends), _UNSTEADY_PART


def _every(one: _Figures) -> bool:
    return True


def _anomalous(one: _Figures) -> bool:
    return one.kind != "normal"


def _moved(one: _Figures) -> bool:
    return one.kind not in ("normal", "rgb") and one.relative > 0


def _estimated(one: _Figures) -> bool:
    return (one.how == "plane" and not _small_part(one)) or _whole_image(one)


def _too_deep(one: _Figures) -> bool:
    return 1 < one.relative <= _OFF


def _off(one: _Figures) -> bool:
    return one.relative > _OFF or one.relative < 1e-3


def _sunk(one: _Figures) -> bool:
    return one.change < _HIDDEN * one.noise


def _tiny(one: _Figures) -> bool:
    return one.pixels <= _TINY


def _normal(one: _Figures) -> bool:
    return one.kind == "normal"


def _implausible(one: _Figures) -> bool:
    return one.unit == "mm" and (0 < one.spans < _SHALLOW or one.spans > _DEEP)


def _small_part(one: _Figures) -> bool:
    return one.how == "plane" and one.share < 0.01


def _whole_image(one: _Figures) -> bool:
    return one.policy == "auto" and one.how != "given" and one.share > 0.95


def _edge_part(one: _Figures) -> bool:
    return one.at_border


class _Check(NamedTuple):
    """What looks wrong about a sample: among which it is looked for, and of how many it is said."""

    among: Callable[[_Figures], bool]
    says: Callable[[_Figures], bool]
    enough: Callable[[int, int, float], bool]
    text: str


_CHECKS = (
    _Check(_moved, _too_deep, _many, _TOO_DEEP),
    _Check(_moved, _off, _many, _OFF_SCALE),
    _Check(_moved, _sunk, _most, _IN_NOISE),
    _Check(_anomalous, _tiny, _most, _TOO_SMALL),
    _Check(_every, _normal, _rather_than, _UNSEEN),
    _Check(_every, _implausible, _many, _WRONG_UNIT),
    _Check(_every, _small_part, _any, _SMALL_PART),
    _Check(_every, _whole_image, _any, _WHOLE_IMAGE),
    _Check(_every, _edge_part, _any, _EDGE_PART),
)


@dataclass
class _Alike:
    """Of how many samples a check says so, among how many, and the first."""

    found: int = 0
    among: int = 0
    first: str = ""
