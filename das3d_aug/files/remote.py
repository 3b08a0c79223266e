"""Places in an object store, which are written as folders are: what `das3d_aug.generation` uses of `pathlib.Path`.

An object is put whole or not at all, so its name alone says that all of it is there, as that of a file renamed over
another does.  fsspec knows the stores and tries again what fails for a moment; here errors become one line.
"""

from __future__ import annotations

import contextlib
import fnmatch
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias
from urllib.parse import unquote

from das3d_aug.errors import Das3dError, ParameterError, brief, quoted

__all__ = ["Place", "Remote", "place"]

# What each store needs, and how it is opened: other processes write there, so no listing is kept; 2 parts of 50 MB of a
# large object are sent at once, which are in memory.
_STORES: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("s3fs: pip install '.[remote]' in the checkout of das3d", {"max_concurrency": 2}),
    "gs": ("gcsfs: pip install gcsfs", {}),
    "memory": ("fsspec: pip install '.[remote]' in the checkout of das3d", {}),
}


@dataclass(frozen=True)
class Remote:
    """An object, or what a folder is in names, in a store.

    What is absent raises FileNotFoundError, as of a path.  Whatever else fails, often the whole store, raises
    `Das3dError`, so that nobody takes it for absence.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Remote:
        return Remote(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> Remote:
        """The place above."""
        return Remote(self.url.rpartition("/")[0])

    def lies_below(self, other: Remote) -> bool:
        """Return whether this is a place below another one."""
        name = self.url.removeprefix(f"{other.url}/")
        return name != self.url and not {"", ".", ".."} & set(name.split("/"))

    def is_file(self) -> bool:
        """Return whether there is an object of this name."""
        try:
            self.size()
        except FileNotFoundError:
            return False
        return True

    def exists(self) -> bool:
        """Return whether there is an object of this name or below it."""
        with self._store() as (store, path):
            return bool(store.exists(path))

    def size(self) -> int:
        """Return the bytes of the object."""
        with self._store() as (store, path):
            found = store.info(path)
        if found["type"] != "file":
            raise FileNotFoundError(str(self))
        return int(found["size"])

    def read_bytes(self) -> bytes:
        """Return the whole object."""
        with self._store() as (store, path):
            return bytes(store.cat_file(path))

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Open the object to read it piece by piece, from a temporary file."""
        with contextlib.ExitStack() as failing:
            stream = failing.enter_context(tempfile.NamedTemporaryFile(prefix="das3d-"))
            with self._store() as (store, path):
                store.get_file(path, stream.name)
            failing.pop_all()
        return stream

    def below(self, pattern: str) -> list[str]:
        """Return the names, seen from here, of all objects below whose last part is like the pattern."""
        with self._store() as (store, path):
            start, found = len(path) + 1, store.find(path)
        return [name[start:] for name in found if fnmatch.fnmatchcase(name, f"*/{pattern}")]

    def listed(self) -> list[str]:
        """Return the names right below."""
        try:
            with self._store() as (store, path):
                return [name.rstrip("/").rpartition("/")[2] for name in store.ls(path, detail=False)]
        except FileNotFoundError:
            return []

    def put(self, local: Path) -> None:
        """Make the object of a local file, whole or not at all."""
        with self._store(writing=True) as (store, path):
            store.put_file(str(local), path)

    def put_first(self, data: bytes) -> None:
        """Make the object unless there is one."""
        with self._store(writing=True) as (store, path), contextlib.suppress(FileExistsError):
            store.pipe_file(path, data, mode="create")

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        with contextlib.suppress(*[FileNotFoundError] if missing_ok else []), self._store() as (store, path):
            store.rm_file(path)

    def remove_all(self) -> None:
        """Remove the objects below."""
        with contextlib.suppress(FileNotFoundError), self._store() as (store, path):
            store.rm(path, recursive=True)

    @contextlib.contextmanager
    def _store(self, *, writing: bool = False) -> Iterator[tuple[Any, str]]:
        """Give the store and the path in it; say what failed in a line."""
        protocol = self.url.partition("://")[0]
        needs, options = _STORES[protocol]
        try:
            import fsspec

            store = fsspec.filesystem(protocol, use_listings_cache=False, **options)
        except ImportError as error:
            raise Das3dError(f"{protocol}:// needs {needs}") from error
        try:
            yield store, store._strip_protocol(self.url)
        except FileNotFoundError as error:
            if writing:  # only of a bucket can there be none
                raise Das3dError(f"{self}: there is no such bucket; make it or name another") from error
            raise
        except FileExistsError:
            raise
        except Exception as error:  # each store has its own
            raise Das3dError(f"{self}: {_said(error)}") from error


Place: TypeAlias = Path | Remote
"""What a run writes to: a path, or a place in a store."""


def place(value: str | Path | Remote) -> Place:
    """Return a path, or of a URL the place in a store; of ``file://`` the path.

    Raises
    ------
    ParameterError
        If a URL is of no store that puts objects whole, names no bucket, or names the machine of a file.
    """
    if not isinstance(value, str) or "://" not in value:
        return value if isinstance(value, Remote) else Path(value)
    protocol, _, name = value.partition("://")
    protocol, name = protocol.lower(), name.rstrip("/")
    if protocol == "file" and name.startswith("/"):
        return Path(unquote(name))
    if protocol in _STORES and name and not name.startswith("/"):
        return Remote(f"{protocol}://{name}")
    known = ", ".join(f"{store}://bucket/name" for store in ("s3", "gs"))
    raise ParameterError(f"out must be a folder, file:///folder, {known} or memory://name, got {quoted(value)}")


def _said(error: Exception) -> str:
    kind = type(error).__name__
    if kind == "NoCredentialsError":
        return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, PermissionError):
        return "access is refused: the credentials must be of someone who may list, get, put and delete objects there"
    return f"the store failed ({kind} {brief(str(error))}); run the same command again"
