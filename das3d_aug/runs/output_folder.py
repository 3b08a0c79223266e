"""The folder that `das3d_aug.generation` writes: who may write, what is complete, what it holds.

The recipe of a sample is written after the sample's other files and lists them with their SHA-256, so it
marks the sample as complete.  A shard is marked by a JSON file of its own.  Nothing in the folder depends on time,
on the order of work, or on where the folder is: the source's place is stored relative to it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from das3d_aug.datasets import Dataset, Entry
from das3d_aug.errors import FileError, quoted
from das3d_aug.files import (
    Place,
    Remote,
    contained,
    open_atomic,
    read_json,
    sweep_partials,
    write_atomic,
    write_first,
)

__all__ = [
    "FORMAT",
    "HEADER",
    "Completed",
    "check_writable",
    "claim",
    "completed",
    "differences",
    "digest",
    "joint_writer",
    "keep_apart",
    "listed",
    "listing_digest",
    "manifest_files",
    "names_below",
    "recorded_settings",
    "remove_mark",
    "sole_writer",
    "source_digests",
    "there",
    "to_json",
    "write_files",
    "write_manifest",
]

FORMAT = 1
HEADER = "das3d.json"
_MANIFEST, _LOCK = "manifest.json", "das3d.lock"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


def keep_apart(out: Place, other: Path) -> None:
    """Refuse an output folder that is, holds or lies in a folder that is read."""
    if isinstance(out, Remote):
        return
    here, there = out.resolve(), other.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise FileError(out, f"and {other} must be separate folders")


def check_writable(out: Place, *, header: str = HEADER) -> None:
    """Refuse a folder that `sole_writer` would refuse, before work is done for it; nothing is made or locked.

    Raises
    ------
    FileError
        If it cannot be made or written, or holds anything that is not ours.
    """
    if isinstance(out, Remote):
        _check_ours(out, header)
        return
    existing = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
        if out.exists():
            _check_ours(out, header)
    except OSError as error:
        raise FileError(out, f"cannot be written: {error.strerror}") from error


def _check_ours(out: Place, header: str) -> None:
    ours = out / header
    if ours.is_file():  # asked first: to list what a large run wrote takes long
        return
    names = out.listed() if isinstance(out, Remote) else (path.name for path in out.iterdir())
    foreign = any(name != _LOCK and name[0] != "." for name in names)
    if foreign and not ours.is_file():  # by now another task may have begun
        raise FileError(out, f"is not empty and was not written by this command (no {header}); use another")


@contextlib.contextmanager
def sole_writer(out: Place, *, header: str = HEADER, wait: bool = False) -> Iterator[None]:
    """Make the folder and lock it; the system releases the lock when the process ends, however it ends.

    ``header`` is the file by which a folder of this writer is known.  ``wait`` waits for another run that writes there.

    Raises
    ------
    FileError
        If the folder cannot be made, holds anything that is not ours, or another run writes there.
    """
    with _locked(out, header, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)):
        yield


@contextlib.contextmanager
def joint_writer(out: Place, *, last: bool = False) -> Iterator[None]:
    """Make the folder and write it together with the other tasks of a run; ``last``: alone, when they have ended.

    Tasks never wait for each other and never exclude each other: what they write is atomic, and where two write the
    same file it has the same bytes.  Their shared lock only keeps out who must be alone, a `sole_writer` or a ``last``.
    Where the file system has no locks, as some of clusters, nobody is kept out.

    Raises
    ------
    FileError
        If the folder cannot be made, holds anything that is not ours, or one that must be alone writes there.
    """
    with _locked(out, HEADER, (fcntl.LOCK_EX if last else fcntl.LOCK_SH) | fcntl.LOCK_NB, without=_NO_LOCKS):
        yield


@contextlib.contextmanager
def _locked(out: Place, header: str, how: int, *, without: Collection[int] = ()) -> Iterator[None]:
    """Lock the folder; errors of locking ``without`` which it goes on are numbers of the system.  Stores have none."""
    if isinstance(out, Remote):
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            _check_ours(out, header)
            lock = stack.enter_context((out / _LOCK).open("a+b"))  # NFS wants to read, to share
            try:
                fcntl.flock(lock, how)
            except OSError as error:
                if error.errno not in without:
                    raise
        except BlockingIOError:
            raise FileError(out, "another run is writing here; wait for it or use another folder") from None
        except OSError as error:
            raise FileError(out, f"cannot be written: {error.strerror}") from error
        yield


def claim(out: Place, *, source: Path, textures: Path | None, settings: dict[str, Any], alone: bool = True) -> None:
    """Write the header, or check that the one there is of an equal run; if ``alone``, remove what a killed run left.

    Raises
    ------
    FileError
        If the folder was written with other settings, or the header cannot be read or written.
    """
    if alone:
        sweep_partials(out)
    path = out / HEADER
    header = {
        "format": FORMAT,
        "source": _relative(source, out),
        "textures": None if textures is None else _relative(textures, out),
        "settings": settings,
    }
    if not path.is_file():
        write_first(path, to_json(header))
    before = recorded_settings(path)
    now = json.loads(to_json(settings))
    other = [name for name in now | before if before.get(name) != now.get(name)]
    if other:
        raise FileError(out, f"other settings wrote this folder ({', '.join(other)}); use another folder")


def recorded_settings(path: Place) -> dict[str, Any]:
    """Return the settings that a header names.

    Raises
    ------
    FileError
        If it cannot be read or names none.
    """
    data = path.read_bytes() if isinstance(path, Remote) else None
    settings = read_json(path, data=data).get("settings")
    if not isinstance(settings, dict):
        raise FileError(path, f"settings must be an object, got {quoted(settings)}")
    return settings


def differences(path: Path, values: Mapping[str, Any]) -> list[str]:
    """Return the names, those of a section as ``section.name``, whose values are not those in a JSON file."""
    before, now = _flat(read_json(path)), _flat(json.loads(to_json(values)))
    return sorted(name for name in before | now if before.get(name) != now.get(name))


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in values.items() if not isinstance(value, dict)}
    return flat | {f"{a}.{b}": value for a, sub in values.items() if isinstance(sub, dict) for b, value in sub.items()}


def _relative(folder: Path, out: Place) -> str:
    if isinstance(out, Remote):
        return folder.resolve().as_posix()
    return Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix()


class Completed(NamedTuple):
    """What the mark of a complete sample or shard holds, and the SHA-256 of its files by path, the mark's own last."""

    record: dict[str, Any]
    files: dict[str, str]


