"""Camera files: JSON, YAML and XML of many makers, MATLAB's .mat, and whether they belong to an image.

`das3d_aug.geometry.describe_camera` knows the spellings.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from das3d_aug.errors import FileError, ParameterError, brief
from das3d_aug.files.documents import decoded, read_json, read_yaml
from das3d_aug.files.limits import read_bytes
from das3d_aug.files.whole import contained
from das3d_aug.geometry import Camera, Description, Intrinsics, describe_camera

__all__ = ["camera_file", "read_camera", "read_camera_for"]

_MAX_BYTES = 2**18  # a calibration by OpenCV lists the corners that it saw
_STEMS = ("intrinsics", "intrinsic", "camera")
_SUFFIXES = (".json", ".yaml", ".yml", ".xml", ".mat")
_ANY_NAME = (".yaml", ".yml", ".mat")
_MATLAB_NUMBERS = ("double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_MAX_ELEMENTS = 64
_MAX_UNPACKED = 2**12  # bytes of a variable: so many numbers, their name and tags
_COMPRESSED = 15


def read_camera(path: str | Path) -> Camera:
    """Read a camera from JSON, YAML, OpenCV's XML or MATLAB's .mat; `describe_camera` says which spellings.

    Raises
    ------
    FileError
        If the file is missing or damaged, or holds no camera that is known.
    """
    return _describe(Path(path)).camera


def read_camera_for(
    path: str | Path, shape: tuple[int, ...], *, depth_scale: float | None = None
) -> tuple[Camera, tuple[str, ...]]:
    """Read the camera of an image.

    A file that names another size than the image's is for an image that was resized, if both sides differ by one
    factor: its camera is then scaled.

    Parameters
    ----------
    path : str or pathlib.Path
        As for `read_camera`.
    shape : tuple of int
        Height and width of the image come first.
    depth_scale : float, optional
        Stored numbers per unit of depth, if the user names them.

    Returns
    -------
    Camera
        Of this image.
    tuple of str
        What the file says that should be known, a sentence each: it was scaled, its numbers hardly fit the image, the
        lens distorts, depth has a factor.

    Raises
    ------
    FileError
        As from `read_camera`, or if the file is for an image of another shape.
    """
    path = Path(path)
    about = _describe(path)
    camera, notes = _fitted(path, about.camera, shape)
    if isinstance(camera, Intrinsics) and not _plausible(camera, shape):
        height, width = shape[:2]
        notes += (
            f"{path.name} has focal lengths ({camera.fx:g}, {camera.fy:g}) and a principal point ({camera.cx:g}, "
            f"{camera.cy:g}) in pixels that hardly fit an image of {width} x {height}: is it the camera of this image?",
        )
    if about.distorted:
        notes += (
            f"{path.name} names a lens distortion, which is not undone: points bend where it is strong; undistort",
        )
    if about.depth_factor is not None and depth_scale is None:
        notes += (
            f"{path.name} names the depth factor {about.depth_factor:g}, which is not used: give it as depth_scale=",
        )
    return camera, notes


def camera_file(root: Path, *, any_name: bool = True) -> Path | None:
    """Return the camera file of a folder.

    It is ``intrinsics``, ``intrinsic`` or ``camera`` with .json, .yaml, .yml, .xml or .mat, the first of these, or else
    the one .yaml, .yml or .mat of any name that holds a camera, unless ``any_name`` is false.

    Raises
    ------
    FileError
        If there are several of any name, or it leads out of the folder.
    """
    for name in (stem + suffix for stem in _STEMS for suffix in _SUFFIXES):
        if (root / name).exists():
            return contained(root, root / name)
    if not any_name:
        return None
    others = sorted(path for path in root.iterdir() if path.suffix.lower() in _ANY_NAME and _holds_camera(path))
    if len(others) > 1:
        names = brief(", ".join(path.name for path in others))
        raise FileError(root, f"has several camera files ({names}); name the right one camera{others[0].suffix}")
    return contained(root, others[0]) if others else None


def _holds_camera(path: Path) -> bool:
    try:
        _describe(path)
    except FileError:
        return False
    return True


def _describe(path: Path) -> Description:
    try:
        return describe_camera(_document(path))
    except ParameterError as error:
        raise FileError(path, str(error)) from error


def _document(path: Path) -> dict[Any, Any]:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return read_yaml(path, limit=_MAX_BYTES)
    if suffix == ".xml":
        return _read_xml(path)
    if suffix == ".mat":
        return _read_matlab(path)
    return read_json(path, limit=_MAX_BYTES)


def _fitted(path: Path, camera: Camera, shape: tuple[int, ...]) -> tuple[Camera, tuple[str, ...]]:
    height, width = shape[:2]
    if not isinstance(camera, Intrinsics) or camera.width is None or camera.height is None:
        return camera, ()
    if (camera.width, camera.height) == (width, height):
        return camera, ()
    factor, other = Fraction(width, camera.width), Fraction(height, camera.height)
    sizes = f"an image of {camera.width} x {camera.height} pixels (width x height), and this one has {width} x {height}"
    if factor != other:
        turned = " (turned by 90 degrees?)" if (camera.width, camera.height) == (height, width) else ""
        raise FileError(path, f"is for {sizes}{turned}; give the camera of this image")
    scaled = replace(camera.scaled(float(factor), float(factor)), width=width, height=height)
    return scaled, (f"{path.name} is for {sizes}: its camera was scaled by {factor}",)


def _plausible(camera: Intrinsics, shape: tuple[int, ...]) -> bool:
    """Whether an image of this size is seen at 0.6 … 157 degrees, its principal point no image's width outside it."""
    height, width = shape[:2]
    longer = max(height, width)
    focal = all(0.1 <= length / longer <= 100 for length in (camera.fx, camera.fy))
    return focal and -width <= camera.cx <= 2 * width and -height <= camera.cy <= 2 * height


