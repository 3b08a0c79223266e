"""WebDataset shards, as `das3d_aug.generation` writes them: ``shard-<number>.tar`` beside ``das3d.json``.

The files of a sample lie one after the other in the tar and share the part of their name before the first dot:
``000123.rgb.png`` (8-bit colour), ``000123.depth.tiff`` or ``.depth.png``, ``000123.mask.png``,
``000123.rgb_mask.png`` and ``000123.depth_mask.png`` (0 and 255), and ``000123.json`` (label, kind, severity, unit,
camera, and the plan that makes the sample again).  Depth is float32 in that unit, unless the JSON says as ``stored``
what its numbers mean, by the names of `das3d_aug.datasets.stored.Meaning`.

So the ``webdataset`` package streams them; here they are read in any order, each from its place in the tar.

Equal samples give equal bytes: ustar headers without time and owner, mode 0644.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.listing import natural
from das3d_aug.datasets.stored import Meaning
from das3d_aug.datasets.write_checks import known_shapes
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import contained, encode_depth, encode_mask, encode_png, read_colour, read_json, read_plane
from das3d_aug.files.images import Compression
from das3d_aug.files.limits import limits
from das3d_aug.geometry import camera_from_dict

__all__ = ["WebDatasetDataset", "add_to_shard", "encode_webdataset", "open_shard", "read_shard_sample"]

_HEADER = "das3d.json"
_SHARDS = "shard-*.tar"
_BLOCK = 512
_KEY = "[0-9A-Za-z_-]+"
_MEMBER = re.compile(rf"({_KEY})\.[0-9A-Za-z_.-]+")
_ROLES = {
    "rgb.png": "rgb",
    "depth.tiff": "depth",
    "depth.png": "depth",
    "mask.png": "mask",
    "rgb_mask.png": "rgb_mask",
    "depth_mask.png": "depth_mask",
    "json": "json",
}
_MAX_JSON_BYTES = 2**20


class _Place(NamedTuple):
    """Where a member's bytes lie in its shard."""

    offset: int
    size: int


@dataclass(frozen=True)
class _ShardEntry(Entry):
    """A sample in a shard; its files are named ``<shard>/<member>``, and lie there."""

    shard: Path = Path()
    places: Mapping[str, _Place] = field(default_factory=dict, hash=False)


class WebDatasetDataset(Dataset):
    """Shards that `das3d_aug.generation` wrote.

    To list them, the tar headers are read and each sample's JSON, which holds its label and kind (the defect's name;
    ``"good"`` if it is normal).  If that JSON is damaged the label is None, and `open` says why.
    """

    layout = "webdataset"
    expected = f"{_SHARDS} beside {_HEADER}"

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for shards beside the header of a run."""
        count = sum(1 for _ in root.glob(_SHARDS))
        return f"{count} shards beside {_HEADER}" if count and (root / _HEADER).is_file() else None

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of all shards; there are no options."""
        entries: dict[str, Entry] = {}
        for shard in sorted(root.glob(_SHARDS), key=lambda path: natural(path.name)):
            contained(root, shard)
            for entry in _entries(shard):
                if entry.key in entries:
                    raise FileError(shard, f"holds a second sample {entry.key!r}; remove one of them")
                entries[entry.key] = entry
        return cls(root, how, entries=entries.values())

    def file(self, entry: Entry, role: str) -> Path:
        """Return ``<shard>/<member>``, which names the member but is not a path to open; see `read`."""
        assert isinstance(entry, _ShardEntry)
        if role not in entry.files:
            raise FileError(entry.shard, f"holds no {role} of sample {entry.key!r}")
        contained(self.root, entry.shard)
        return entry.files[role]

    def read(self, entry: Entry, role: str) -> bytes:
        """Return what a member holds; see `Dataset.read`."""
        path = self.file(entry, role)
        assert isinstance(entry, _ShardEntry)
        with _opened(entry.shard) as stream:
            return _read(stream, path, entry.places[role])

    def record(self, entry: Entry) -> dict[str, Any]:
        """Return a sample's JSON: kind, severity, source, plan and more.

        Raises
        ------
        FileError
            If it is missing or damaged.
        """
        return read_json(self.file(entry, "json"), data=self.read(entry, "json"))

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        colour, numbers = self.colour(entry), None
        if "depth" in self.roles:
            numbers = read_plane(self.file(entry, "depth"), name="depth", data=self.read(entry, "depth"))
        self.file(entry, "mask")  # or it is named
        about = self.record(entry)
        try:
            camera = None if about["intrinsics"] is None else camera_from_dict(about["intrinsics"])
            unit = str(about["unit"])
            meaning = Meaning(**{"unit": unit, **about.get("stored", {})})
        except (KeyError, TypeError, ParameterError) as error:
            raise FileError(self.file(entry, "json"), f"has no unit or intrinsics: {error}") from error
        if numbers is None:
            return self.assemble(entry, colour=colour, depth=None, role="rgb", unit=unit, intrinsics=camera)
        measured = meaning.measure(self.file(entry, "depth"), numbers)
        return self.assemble(
            entry,
            colour=colour,
            depth=measured.depth,
            role="depth",
            unit=unit,
            intrinsics=camera,
            warnings=measured.warnings,
            stored=measured.stored,
        )

    def colour(self, entry: Entry) -> tuple[NDArray[np.uint8] | None, bool]:
        """Return the colour of a sample and whether it is grey; see `Dataset.colour`."""
        if "rgb" not in self.roles:
            return None, False
        return read_colour(self.file(entry, "rgb"), data=self.read(entry, "rgb"))


