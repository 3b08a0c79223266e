"""The demo set: parts that are computed rather than photographed, with defects whose footprint is known.

Real inspection data is large and mostly not free to pass on.  This stand-in is procedural: a height field and
an albedo (`FAMILIES`), a defect made on them (`DEFECTS`), then lamp, camera and depth sensor, twice
supersampled.  The part lies on a slightly tilted supporting plane that the raw depth shows, as in MVTec
3D-AD.  The defects are made by code that is independent of das3d's synthesis, so a detector trained on
synthetic anomalies meets something it has not seen.

The view is 100 mm wide and 500 mm away.  The camera is a pinhole with focal length ``5 * size`` pixels and
the principal point in the centre: ``x = (column + 0.5 - size / 2) * z / (5 * size)``, y likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.demo.families import FAMILIES, FIELD, build
from das3d_aug.datasets.demo.flaws import DEFECTS, damage
from das3d_aug.datasets.demo.render import DISTANCE, SUPERSAMPLING, coarsen, photograph, range_image
from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream

__all__ = ["DEFECTS", "FAMILIES", "DemoItem", "DemoPart", "demo_plan", "make_part"]

_SIZES = (32, 2048)
_PART, _FLAW, _LAMP, _SENSOR = range(4)
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class DemoPart:
    """One part as the cameras see it, with what is known about it.

    Attributes
    ----------
    rgb : uint8 (H, W, 3)
        Colour image.
    depth : float32 (H, W)
        Distance along the optical axis in metres; 0 where nothing was measured.  Equals ``xyz[..., 2]``.
    xyz : float32 (H, W, 3)
        Organised points in metres in the camera's frame; (0, 0, 0) where nothing was measured.
    valid : bool (H, W)
        Where depth was measured.
    mask : bool (H, W)
        Footprint of the defect on the part, also where material or depth is missing; empty without a defect.
    foreground : bool (H, W)
        True footprint of the part as it is, damage included: what perfect plane removal would keep.
    defect : str or None
        One of `DEFECTS`, or None for a good part.
    """

    rgb: NDArray[np.uint8] = field(repr=False)
    depth: NDArray[np.float32] = field(repr=False)
    xyz: NDArray[np.float32] = field(repr=False)
    valid: NDArray[np.bool_] = field(repr=False)
    mask: NDArray[np.bool_] = field(repr=False)
    foreground: NDArray[np.bool_] = field(repr=False)
    defect: str | None


@dataclass(frozen=True)
class DemoItem:
    """One sample of a demo set before it is rendered.

    Attributes
    ----------
    category : str
        One of `FAMILIES`.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    defect : str or None
        One of `DEFECTS`, or None for a good part.
    name : str
        File name without suffix, counted from ``"000"`` inside its folder.
    seed, index : int
        What `make_part` needs to make it.
    """

    category: str
    split: str
    defect: str | None
    name: str
    seed: int
    index: int

    @property
    def folder(self) -> str:
        """Folder in the MVTec 3D-AD layout, for example ``"biscuit/test/dent"``."""
        return f"{self.category}/{self.split}/{self.defect or 'good'}"


def make_part(family: str, *, seed: int, index: int, size: int = 128, defect: str | None = None) -> DemoPart:
    """Make one part and look at it.

    The part, its pose, the lamp and the sensor's noise depend on (family, seed, index, size) only: asking for
    a defect changes nothing but what the defect touches.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    seed : int
        The seed of the split, 0 … 2**64 - 1.
    index : int
        Which part, >= 0.
    size : int
        Height and width of the images in pixels, 32 … 2048.
    defect : str or None
        One of `DEFECTS`, or None for a good part.

    Returns
    -------
    DemoPart
        New arrays that share no memory.

    Raises
    ------
    ParameterError
        If an argument has a wrong name or range.
    """
    _check_name("family", family, FAMILIES)
    if defect is not None:
        _check_name("defect", defect, DEFECTS)
    if not isinstance(size, int) or not _SIZES[0] <= size <= _SIZES[1]:
        raise ParameterError(f"size must be an integer of {_SIZES[0]} … {_SIZES[1]} pixels, got {size!r}")

    stream = Stream(seed, index=index).spawn(FAMILIES.index(family))
    surface = build(family, stream.spawn(_PART), size=SUPERSAMPLING * size)
    touched = np.zeros_like(surface.footprint)
    if defect is not None:
        surface, touched = damage(defect, surface, stream.spawn(_FLAW).spawn(DEFECTS.index(defect)))
    depth, valid = range_image(surface, stream.spawn(_SENSOR))
    return DemoPart(
        rgb=photograph(surface, stream.spawn(_LAMP)),
        depth=depth,
        xyz=_lift(depth),
        valid=valid,
        mask=coarsen(touched.astype(np.float32)) > 0.0,
        foreground=coarsen(surface.footprint.astype(np.float32)) >= 0.5,
        defect=defect,
    )


def demo_plan(
    *,
    families: tuple[str, ...] = FAMILIES,
    train: int = 200,
    validation: int = 24,
    good: int = 40,
    per_defect: int = 10,
    seed: int = 0,
) -> Iterator[DemoItem]:
    """List the samples of a demo set, for a writer to make one after the other.

    Parameters
    ----------
    families : tuple of str
        Which of `FAMILIES`.
    train, validation : int
        Good parts in these splits of each family.
    good, per_defect : int
        Good parts, and parts of each of `DEFECTS`, in the test split of each family.
    seed : int
        The seed of the set; each split gets a seed of its own from it, so no part appears in two of them.

    Returns
    -------
    iterator of DemoItem

    Raises
    ------
    ParameterError
        If a family is unknown, a count negative, or the seed out of range.
    """
    for family in families:
        _check_name("families", family, FAMILIES)
    for label, count in (
        ("train", train),
        ("validation", validation),
        ("good", good),
        ("per_defect", per_defect),
    ):
        if not isinstance(count, int) or count < 0:
            raise ParameterError(f"{label} must be a number of images, >= 0, got {count!r}")
    seeds = {split: Stream(seed, index=number).bits() for number, split in enumerate(_SPLITS)}
    counts: list[tuple[str, str | None, int]] = [
        ("train", None, train),
        ("validation", None, validation),
        ("test", None, good),
        *(("test", defect, per_defect) for defect in DEFECTS),
    ]
    return _items(families, counts, seeds)


def _items(
    families: tuple[str, ...], counts: list[tuple[str, str | None, int]], seeds: dict[str, int]
) -> Iterator[DemoItem]:
    for family in families:
        index = 0
        for split, defect, count in counts:
            for number in range(count):
                yield DemoItem(family, split, defect, f"{number:03d}", seeds[split], index)
                index += 1


def _check_name(argument: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ParameterError(f"{argument} must be one of {', '.join(known)}, got {name!r}")


def _lift(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lift a depth map to organised points; pixels without depth become (0, 0, 0)."""
    size = len(depth)
    ticks = (np.arange(size) + 0.5 - size / 2) * (FIELD / (DISTANCE * size))
    return np.stack([depth * ticks[None, :], depth * ticks[:, None], depth], axis=-1).astype(np.float32)
