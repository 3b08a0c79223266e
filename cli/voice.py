"""What a command says, and to whom: lines for people, or with ``--json`` one object for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from .language import in_options

__all__ = ["ANEW", "Voice", "voice"]

ANEW = "what is finished is kept: run the same command again"
"""What Ctrl-C says of a run that its own command completes."""


@dataclass
class Voice:
    """The voice of one run of a program.

    Attributes
    ----------
    program : str
        Before every line on stderr.
    quiet, as_json : bool
        ``--quiet``, ``--json``: neither lines on stdout nor a bar.
    command : click.Command or None
        The command that runs.
    go_on : str
        How to go on after Ctrl-C; empty where nothing is kept.
    result : dict
        What the command tells programs.
    warnings, failures : list of dict
        ``about`` and ``reason`` of each.
    error : str or None
        What ended the run.
    """

    program: str
    quiet: bool = False
    as_json: bool = False
    command: click.Command | None = None
    go_on: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    error: str | None = None

    @property
    def silent(self) -> bool:
        """Whether people get nothing but warnings and errors."""
        return self.quiet or self.as_json

    def say(self, line: str) -> None:
        """Print a line for people."""
        if not self.silent:
            click.echo(line)

    def tell(self, **values: Any) -> None:
        """Add to what programs get."""
        self.result |= values

    def warn(self, found: Sequence[tuple[str, str]], *, what: str = "images") -> None:
        """Tell on stderr what (about, reason) a run went on in spite of, a line a cause."""
        self._list("warning", found, self.warnings, what)

    def fail(self, found: Sequence[tuple[str, str]], *, what: str = "images") -> None:
        """Tell on stderr what (about, reason) could not be done, a line a cause."""
        self._list("failed", found, self.failures, what)

    def note(self, sentence: str) -> None:
        """Tell on stderr what a function warned of, the same sentence once."""
        found = {"about": "", "reason": self._in_options(sentence)}
        if found not in self.warnings:
            self.warnings.append(found)
            click.echo(_one_line(f"{self.program}: warning: {found['reason']}"), err=True)

    def stop(self, reason: str) -> None:
        """Tell what ended the run, in one line on stderr."""
        self.error = _one_line(" ".join(self._in_options(reason).split()))
        click.echo(f"{self.program}: error: {self.error}", err=True)

    def as_object(self, code: int) -> str:
        """Return the JSON object of the run."""
        name = None if self.command is None else self.command.name
        values = {
            "program": self.program,
            "command": name,
            "exit_code": code,
            "error": self.error,
            "warnings": self.warnings,
            "failures": self.failures,
            "result": self.result,
        }
        return json.dumps(_plain(values), allow_nan=False)

    def _list(self, kind: str, found: Sequence[tuple[str, str]], listed: list[dict[str, str]], what: str) -> None:
        if not found:
            return
        from das3d_aug.runs.causes import by_cause  # lazily: --help must not load the package

        found = [(about, self._in_options(reason)) for about, reason in found]
        listed += [{"about": about, "reason": reason} for about, reason in found]
        for line in by_cause(found, what=what):
            click.echo(_one_line(f"{self.program}: {kind}: {line}"), err=True)

    def _in_options(self, reason: str) -> str:
        return reason if self.command is None else in_options(reason, self.command)


def voice() -> Voice:
    """Return the voice of the command that runs."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.find_object(Voice)
    return found or Voice("das3d")


def _one_line(text: str) -> str:
    """Return text in which what moves a terminal's cursor or colours it is written out: names of files may hold it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: no number that is none, paths as text."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