def encode_webdataset(
    key: str,
    *,
    rgb: NDArray[np.uint8] | None = None,
    depth: NDArray[Any] | None = None,
    mask: NDArray[Any],
    rgb_mask: NDArray[Any],
    depth_mask: NDArray[Any],
    compression: Compression = "default",
) -> dict[str, bytes]:
    """Encode a sample as members of a shard, all but its JSON; nothing is written.

    Parameters
    ----------
    key : str
        Its name, of letters, digits, ``_`` and ``-``.
    rgb : numpy.ndarray, optional
        uint8, H x W x 3, or H x W for grey; needed without depth.
    depth : numpy.ndarray, optional
        H x W; uint16 becomes a 16-bit PNG, other integers a TIFF of their type, everything else a float32 TIFF.
    mask, rgb_mask, depth_mask : numpy.ndarray
        H x W, non-zero where anomalous (anywhere, in colour, in depth); stored as 0 and 255.
    compression : {"none", "default", "small"}
        Of colour and depth, as for `das3d_aug.generation.generate`.

    Returns
    -------
    dict of str to bytes
        The content of each member by its name, in the order in which they must lie in the tar.

    Raises
    ------
    ParameterError
        If shapes or dtypes do not fit, or the key has another form.
    """
    known_shapes(either=True, rgb=rgb, depth=depth, mask=mask, rgb_mask=rgb_mask, depth_mask=depth_mask)
    if re.fullmatch(_KEY, key) is None:
        raise ParameterError(f"key must be of letters, digits, '_' and '-', got {key!r}")
    files = {} if rgb is None else {f"{key}.rgb.png": encode_png(rgb, compression=compression)}
    if depth is not None:
        suffix, data = encode_depth(depth, compression=compression)
        files[f"{key}.depth{suffix}"] = data
    for role, plane in (("mask", mask), ("rgb_mask", rgb_mask), ("depth_mask", depth_mask)):
        files[f"{key}.{role}.png"] = encode_mask(plane)
    return files


def open_shard(stream: BinaryIO) -> tarfile.TarFile:
    """Begin a tar; closing it writes its end."""
    return tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT)


def add_to_shard(tar: tarfile.TarFile, files: Mapping[str, bytes]) -> None:
    """Write the files of a sample, one after the other."""
    for name, data in files.items():
        member = tarfile.TarInfo(name)  # without time and owner, mode 0644
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))


