"""One sample as the page holds it: pictures, steps of depth, where its defects are, and its numbers in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.colouring import depth_scale, shade
from das3d_aug.datasets import Entry, Sample
from das3d_aug.errors import Das3dError
from das3d_aug.gallery.encode import Pool, deflated, differences, mark, steps
from das3d_aug.generation.measuring import pixel_area
from das3d_aug.generation.records import Before, Record, Records, called, in_mm
from das3d_aug.preparation import resize_sample
from das3d_aug.synthesis import find_foreground

__all__ = ["Found", "described", "held"]

_NO_SOURCE = "generate did not write this sample, so nothing tells how it looked without a defect"
_CHANGED = {"rgb": "colour", "depth": "depth", "both": "both", "normal": "nothing"}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A sample, and what its record leads to.

    Attributes
    ----------
    entry, sample : Entry, Sample
        What is shown.
    record : Record or None
        What `das3d_aug.generation.generate` recorded of it.
    before : Before or None
        The sample without its defects.
    why : str
        Why there is no ``before``.
    """

    entry: Entry
    sample: Sample
    record: Record | None
    before: Before | None
    why: str


def described(entry: Entry, sample: Sample, records: Records, pool: Pool, *, side: int) -> dict[str, Any]:
    """Return what the page holds of a sample, as JSON takes it.

    Parameters
    ----------
    entry, sample : Entry, Sample
        What is shown.
    records : Records
        Of its data set.
    pool : Pool
        Takes the pictures.
    side : int
        The longest side of pictures, in pixels; larger ones are scaled down.

    Raises
    ------
    FileError
        If its recipe is there and damaged.
    """
    record, before, why = records.of(entry), None, _NO_SOURCE
    if record is not None:
        try:
            before, why = records.before(record, sample), ""
        except Das3dError as error:
            why = str(error)
    return held(Found(entry=entry, sample=sample, record=record, before=before, why=why), pool, side=side)


def held(found: Found, pool: Pool, *, side: int) -> dict[str, Any]:
    """Return what the page holds of a sample that was looked up; parameters as of `described`."""
    entry, sample, record = found.entry, found.sample, found.record
    height, width = sample.shape
    scale = min(1.0, side / max(height, width))
    shape = max(round(height * scale), 1), max(round(width * scale), 1)
    area = _area(sample, record)
    labels, kinds = _labels(found)
    small = mark(labels > 0, shape)
    return {
        "key": entry.key,
        "kinds": sorted({kind for kind, _ in kinds if kind}),
        "changed": "" if record is None else _CHANGED.get(record.modality, ""),
        "pixels": int(np.count_nonzero(labels)),
        "size": shape[::-1],
        "full": [width, height],
        "marks": deflated(_shrunk(labels, small), pool.level),
        "defects": [
            {
                "kind": kind,
                "told": _size(int(np.count_nonzero(labels == number)), area),
                "does": _changes(found, labels == number),
                "box": _box(labels == number),
            }
            for kind, number in kinds
        ],
        "facts": _facts(found, area),
        "command": None if record is None else record.command,
        "why": found.why,
        **_pictures(found, shape, pool),
        **_depth(found, shape, small, pool, area),
    }


def _labels(found: Found) -> tuple[NDArray[np.uint8], list[tuple[str, int]]]:
    """Return which defect marks a pixel, and the kind and number of those that mark any."""
    sample, record = found.sample, found.record
    mask = np.zeros(sample.shape, np.bool_) if sample.mask is None else sample.mask
    if found.before is not None and found.before.instances is not None and record is not None:
        labels = np.where(mask, found.before.instances, 0).astype(np.uint8)
        kinds = [(kind, number) for number, kind in enumerate(record.kinds, start=1) if (labels == number).any()]
        if kinds and (labels[mask] > 0).all():
            return labels, kinds
    named = found.entry.defect if record is None else " + ".join(dict.fromkeys(record.kinds))
    return mask.astype(np.uint8), [(named, 1)] if mask.any() else []


