"""What is odd about stored depth numbers, colours and masks: said as warnings, or refused.

A sentence names no share and no pixel, so that a run can tell equal ones once and count their samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import FileError

__all__ = ["check_eight_bits", "check_empty", "check_marks", "check_negative", "check_unit", "repeated_extremes"]

_FREQUENT = 0.001  # of the pixels: fewer than these may be chance
_NEGATIVE = 0.01  # of the measured pixels: noise around the sensor's zero is rarer
_FAR = 3  # times the largest of all other numbers
_MARKS = (-32768, 32767, 65535)  # the ends of 16 bits, in whatever type they are stored
_WRAPPED = 224  # steps between neighbours: a surface that leaves 255 comes back near 0
_SAMPLED = 2**16
_FEW = 16  # every so many rows and columns are looked at first
_WHOLE = 0.9  # of the image, marked: no defect is so large
_OPENGL = "if the camera looks along -z, depth_axis='opengl'; "


def repeated_extremes(
    numbers: NDArray[Any], missing: NDArray[np.bool_], *, zero: bool
) -> tuple[set[float], tuple[str, ...]]:
    """Return the numbers that look as if they meant "not measured", and a sentence for each.

    That is the least or the largest one, stored in more than 0.1 % of the pixels, if it is an end of its type or of
    16 bits, or three times as far from 0 as any other number.

    Parameters
    ----------
    numbers : numpy.ndarray
        H x W, as stored.
    missing : numpy.ndarray
        bool, H x W: what is known to be no measurement.
    zero : bool
        Whether 0 is a measurement.
    """
    measured = numbers[~missing]
    measured = measured if zero else measured[measured != 0]
    if not measured.size:
        return set(), ()
    ends = set(_MARKS)
    if numbers.dtype.kind in "ui":
        ends |= {int(np.iinfo(numbers.dtype).min), int(np.iinfo(numbers.dtype).max)}
    found = set()
    for extreme in {float(measured.min()), float(measured.max())}:
        same = measured == extreme
        if np.count_nonzero(same) <= _FREQUENT * numbers.size or same.all():
            continue
        others = measured[~same]
        rest = max(abs(float(others.min())), abs(float(others.max())))
        if extreme in ends or abs(extreme) > _FAR * rest:
            found.add(extreme)
    return found, tuple(
        f"many pixels hold {number:.9g}, an extreme: if it means 'not measured', say invalid=({number:.9g},)"
        for number in sorted(found)
    )


def check_negative(
    path: Path, numbers: NDArray[Any], missing: NDArray[np.bool_], extremes: set[float], *, points: bool = False
) -> tuple[str, ...]:
    """Refuse distances of which many are negative; say so if some are.

    ``points`` tells that they are z of points.  Numbers of ``extremes``, of which `repeated_extremes` tells, and a −1
    that is the only negative number do not count.

    Raises
    ------
    FileError
        Naming the arguments that give negative numbers a meaning.
    """
    if numbers.dtype.kind == "u" or not (negative := (numbers < 0) & ~missing).any():
        return ()
    for extreme in extremes:
        negative &= numbers != extreme
    found = numbers[negative]
    if not found.size:
        return ()
    if (found == -1).all():
        return ("some pixels hold -1, which is read as 'not measured'; invalid=(-1,) says so",)
    share = found.size / np.count_nonzero(~missing & (numbers != 0))
    if share > _NEGATIVE:
        raise FileError(
            path,
            f"{share:.0%} of its measured numbers are negative, which no distance is: if they are heights, say "
            f"depth_axis='towards'; {_OPENGL if points else ''}if they mean 'not measured', name them, such as "
            "invalid=(-32768,)",
        )
    return ("a few numbers are negative and read as 'not measured'; heights need depth_axis='towards'",)


def check_eight_bits(path: Path, numbers: NDArray[Any]) -> tuple[str, ...]:
    """Say that depth has 8 bits; refuse the low bytes of 16.

    These jump from one end of the 256 steps to the other where the surface is continuous.  The ends themselves do
    not count: 0 and 255 also mean "not measured" and "too far".

    Raises
    ------
    FileError
        If more than 0.1 % of the pairs of neighbours are such jumps.
    """
    if numbers.dtype.itemsize > 1:
        return ()
    jumps = pairs = 0
    steps = numbers.astype(np.int16)
    inside = (steps > 0) & (steps < 255)
    for axis in (0, 1):
        both = np.delete(inside, 0, axis) & np.delete(inside, -1, axis)
        pairs += int(np.count_nonzero(both))
        jumps += int(np.count_nonzero(np.abs(np.diff(steps, axis=axis))[both] >= _WRAPPED))
    if jumps > _FREQUENT * pairs:
        raise FileError(
            path,
            "looks like the low bytes of 16-bit depth: neighbours jump from one end of its 256 steps to the other; "
            "save all 16 bits",
        )
    return ("depth has 8 bits: 256 steps for the whole range; save 16 bits or floats if the camera gives them",)


def check_unit(depth: NDArray[np.float32], unit: str) -> tuple[str, ...]:
    """Say where a depth in metres is over 20 at the median, or one in millimetres below 1."""
    if unit not in ("m", "mm"):
        return ()
    measured = depth.ravel()[:: -(-depth.size // _SAMPLED)]
    measured = measured[np.isfinite(measured) & (measured > 0)]
    middle = float(np.median(measured)) if measured.size else 1.0
    if unit == "m" and middle > 20:
        return ("depth is over 20 m, as if mm were read as m: say depth_scale=1000 and unit='m', or unit='mm'",)
    if unit == "mm" and middle < 1:
        return ("depth is below 1 mm, as if m were read as mm: say unit='m', or another depth_scale=",)
    return ()


def check_empty(rgb: NDArray[np.uint8] | None, depth: NDArray[np.float32] | None) -> tuple[str, ...]:
    """Say where colour (H x W x 3) or all that is measured of depth (H x W) is one value, so that nothing is seen."""
    said: tuple[str, ...] = ()
    if rgb is not None and _one_colour(rgb[::_FEW, ::_FEW]) and _one_colour(rgb):
        level = "black" if not rgb[0, 0].any() else "white" if rgb[0, 0].min() == 255 else "one value"
        said += (f"colour is {level} in all pixels, so it shows nothing: look at the exposure, or at what was saved",)
    if depth is not None and _one_depth(depth[::_FEW, ::_FEW], least=0) and _one_depth(depth, least=2):
        said += ("depth is one value in all pixels, so it shows no shape: look at what was saved",)
    return said


def _one_colour(rgb: NDArray[np.uint8]) -> bool:
    return rgb.size > 0 and bool((rgb == rgb[:1, :1]).all())


def _one_depth(depth: NDArray[np.float32], *, least: int) -> bool:
    measured = depth[np.isfinite(depth) & (depth > 0)]
    return measured.size >= least and bool((measured == measured[:1]).all())


def check_marks(mask: NDArray[np.bool_] | None, label: int | None) -> tuple[str, ...]:
    """Say where the mask (H x W) of a sample labelled anomalous marks nothing, or more than 90 % of the image."""
    if mask is None or label != 1:
        return ()
    if not mask.any():
        return ("its mask marks nothing though it is labelled anomalous: draw the defect white, or call it good",)
    if mask.mean() > _WHOLE:
        return (
            f"its mask marks more than {_WHOLE:.0%} of the image: a mask marks the defect alone, so it may be inverted"
            ", or be that of the part",
        )
    return ()