def read_shard_sample(shard: Path, key: str) -> dict[str, bytes]:
    """Return what the members of a sample hold, by their names.

    Raises
    ------
    FileError
        If the shard is damaged or has no such sample.
    """
    keys = []
    with _opened(shard) as stream:
        for found, members in _samples(stream, shard):
            if found == key:
                return {name: _read(stream, shard / name, place) for name, place in members.items()}
            keys.append(found)
    there = f"{keys[0]} … {keys[-1]}" if keys else "none"
    raise FileError(shard, f"has no sample {key!r}; it has {there}")


def _entries(shard: Path) -> Iterator[_ShardEntry]:
    with _opened(shard) as stream:
        for key, members in _samples(stream, shard):
            roles = {_ROLES[name]: f"{key}.{name}" for name in _ROLES if f"{key}.{name}" in members}
            label, kind, category = None, "", ""
            try:
                path, place = shard / roles["json"], members[roles["json"]]
                about = read_json(path, data=_read(stream, path, place))
                label, kind, category = int(about["label"]), str(about["kind"]), str(about["category"])
            except (FileError, KeyError, TypeError, ValueError):
                pass  # `open` says what is wrong
            yield _ShardEntry(
                key=key,
                split="",
                defect="good" if label == 0 else kind,
                label=label,
                files={role: shard / name for role, name in roles.items()},
                category=category,
                shard=shard,
                places={role: members[name] for role, name in roles.items()},
            )


def _samples(stream: BinaryIO, shard: Path) -> Iterator[tuple[str, dict[str, _Place]]]:
    """Yield each sample's key and the places of its members by name."""
    seen: set[str] = set()
    key = ""
    members: dict[str, _Place] = {}
    for name, place in _members(stream, shard):
        match = _MEMBER.fullmatch(name)
        if match is None:
            raise FileError(shard, f"has a member {name!r}; names of the form KEY.rgb.png are expected")
        if match[1] != key:
            if members:
                yield key, members
            key, members = match[1], {}
            if key in seen:
                raise FileError(shard, f"has the files of sample {key!r} in two places")
            seen.add(key)
        if name in members:
            raise FileError(shard, f"has two members {name!r}")
        members[name] = place
    if members:
        yield key, members


def _members(stream: BinaryIO, shard: Path) -> Iterator[tuple[str, _Place]]:
    """Yield the members of a tar from its headers alone, checking that each lies in the file.

    `tarfile` itself would follow what a header declares: it reads long names of any size into memory.
    """
    size = stream.seek(0, os.SEEK_END)
    start = 0
    while True:
        stream.seek(start)
        header = stream.read(_BLOCK)
        if header == bytes(_BLOCK):
            return
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise FileError(shard, f"damaged tar: {error} at byte {start}") from error
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise FileError(shard, f"has a member {member.name!r} of type {member.type!r}; only plain files are read")
        start += _BLOCK
        if not 0 <= member.size <= size - start:
            raise FileError(shard, f"is cut short: {member.name!r} declares {member.size} bytes at byte {start}")
        yield member.name, _Place(start, member.size)
        start += -(-member.size // _BLOCK) * _BLOCK


def _opened(shard: Path) -> BinaryIO:
    try:
        if not shard.is_file():
            raise FileError(shard, "is not a file")
        return shard.open("rb")
    except OSError as error:
        raise FileError(shard, f"cannot be read: {error.strerror}") from error


def _read(stream: BinaryIO, path: Path, place: _Place) -> bytes:
    limit = _MAX_JSON_BYTES if path.suffix == ".json" else limits().bytes
    if place.size > limit:
        raise FileError(path, f"holds {place.size} bytes; at most {limit} are read")
    try:
        stream.seek(place.offset)
        data = stream.read(place.size)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    if len(data) != place.size:
        raise FileError(path, f"is cut short: {len(data)} of {place.size} bytes")
    return data