def _shrunk(labels: NDArray[np.uint8], small: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the numbers of defects at a smaller size; where two meet, the later one."""
    if small.shape == labels.shape:
        return labels
    out = np.zeros(small.shape, np.uint8)
    for number in range(1, int(labels.max()) + 1):
        out[mark(labels == number, small.shape[:2])] = number
    return out


def _area(sample: Sample, record: Record | None) -> float | None:
    """Return what a pixel of the mask covers in mm²: as recorded, of the surface that was good, else as it is now."""
    if sample.mask is None or not sample.mask.any():
        return None
    if record is not None and (area := record.number("measured", "area")):
        return area / np.count_nonzero(sample.mask)
    return pixel_area(sample, sample.mask)


def _box(marked: NDArray[np.bool_]) -> list[float]:
    """Return left, top, right and bottom of a defect, in shares of width and height."""
    height, width = marked.shape
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    return [
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    ]


def _changes(found: Found, where: NDArray[np.bool_]) -> str:
    """Say what a defect changes: colour, and how far the surface came nearer or went farther."""
    if found.before is None:
        return ""
    before, now = found.before.sample, found.sample
    does = []
    if before.rgb is not None and now.rgb is not None and (before.rgb[where] != now.rgb[where]).any():
        does.append("colour changed")
    if before.depth is not None and now.depth is not None:
        was, is_ = before.need("valid")[where], now.need("valid")[where]
        moved = (now.depth[where] - before.depth[where])[was & is_]
        for name, end in (("nearer", -moved.min(initial=0.0)), ("farther", moved.max(initial=0.0))):
            if end > 0:
                value, unit = in_mm(float(end), now.unit)
                does.append(f"up to {value:.3g} {unit} {name}")
        if (was & ~is_).any():
            does.append(f"depth lost on {np.count_nonzero(was & ~is_)} px")
    return ", ".join(does)


def _size(pixels: int, area: float | None) -> str:
    return f"{pixels} px" if area is None else f"{pixels} px, {pixels * area:.3g} mm²"


def _facts(found: Found, area: float | None) -> list[tuple[str, str]]:
    """Return the numbers of a sample with their names."""
    record, mask = found.record, found.sample.mask
    facts = [("size", "not labelled" if mask is None else _size(int(np.count_nonzero(mask)), area))]
    if record is None:
        labels = {0: "normal", 1: "anomalous"}
        facts += [("label", labels[label])] if (label := found.entry.label) is not None else []
        return facts
    if largest := record.number("severity", "depth_change"):
        value, unit = in_mm(largest, str(record.values.get("unit")))
        share = record.number("severity", "relative_depth_change")
        part = "" if share is None else f", {share:.0%} of the part's range"
        facts.append(("height", f"{value:.3g} {unit}{part}"))
    if (share := record.number("severity", "coverage")) is not None:
        facts.append(("share of the part", f"{share:.2%}"))
    if share := record.number("severity", "colour_change"):
        facts.append(("colour change", f"{share:.1%} of full scale"))
    source = record.values.get("source")
    if isinstance(source, Mapping):
        facts.append(("made of", str(source.get("key"))))
    return facts


def _pictures(found: Found, shape: tuple[int, int], pool: Pool) -> dict[str, Any]:
    """Return the colour after and before."""
    out: dict[str, Any] = {}
    before = None if found.before is None else found.before.sample
    for name, sample in (("colour", found.sample), ("colourBefore", before)):
        if sample is not None and sample.rgb is not None:
            out[name] = pool.add(resize_sample(sample, shape).need("rgb"))
    return out


def _depth(
    found: Found, shape: tuple[int, int], small: NDArray[np.bool_], pool: Pool, area: float | None
) -> dict[str, Any]:
    """Return the lit surface and the depth, after and before; nothing where none is measured."""
    sample = resize_sample(found.sample, shape)
    if sample.depth is None or not sample.need("valid").any():
        return {}
    before = sample
    if found.before is not None and found.before.sample.depth is not None:
        before = resize_sample(found.before.sample, shape)
    depth, valid, was = sample.need("depth"), sample.need("valid"), before.need("depth")
    known = valid & before.need("valid")
    part = find_foreground(was, "auto" if sample.foreground is None else sample.foreground).mask & known
    inside = part if part.any() else known
    near, far = depth_scale(was, known, inside)
    seen = np.concatenate([shown.need("depth")[shown.need("valid")] for shown in (sample, before)])
    low, high = float(seen.min()), float(seen.max())
    relief = [pool.add(picture) for picture in _relief(sample, before, inside)]
    out = {
        "surface": relief[1],
        "depth": deflated(differences(steps(depth, valid, low, high)), pool.level),
        "range": [low, high],
        "scale": [near, far],
        # Flying pixels would make the part flat.
        "clip": [max(low, 2 * near - far), min(high, 2 * far - near)],
        "zero": None if sample.stored is None else sample.stored.stand_off,
        "unit": called(sample.unit),
        "pixel": None if area is None else _pixel(area, found.sample, shape),
    }
    if found.before is not None and found.before.sample.depth is not None:
        codes = steps(was, before.need("valid"), low, high)
        out |= {"surfaceBefore": relief[0], "depthBefore": deflated(differences(codes[small]), pool.level)}
    return out


def _relief(sample: Sample, before: Sample, inside: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the surface before and after in the same light, each grey where it is not measured."""
    was, now = (shown.need("valid") for shown in (before, sample))
    first, second = shade(before.need("depth"), sample.need("depth"), was & now, inside)
    for picture, there, shown in ((first, was, before), (second, now, sample)):
        if (there & ~(was & now)).any():
            whole = shade(shown.need("depth"), shown.need("depth"), there, inside)[0]
            picture[there] = whole[there]
    return first, second


def _pixel(area: float, sample: Sample, shape: tuple[int, int]) -> float:
    """Return how wide a shown pixel is, in the unit of depth; ``area`` is in mm²."""
    mm, _ = in_mm(1.0, sample.unit)
    return float(area**0.5 / mm * max(sample.shape) / max(shape))