def completed(out: Place, mark: str, *, samples: Collection[str] = ()) -> Completed | None:
    """Read the mark of a sample or shard.

    ``mark`` is the recipe of a sample, or the JSON file of a shard, which must hold all of ``samples``.  None if it
    is not complete: a file is missing, or empty, as a power cut leaves it.
    """
    try:
        data = (out / mark).read_bytes()
        record = read_json(out / mark, data=data)
        files: dict[str, str] = record["files"]
        if all(there(out / path) for path in files) and set(samples) <= set(record.get("samples", ())):
            return Completed(record, {**files, mark: digest(data)})
    except (OSError, FileError, KeyError, TypeError, AttributeError):
        pass  # absent or damaged: the sample is made again
    return None


def there(path: Place) -> bool:
    """Return whether there is a file and something in it: after a power cut its name may be all that is left."""
    try:
        if isinstance(path, Remote):
            return path.size() > 0
        found = path.stat()
    except (OSError, ValueError):  # absent, or a damaged mark names it
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def names_below(out: Place, pattern: str) -> Iterable[str]:
    """Return the relative paths of the files below a folder whose names are like the pattern."""
    if isinstance(out, Remote):
        return out.below(pattern)
    return (path.relative_to(out).as_posix() for path in out.rglob(pattern))


def write_files(out: Place, files: Mapping[str, bytes]) -> None:
    """Write files by their relative paths, in order, each whole or absent and none outside ``out``."""
    for path, data in files.items():
        write_atomic(contained(out, out / path), data)


def remove_mark(out: Place, mark: str) -> None:
    """Remove the mark of what is written anew: it names the digests of the old files."""
    path = contained(out, out / mark)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(path, f"cannot be removed: {error.strerror}") from error


def listed(
    out: Place,
    common: Mapping[str, bytes],
    marks: Iterable[str],
    *,
    note: Callable[[dict[str, Any]], object] = lambda record: None,
) -> Iterator[tuple[str, str]]:
    """Yield path and SHA-256 of the files that all samples share, and of those of all complete samples or shards.

    ``note`` gets the record of each.
    """
    yield from ((path, digest(data)) for path, data in common.items())
    for mark in marks:
        if (found := completed(out, mark)) is not None:
            yield from found.files.items()
            note(found.record)


def write_manifest(out: Place, files: Iterable[tuple[str, str]], settings: dict[str, Any]) -> None:
    """Write what `listed` yields, a line at a time: `to_json` of the whole, which may not fit into memory."""
    head = to_json({"format": FORMAT, "settings": settings, "sha256": {}}).removesuffix(b"{}\n}\n")
    with open_atomic(out / _MANIFEST) as stream:
        stream.write(head)
        before = b"{\n"
        for path, found in files:
            stream.write(before + f"  {json.dumps(path, ensure_ascii=False)}: {json.dumps(found)}".encode())
            before = b",\n"
        stream.write(b"{}\n}\n" if before == b"{\n" else b"\n }\n}\n")


def manifest_files(out: Place, settings: Mapping[str, Any]) -> Iterator[str] | None:
    """Return the paths that a manifest of these settings lists, in order, read a line at a time; None without one."""
    head = to_json({"format": FORMAT, "settings": settings, "sha256": {}}).removesuffix(b"{}\n}\n")
    try:
        with (out / _MANIFEST).open("rb") as stream:
            if stream.read(len(head)) != head:
                return None
    except OSError:
        return None
    return _paths(out / _MANIFEST, len(head))


def _paths(path: Place, start: int) -> Iterator[str]:
    with path.open("rb") as stream:
        stream.seek(start)
        for line in stream:
            if line.startswith(b'  "'):
                try:
                    yield from json.loads(b"{" + line.rstrip(b",\n") + b"}")
                except ValueError as error:
                    raise FileError(path, "is damaged; remove it, then merge again") from error


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def source_digests(dataset: Dataset, entry: Entry) -> dict[str, str]:
    """Return the SHA-256 of a source's files by role."""
    return {role: digest(dataset.read(entry, role)) for role in sorted(entry.files)}


def listing_digest(folder: Path) -> str:
    """Return the SHA-256 of the names and sizes of the files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest(to_json([(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]))


def to_json(value: Any) -> bytes:
    """Encode as JSON, one value a line; equal values give equal bytes."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
