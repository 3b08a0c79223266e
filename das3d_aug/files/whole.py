"""Writing files that are whole or absent, and staying inside the folder that was given."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import overload

from das3d_aug.errors import FileError
from das3d_aug.files.remote import Place, Remote

__all__ = ["contained", "open_atomic", "sweep_partials", "write_atomic", "write_first"]

_PARTIAL = re.compile(r"\..+\.[0-9]+\.partial")


def write_atomic(path: str | Place, data: bytes) -> None:
    """Write a file so that it is whole or absent; `open_atomic` says how."""
    with open_atomic(path) as stream:
        stream.write(data)


def write_first(path: str | Place, data: bytes) -> None:
    """Write a file unless there is one: of processes that do so at once, on several machines too, one succeeds.

    On a file system without hard links two that start within the same moment may both write: the later one stays.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    if isinstance(path, Remote):
        path.put_first(data)
        return
    path = Path(path)
    partial = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as stream:
            stream.write(data)
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                partial.replace(path)
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


@contextlib.contextmanager
def open_atomic(path: str | Place) -> Iterator[io.BufferedRandom]:
    """Open a file to write and read it, so that it is whole or absent: beside it first, then renamed over it.

    Missing parent folders are made.  The mode of an older file is kept.  A kill may leave
    ``.<name>.<number>.partial``; see `sweep_partials`.  The number is random, for process ids repeat on other machines.
    What goes to a store is a temporary file of this machine first.

    Raises
    ------
    FileError
        If it cannot be written (full disk, no permission), or there is something of that name that is no regular
        file: a folder, a device, a pipe, a symbolic link.  An older file is left as it was, as it is if anything is
        raised inside.
    """
    if isinstance(path, Remote):
        with _put_at_the_end(path) as stream:
            yield stream
        return
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode(path)
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror}") from error
    partial = _beside(path)
    try:
        with partial.open("x+b") as stream:  # "x" follows no link
            yield stream
        if mode is not None:
            partial.chmod(mode)
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise FileError(path, f"cannot be written: {error.strerror}") from error
        raise


@contextlib.contextmanager
def _put_at_the_end(remote: Remote) -> Iterator[io.BufferedRandom]:
    try:
        with tempfile.TemporaryDirectory(prefix="das3d-") as folder:
            local = Path(folder, "object")
            with local.open("x+b") as stream:
                yield stream
            remote.put(local)
    except OSError as error:  # of the temporary file
        raise FileError(tempfile.gettempdir(), f"cannot be written: {error.strerror}") from error


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{int.from_bytes(os.urandom(5))}.partial")


def _mode(path: Path) -> int | None:
    """Return the mode of a regular file, None if there is nothing; refuse everything else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        raise FileError(path, "is a symbolic link, which is not written through; name the file itself")
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise FileError(path, f"is {kind}, not a regular file; name another one to write")
    return stat.S_IMODE(mode)


def sweep_partials(folder: str | Place) -> list[Path]:
    """Remove what killed writers left below ``folder`` and return the removed paths; in a store there is nothing.

    Call it only while no other run writes there.
    """
    removed: list[Path] = []
    if isinstance(folder, Remote):
        return removed
    for parent, _, names in os.walk(folder):
        for name in names:
            if _PARTIAL.fullmatch(name):
                removed.append(Path(parent, name))
                removed[-1].unlink(missing_ok=True)
    return sorted(removed)


@overload
def contained(root: str | Path, path: str | Path) -> Path: ...
@overload
def contained(root: Place, path: Place) -> Place: ...
def contained(root: str | Place, path: str | Place) -> Place:
    """Return ``path`` resolved (symlinks, ``..``), having checked that it lies in ``root``.

    Raises
    ------
    FileError
        If it lies outside, its symlinks form a loop, or it is no path at all.
    """
    if isinstance(root, Remote) and isinstance(path, Remote):
        if not path.lies_below(root):
            raise FileError(path, f"leads outside {root}")
        return path
    try:
        home, target = Path(str(root)).resolve(), Path(str(path)).resolve()
    except (OSError, RuntimeError) as error:
        raise FileError(path, "cannot be resolved: its symbolic links form a loop") from error
    except ValueError as error:  # a zero byte, or half a character
        raise FileError(path, f"is no path: {error}") from error
    if not target.is_relative_to(home):
        raise FileError(path, f"leads outside {home}; copy the file into the folder")
    return target
