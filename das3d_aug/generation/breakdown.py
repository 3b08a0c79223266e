"""What lies in a generated folder, in figures, and what looks wrong about them.

They come from the recipes that are there, whichever run wrote them, so neither workers nor interruptions change them.
"""

from __future__ import annotations

import contextlib
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from das3d_aug.errors import ParameterError, counted
from das3d_aug.geometry import to_unit

__all__ = ["Breakdown", "Collected", "Spread", "figures_of"]

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
class Spread:
    """The least, the middle and the largest of some numbers."""

    least: float
    median: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """What the samples of a generated folder are; a spread is None where no sample has that figure.

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


@dataclass
class Collected:
    """The figures of all samples, in the order in which they were added."""

    figures: list[_Figures] = field(default_factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a sample by its recipe, or all of a shard by its mark; one whose figures are damaged is left out."""
        for one in figures_of(record):
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                self.figures.append(_read(one))

    def breakdown(self) -> Breakdown:
        """Return the counts and spreads."""
        kinds = Counter(one.kind for one in self.figures)
        anomalous = [one for one in self.figures if one.kind != "normal"]
        moved = [one for one in anomalous if one.kind != "rgb"]
        return Breakdown(
            samples=len(self.figures),
            normal=kinds["normal"],
            rgb=kinds["rgb"],
            depth=kinds["depth"],
            both=kinds["both"],
            pixels=_spread(one.pixels for one in anomalous),
            area=_spread(one.area for one in anomalous if one.area is not None),
            depth_change=_spread(one.change for one in moved),
            unit=self.figures[0].unit if self.figures else "unknown",
            relative_depth_change=_spread(one.relative for one in moved if one.relative > 0),
        )

    def warnings(self, probability: float = 1.0) -> tuple[tuple[str, str], ...]:
        """Return what looks wrong, as (how many samples, sentence), each cause once.

        ``probability`` is the share of samples that were meant to be anomalous.
        """
        every = self.figures
        anomalous = [one for one in every if one.kind != "normal"]
        moved = [one for one in anomalous if one.kind != "rgb" and one.relative > 0]
        found_alike = tuple(
            (f"{len(found)} of {counted(len(among), 'sample')}, such as {found[0].sample}", text)
            for among, says, enough, text in (
                (moved, _too_deep, _many, _TOO_DEEP),
                (moved, _off, _many, _OFF_SCALE),
                (moved, _sunk, _most, _IN_NOISE),
                (anomalous, _tiny, _most, _TOO_SMALL),
                (every, _normal, partial(_rather_than, probability), _UNSEEN),
                (every, _implausible, _many, _WRONG_UNIT),
                (every, _small_part, _any, _SMALL_PART),
                (every, _whole_image, _any, _WHOLE_IMAGE),
                (every, _edge_part, _any, _EDGE_PART),
            )
            if enough(len(found := [one for one in among if says(one)]), len(among))
        )
        return (*found_alike, *_unsteady(every))


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
        pixels=int(measured["pixels"]),
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


def _spread(values: Iterable[float]) -> Spread | None:
    found = sorted(values)
    return Spread(least=found[0], median=statistics.median(found), most=found[-1]) if found else None


def _any(count: int, total: int) -> bool:
    return count > 0


def _many(count: int, total: int) -> bool:
    return count > max(_FEW, total // 50) or _most(count, total)


def _most(count: int, total: int) -> bool:
    return 2 * count > total


def _rather_than(probability: float, count: int, total: int) -> bool:
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


def _unsteady(every: Sequence[_Figures]) -> Iterator[tuple[str, str]]:
    """Yield what is said where parts of one set were found to be of very different size."""
    found = (one for one in every if (one.how == "plane" and not _small_part(one)) or _whole_image(one))
    estimated = sorted(found, key=lambda one: one.share)
    if estimated and estimated[-1].share > _UNSTEADY * estimated[0].share:
        ends = (f"{one.sample} (the part is {one.share:.0%} of the image)" for one in (estimated[0], estimated[-1]))
        yield " and ".join(ends), _UNSTEADY_PART


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
