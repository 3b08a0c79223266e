"""The pages of a TIFF, walked before any library reads them: how many, how large their tags, which is the image."""

from __future__ import annotations

import struct
from typing import NamedTuple

from das3d_aug.files.limits import Damaged, Source, limits

__all__ = ["image_page"]

_KIND, _OLD_KIND = 254, 255  # NewSubfileType, SubfileType
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_OLD_REDUCED = 2
_SHORT = 3
_FURTHER_TAGS = (34665, 34853, 40965)  # EXIF, GPS and interoperability: lists of tags of their own
_STACKS = (33628, 33629)
# Bytes of a value by the number of its type, TIFF 6.0 and BigTIFF; types beyond are skipped by readers.
_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)


class _Tag(NamedTuple):
    """A tag: where its value or the offset of its values is stored, and the bytes that it holds there."""

    code: int
    kind: int
    place: int
    held: int


class _Layout(NamedTuple):
    """How a page is stored: the numbers of tags and bytes, and the codes of its parts."""

    order: str
    number: str
    tag: str
    offset: str

    def read(self, source: Source, code: str, at: int) -> int:
        """Return one number."""
        (value,) = struct.unpack(self.order + code, source.at(at, struct.calcsize(self.order + code)))
        return int(value)


def image_page(source: Source) -> int:
    """Return which page of a TIFF is its image: the only one that its tags call no thumbnail and no mask.

    Raises
    ------
    Damaged
        If there are several, or more pages or tags than the limits allow.
    """
    start = source.at(0, 16) if source.size >= 16 else source.at(0, 8).ljust(16)
    order = "<" if start.startswith(b"II") else ">"
    if start[2:4] in (b"+\0", b"\0+"):
        layout, at = _Layout(order, "Q", "HHQQ", "Q"), struct.unpack(order + "Q", start[8:16])[0]
    else:
        layout, at = _Layout(order, "H", "HHII", "I"), struct.unpack(order + "I", start[4:8])[0]
    images, seen, tag_bytes = [], set[int](), 0
    while at:
        if at in seen:
            raise Damaged("its pages run in a circle")
        if len(seen) == limits().pages:
            raise Damaged(f"it has more than {limits().pages} pages; save the one that is meant on its own")
        is_image, size, following = _page(source, layout, at)
        tag_bytes += size
        if tag_bytes > limits().metadata_bytes:
            raise Damaged(f"its tags hold {tag_bytes} bytes; at most {limits().metadata_bytes} are read")
        if is_image:
            images.append(len(seen))
        seen.add(at)
        at = following
    if len(images) != 1:
        raise Damaged(
            f"one image is expected, {len(images)} of its {len(seen)} pages are images and no thumbnails or masks; "
            "save the one that is meant on its own, three planes as H x W x 3"
        )
    return images[0]


def _page(source: Source, layout: _Layout, at: int) -> tuple[bool, int, int]:
    """Return whether a page is an image, the bytes that its tags hold elsewhere, and where the next page lies."""
    is_image, held = True, 0
    tags, end = _tags(source, layout, at)
    for tag in tags:
        held += tag.held
        if tag.code in _STACKS:
            raise Damaged("it is a stack of MetaMorph; save the image that is meant on its own")
        if tag.code in _FURTHER_TAGS:
            further, _ = _tags(source, layout, layout.read(source, layout.offset, tag.place))
            held += sum(one.held for one in further)
        if tag.code in (_KIND, _OLD_KIND):
            says = layout.read(source, "H" if tag.kind == _SHORT else "I", tag.place)
            is_image &= not (says & (_REDUCED | _MASK) if tag.code == _KIND else says == _OLD_REDUCED)
    return is_image, held, layout.read(source, layout.offset, end)


def _tags(source: Source, layout: _Layout, at: int) -> tuple[list[_Tag], int]:
    """Return the tags that lie at a place, and where they end."""
    count = layout.read(source, layout.number, at)
    if not 0 < count <= limits().segments:
        raise Damaged(f"a page of {count} tags is declared; 1 … {limits().segments} are read")
    entry, inline = struct.Struct(layout.order + layout.tag), struct.calcsize(layout.order + layout.offset)
    at += struct.calcsize(layout.order + layout.number)
    tags = []
    for code, kind, values, _ in entry.iter_unpack(source.at(at, count * entry.size)):
        at += entry.size
        size = values * (_BYTES[kind] if kind < len(_BYTES) else 0)
        tags.append(_Tag(code, kind, at - inline, size if size > inline else 0))
    return tags, at
