"""How camera files spell a camera: many names for few numbers.

Names are compared without case, ``_``, ``-`` and spaces.  The matrix K = [[fx, s, cx], [0, fy, cy], [0, 0, 1]] may be
written by rows (ROS, OpenCV) or by columns (Open3D, MATLAB, ARKit); the zeros tell which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from das3d_aug._arguments import as_float
from das3d_aug.errors import ParameterError, brief, quoted
from das3d_aug.geometry.cameras import Camera, Intrinsics, Orthographic

__all__ = ["Description", "camera_from_dict", "describe_camera"]

Numbers: TypeAlias = tuple[float, float, float, float]

_WANTED = "a camera needs the numbers fx, fy, cx, cy, or pitch_x and pitch_y, or an intrinsic_matrix"
_SCALARS = {
    "fx": ("fx", "flx", "fu", "focalx", "focallengthx"),
    "fy": ("fy", "fly", "fv", "focaly", "focallengthy"),
    "cx": ("cx", "ppx", "cu", "u0", "centerx", "principalpointx"),
    "cy": ("cy", "ppy", "cv", "v0", "centery", "principalpointy"),
}
_SCANNER = ("pitch_x", "pitch_y", "cx", "cy")
_PAIRS = {"focallength": ("fx", "fy"), "principalpoint": ("cx", "cy")}
_MATRIX = re.compile(r"k|m[12]?|mtx|camk|camera|.*(intrinsics?|intrinsicsmatrix|intrinsicmatrix|cameramatrix)")
_PROJECTION = re.compile(r"p|projectionmatrix")  # of the rectified image; asked last
_SIZES = (("width", "height"), ("imagewidth", "imageheight"), ("w", "h"))
_LENS = re.compile(r"d|dist|dist(ortion)?coeff(icient)?s?|(radial|tangential|lens)?distortion|coeffs|k[1-6]|p[12]")
_FACTOR = re.compile(r"factordepth|depthfactor|depthscale")
_DEPTH = 4  # Azure Kinect's and Zivid's cameras lie three levels down


@dataclass(frozen=True)
class Description:
    """What a document says of a camera.

    Attributes
    ----------
    camera : Camera
    distorted : bool
        Whether it names a lens distortion that is not zero.
    depth_factor : float or None
        Stored numbers per unit of depth, if it names them.
    """

    camera: Camera
    distorted: bool = False
    depth_factor: float | None = None


def camera_from_dict(numbers: Any) -> Camera:
    """Make a camera of what `Intrinsics.to_dict` gives, or of another spelling that `describe_camera` knows.

    Raises
    ------
    ParameterError
        If it is none of these.
    """
    return describe_camera(numbers).camera


def describe_camera(document: Any) -> Description:
    """Find the camera of a document.

    ======================= ==================================================================================
    plain                   ``fx fy cx cy`` (RealSense: ``ppx ppy``; ``focal_length_x principal_point_x``;
                            ``focal_length`` and ``principal_point`` of two), ``pitch_x pitch_y`` of a scanner
    3 x 3                   ``intrinsic_matrix``, ``camera_matrix``, ``intrinsics``, ``K`` …: nested, 9 numbers by
                            rows or columns, or ``{rows, cols, data}`` (ROS, OpenCV); 3 x 4 and 4 x 4 likewise
    4 numbers               ``intrinsics: [fx, fy, cx, cy]`` (Kalibr, EuRoC)
    P                       ROS's projection matrix, if there is nothing else
    size                    ``width height``, ``image_width image_height``, ``w h`` or ``resolution: [w, h]``
    ======================= ==================================================================================

    They may lie deeper ("color", "depth_intrinsics"), where several different cameras are refused.

    Raises
    ------
    ParameterError
        If there is no camera, or which is meant cannot be told.
    """
    if not isinstance(document, Mapping):
        raise ParameterError(f"{_WANTED}; got {quoted(document)}")
    found = list(_search(document, (), {}, _DEPTH))
    if not found:
        keys = ", ".join(map(str, document)) or "nothing"
        raise ParameterError(f"{_WANTED}; found {brief(keys)}")
    if any(other.camera != found[0][1].camera for _, other in found):
        places = brief(", ".join(place for place, _ in found))
        raise ParameterError(f"holds several cameras ({places}); keep one, that of the depth image")
    return found[0][1]


def _search(
    document: Mapping[Any, Any], place: tuple[str, ...], above: Mapping[str, Any], depth: int
) -> Iterator[tuple[str, Description]]:
    """Yield the camera of a level, or else those of the levels below; size and lens may stand further up."""
    level = _level(document)
    known = {**above, **{name: value for name, value in level.items() if _of_all_below(name)}}
    if "modelparameters" in level:
        raise ParameterError(
            "ModelParameters are an Azure Kinect's own numbers, not in pixels of an image; "
            "export fx, fy, cx, cy of the image's mode"
        )
    camera = _camera(level, _size(known))
    if camera is not None:
        distorted = any(_LENS.fullmatch(name) and _not_zero(value) for name, value in known.items())
        factors = [value for name, value in known.items() if _FACTOR.fullmatch(name)]
        factor = _number("factor_depth", _unwrapped(factors[0])) if factors else None
        yield ".".join(place), Description(camera, distorted, factor)
    elif depth:
        for name, value in document.items():
            for part in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(part, Mapping):
                    yield from _search(part, (*place, str(name)), known, depth - 1)


def _of_all_below(name: str) -> bool:
    """Whether a name may stand above the camera that it is about; there are few, so a level costs what it holds."""
    sized = name == "resolution" or any(name in names for names in _SIZES)
    return sized or bool(_LENS.fullmatch(name) or _FACTOR.fullmatch(name))


def _level(document: Mapping[Any, Any]) -> dict[str, Any]:
    level: dict[str, Any] = {}
    for key, value in document.items():
        name = re.sub(r"[_\- ]", "", str(key)).lower()
        if name in level and level[name] != value:
            raise ParameterError(f"{brief(str(key))} is there twice, in other letters; keep one")
        level[name] = value
    return level


def _camera(level: Mapping[str, Any], size: tuple[int | None, int | None]) -> Camera | None:
    if {"pitchx", "pitchy"} & level.keys():
        pitches = {name: level[name.replace("_", "")] for name in _SCANNER if name.replace("_", "") in level}
        if not {"pitch_x", "pitch_y"} <= pitches.keys():
            raise ParameterError(f"{_WANTED}; found only one pitch")
        return Orthographic(**pitches)
    plain = _plain(level)
    spelled = [] if plain is None else [("fx, fy, cx, cy", plain)]
    for pattern in (_MATRIX, _PROJECTION):
        if not spelled or pattern is _MATRIX:
            spelled += [
                (name, numbers)
                for name, value in level.items()
                if pattern.fullmatch(name) and (numbers := _of_matrix(name, value))
            ]
    for name, numbers in spelled[1:]:
        if not all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) for a, b in zip(numbers, spelled[0][1], strict=True)):
            raise ParameterError(f"{spelled[0][0]} and {name} say different cameras; keep one, that of the depth image")
    return Intrinsics(*spelled[0][1], *size) if spelled else None


def _plain(level: Mapping[str, Any]) -> Numbers | None:
    found = {name: level[alias] for name, aliases in _SCALARS.items() for alias in aliases if alias in level}
    for pair, names in _PAIRS.items():
        value = level.get(pair)
        if isinstance(value, (list, tuple)) and len(value) == 2:
            found = dict(zip(names, value, strict=True)) | found
    if not found.keys() & {"fx", "fy"}:
        return None
    missing = [name for name in _SCALARS if name not in found]
    if missing:
        raise ParameterError(f"{_WANTED}; found {', '.join(found)}, but no {', '.join(missing)}")
    fx, fy, cx, cy = (_number(name, _unwrapped(found[name])) for name in _SCALARS)
    return fx, fy, cx, cy


def _of_matrix(name: str, value: Any) -> Numbers | None:
    """Return the numbers of a matrix; None if the value is no list of numbers, and belongs to something else."""
    if isinstance(value, Mapping):
        value = {str(key).lower(): part for key, part in value.items()}.get("data")
    if not isinstance(value, (list, tuple)) or any(isinstance(part, Mapping) for part in value):
        return None
    rows = [list(row) if isinstance(row, (list, tuple)) else [row] for row in value]
    flat = [_number(name, part) for row in rows for part in row]
    columns = {4: 4, 9: 3, 12: 4, 16: 4}.get(len(flat))
    if columns is None or len({len(row) for row in rows}) != 1:
        raise ParameterError(f"{name} holds {len(flat)} numbers; a camera's matrix has 9 (3 x 3)")
    if len(flat) == 4:
        return flat[0], flat[1], flat[2], flat[3]
    if len(rows) == 4 and len(flat) == 12:  # 3 x 4, written by columns
        columns = 3
    matrix = [flat[start : start + columns] for start in range(0, len(flat), columns)]
    return _of_rows(name, [row[:3] for row in matrix[:3]])


def _of_rows(name: str, matrix: Sequence[Sequence[float]]) -> Numbers:
    if matrix[2][:2] == [0, 0]:
        by_rows = matrix
    elif matrix[0][2] == matrix[1][2] == 0:
        by_rows = [list(column) for column in zip(*matrix, strict=True)]
    else:
        raise ParameterError(
            f"{name} is no camera's matrix, by rows or by columns: zeros are expected below the diagonal"
        )
    (fx, skew, cx), (below, fy, cy), (_, _, one) = by_rows
    if abs(one - 1) > 1e-6 or below != 0:
        raise ParameterError(
            f"{name} is no camera's matrix: it must end with 1, with 0 below fx, got {one!r} and {below!r}"
        )
    if abs(skew) > 1e-3 * abs(fx):
        raise ParameterError(f"{name} has a skew of {skew!r} pixels; cameras without one are read")
    return fx, fy, cx, cy


def _size(level: Mapping[str, Any]) -> tuple[int | None, int | None]:
    for names in _SIZES:
        if all(name in level for name in names):
            width, height = (_whole(name, _unwrapped(level[name])) for name in names)
            return width, height
    resolution = level.get("resolution")
    if isinstance(resolution, (list, tuple)) and len(resolution) == 2:
        return _whole("resolution", resolution[0]), _whole("resolution", resolution[1])
    return None, None


def _unwrapped(value: Any) -> Any:
    """Return a number that MATLAB keeps as a matrix of one."""
    while isinstance(value, (list, tuple)) and len(value) == 1:
        (value,) = value
    return value


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if not number.is_integer():
        raise ParameterError(f"{name} must be a whole number, got {quoted(value)}")
    return int(number)


def _number(name: str, value: Any) -> float:
    if not math.isfinite(number := as_float(name, value)):
        raise ParameterError(f"{name} must be a finite number, got {quoted(value)}")
    return number


def _not_zero(value: Any) -> bool:
    """Return whether there is a number but 0 in a value, or in the data of a matrix."""
    if isinstance(value, Mapping):
        return any(
            _not_zero(part) for name, part in value.items() if str(name).lower() not in ("rows", "cols", "model")
        )
    if isinstance(value, (list, tuple)):
        return any(map(_not_zero, value))
    return not isinstance(value, (str, bool)) and isinstance(value, (int, float)) and value != 0
