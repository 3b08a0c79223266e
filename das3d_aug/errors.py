"""One family of errors: a message names the argument or file, quotes the bad value and says what to do.

Everything that das3d raises on purpose derives from `Das3dError`, so a caller (and the command line) can
tell a mistake in the input from a bug in the program.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["Das3dError", "FileError", "ForegroundError", "ParameterError"]


class Das3dError(Exception):
    """Base of every error that das3d raises on purpose."""


class ParameterError(Das3dError, ValueError):
    """An argument has the wrong shape, dtype, range or name."""


class ForegroundError(ParameterError):
    """There is no pixel on which a defect could be put: no valid depth, or an empty foreground."""


class FileError(Das3dError):
    """A file or folder is missing, damaged, not what it claims to be, or may not be written.

    Attributes
    ----------
    path : pathlib.Path
        The file or folder at fault.
    reason : str
        What is wrong with it, in one line.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
