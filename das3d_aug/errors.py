"""One family of errors: a message names the argument or file, quotes the bad value and says what to do.

Everything that das3d raises on purpose derives from `Das3dError`, so a caller (and the command line) can
tell a mistake in the input from a bug in the program.
"""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

__all__ = ["Das3dError", "FileError", "ForegroundError", "ParameterError", "brief", "counted", "quoted"]

_LONGEST = 80  # characters that a message takes from what it is about
_LONGEST_LINE = 1000


class Das3dError(Exception):
    """Base of every error that das3d raises on purpose; its text is one line that can be printed."""

    def __str__(self) -> str:
        return _line(super().__str__())


class ParameterError(Das3dError, ValueError):
    """An argument has the wrong shape, dtype, range or name."""


class ForegroundError(ParameterError):
    """There is no pixel on which a defect could be put: no valid depth, or an empty foreground."""


class FileError(Das3dError):
    """A file or folder is missing, damaged, not what it claims to be, or may not be written.

    Attributes
    ----------
    path : pathlib.Path, or a place in a store
        The file or folder at fault.
    reason : str
        What is wrong with it, in one line that can be printed, whatever the file holds.
    """

    def __init__(self, path: Any, reason: str) -> None:
        super().__init__(path, reason)
        self.path = Path(path) if isinstance(path, str) else path
        self.reason = _line(reason)

    def __str__(self) -> str:
        return f"{_printable(str(self.path))}: {self.reason}"


def counted(count: int, what: str) -> str:
    """Return ``"1 image"``, ``"2 images"``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def quoted(value: Any) -> str:
    """Return the `repr` of a value for a message: one line of at most 80 characters, cheap however large the value."""
    return brief(_SHORT.repr(value))


def brief(text: str) -> str:
    """Return text from outside for a message: one line of at most 80 characters, and nothing that cannot be printed."""
    line = _printable(" ".join(text[: 4 * _LONGEST].split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _line(text: str) -> str:
    return _printable(text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…")


def _printable(text: str) -> str:
    """Escape what would break a line, move a terminal's cursor, or cannot be encoded."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        """Spare the digits of a huge number: Python refuses to write more than 4300, and they cost their square."""
        return repr(x) if abs(x) < 10**_LONGEST else f"a whole number of {x.bit_length()} bits"


_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 4, _LONGEST - 2, _LONGEST - 2
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = _SHORT.maxfrozenset = 12
