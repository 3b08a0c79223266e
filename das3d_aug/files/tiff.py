"""Decoding TIFF: its pages, tags, strips and tiles are judged here, tifffile and imagecodecs decode the pixels."""

from __future__ import annotations

import contextlib
import logging
import math
import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile

from das3d_aug.files.limits import DEFLATE, Array, Damaged, Source, allow, allow_packed, limits
from das3d_aug.files.palettes import Indexed
from das3d_aug.files.tiff_pages import image_page

__all__ = ["decode_tiff"]

_COMPRESSIONS = {1: "none", 5: "LZW", 8: "deflate", 32773: "PackBits", 32946: "deflate"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = 0, 1, 2, 3
_MOST_HELD = {5: 4096, 32773: 64}  # bytes for which one of LZW and of PackBits stands
_LEAST_PADDED = 2**22  # numbers of a padded tile that any image may have: 2048 x 2048


def decode_tiff(source: Source) -> Array | Indexed:
    """Decode the one image of a TIFF or BigTIFF, of strips or tiles, of either byte order; planes become channels."""
    place = image_page(source)
    source.stream.seek(0)
    with _hushed(), tifffile.TiffFile(source.stream, is_ome=False, is_shaped=False, is_imagej=False) as tiff:
        page = tiff.pages[place]
        assert isinstance(page, tifffile.TiffPage)
        _judge(page, source)
        try:
            image: Array = page.asarray(maxworkers=1)  # no threads: safe before a fork
        except Exception as error:  # of any kind: tifffile's, of each codec, NumPy's
            said = (str(error).splitlines() or [""])[0]
            raise Damaged(f"a strip or tile does not hold the pixels that are declared ({said})") from error
        if page.axes == "SYX":
            image = np.moveaxis(image, 0, 2)
        if page.photometric == _PALETTE:
            return _indexed(image, page.colormap)
    if page.photometric == _WHITE_IS_ZERO:
        image = ~image
    return image


def _judge(page: tifffile.TiffPage, source: Source) -> None:
    """Check what a page declares: its kind, its size, and that its strips or tiles lie in the file and suffice."""
    if page.compression not in _COMPRESSIONS:
        named = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise Damaged(f"the compression {_named(page.compression)} is not read; save it with one of {named}")
    if page.dtype is None or page.axes not in ("YX", "YXS", "SYX") or page.samplesperpixel > 4:
        raise Damaged(f"one image is expected, got {page.dtype} of the shape {page.shape}")
    unsigned = page.dtype.kind in "bu" and page.samplesperpixel == 1
    if page.photometric not in (_BLACK_IS_ZERO, _RGB) and not (
        (page.photometric == _WHITE_IS_ZERO and unsigned) or (page.photometric == _PALETTE and page.dtype == np.uint8)
    ):
        raise Damaged(f"its colours are stored as {_named(page.photometric)}; save it as grey or RGB")
    _refuse_frames(page)
    allow(page.imagelength, page.imagewidth)
    numbers, segments = math.prod(page.shape), math.prod(page.chunked)
    if not segments <= limits().parts:
        raise Damaged(f"{segments} strips or tiles are declared; at most {limits().parts} are read")
    padded = segments * math.prod(page.chunks)
    if padded > 4 * numbers + _LEAST_PADDED:
        raise Damaged(f"its tiles are declared to hold {padded} numbers, the image has {numbers}")
    if len(page.dataoffsets) != segments or len(page.databytecounts) != segments:
        raise Damaged(f"{segments} strips or tiles are declared, {len(page.dataoffsets)} are there")
    starts, lengths = np.array(page.dataoffsets, np.float64), np.array(page.databytecounts, np.float64)
    if not ((starts > 0) & (lengths > 0) & (starts + lengths <= source.size)).all():
        raise Damaged("a strip is missing or lies past the end of the file")
    if lengths.sum() > source.size:
        raise Damaged(f"its strips lie over each other: {lengths.sum():.0f} bytes in a file of {source.size}")
    needed = numbers * page.bitspersample // 8
    if page.compression == 1 and lengths.sum() < needed:
        raise Damaged(f"its strips hold {lengths.sum():.0f} bytes, {needed} are declared")
    allow_packed(int(lengths.sum()), needed, most=_MOST_HELD.get(page.compression, DEFLATE))


def _named(value: Any) -> str:
    return str(getattr(value, "name", value))


def _refuse_frames(page: tifffile.TiffPage) -> None:
    """Refuse a page whose description says that more images, without pages of their own, lie behind its pixels."""
    text = page.description[:4096]
    found = re.match(r"ImageJ=.*?^images=(\d{1,9})", text, re.DOTALL | re.MULTILINE)
    frames = int(found[1]) if found else 1
    if shaped := re.match(r'\{"shape": \[([\d, ]{1,80})\].*"truncated": true', text):
        frames = math.prod(int(number) for number in shaped[1].split(",")) // math.prod(page.shape)
    if frames > 1:
        raise Damaged(f"it holds a stack of {frames} images; save the one that is meant on its own")


def _indexed(index: Array, colours: Array | None) -> Indexed:
    """Return an image with its palette, of 16 bits in the file."""
    palette = np.zeros((256, 3), np.uint8)
    if colours is None or colours.ndim != 2 or colours.shape[0] != 3 or not 0 < colours.shape[1] <= 256:
        raise Damaged("it has no palette")
    palette[: colours.shape[1]] = (colours.T >> 8).astype(np.uint8)
    return Indexed(index, palette)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep tifffile's log of this thread quiet: what matters of it becomes a `FileError`."""
    thread = threading.get_ident()
    logger = logging.getLogger("tifffile")

    def other_thread(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(other_thread)
    try:
        yield
    finally:
        logger.removeFilter(other_thread)