def _read_xml(path: Path) -> dict[Any, Any]:
    text = decoded(path, read_bytes(path, most=_MAX_BYTES))
    if "<!" in text.replace("<!--", ""):
        raise FileError(path, "is XML with declarations (<!…>), which are not read")
    try:
        root = ElementTree.fromstring(text)  # there are no entities, which could swell
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise FileError(path, f"is not XML: {brief(str(error))}") from error
    return {child.tag: _xml_value(child) for child in root}


def _xml_value(element: ElementTree.Element) -> Any:
    """Return the parts of an element by name (two levels are enough for OpenCV's), its numbers, or its text."""
    if len(element):
        return {child.tag: _xml_numbers(child.text or "") for child in element}
    return _xml_numbers(element.text or "")


def _xml_numbers(text: str) -> Any:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return text
    return numbers[0] if len(numbers) == 1 else numbers


def _read_matlab(path: Path) -> dict[Any, Any]:
    """Read the small numeric arrays of a .mat (version 5); large ones, structures and code are not opened."""
    import scipy.io

    data = read_bytes(path, most=_MAX_BYTES)
    try:
        data = _small_variables(data)
        listed = scipy.io.whosmat(io.BytesIO(data))
        small = [name for name, shape, kind in listed if kind in _MATLAB_NUMBERS and _elements(shape) <= _MAX_ELEMENTS]
        if len(set(small)) < len(small):
            raise ValueError("a variable is there twice")
        arrays = scipy.io.loadmat(io.BytesIO(data), variable_names=small)
        return {name: arrays[name].tolist() for name in small}
    except Exception as error:  # the parser promises no family of errors for damaged input
        raise FileError(
            path, f"is not MATLAB's .mat of version 5: {type(error).__name__} {brief(str(error))}"
        ) from error


def _small_variables(data: bytes) -> bytes:
    """Return a .mat of version 5 without compression, and without what is no variable or too large to be of use."""
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:  # as in version 4, whose shapes are no bound of what is made of them
        raise ValueError("its header says no byte order")
    parts, at = [data[:128]], 128
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        end = at + 8 + size
        part = data[at:end]
        if kind == _COMPRESSED:
            part = zlib.decompressobj().decompress(part[8:], _MAX_UNPACKED + 1)
        if len(part) <= _MAX_UNPACKED and _holds_its_parts(part, order):
            parts.append(part)
        at = end
    return b"".join(parts)


def _holds_its_parts(variable: bytes, order: str) -> bool:
    """Whether flags, shape, name and numbers lie in a variable: the parser gets as much memory as they declare."""
    at = 8
    while at + 8 <= len(variable):
        kind, size = struct.unpack_from(f"{order}II", variable, at)
        at += 8 if kind >> 16 else 8 + size  # few bytes stand in the place of their size
        if at > len(variable):
            return False
        at += -at % 8
    return at > 8


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count
