"""Errors of the library in the words of a command line.

A message names an argument as Python does: first of all, ``size must be …``, or with a value that is proposed,
``unit='mm'`` or ``invalid=(65535, -1)``, or with none, ``xyz=``.  Where the command has an option of that name,
people read ``--size``, ``--unit mm``, ``--invalid 65535,-1`` and ``--xyz``; where it has ``--set`` and there is such a
setting, ``--set preparation.fallback=keep``.  What a document names, ``recipe.toml: count must …``, is its own.
"""

from __future__ import annotations

import dataclasses
import re

import click

__all__ = ["in_options"]

_FIRST = re.compile(r"(?:(?<=^)|(?<=: )(?<!\.toml: )(?<!\.json: ))([a-z_]+)(?= (?:must|is missing)\b)")
_ASSIGNED = re.compile(r"(?<![\w.-])([a-z_]+)=(?:'([^']*)'|\(([-+\w., ]+?),?\)|([\w.-]*\w)|(?=[\s,;:)]|$))")


def in_options(message: str, command: click.Command) -> str:
    """Return a message with the arguments that it names as options of the command."""
    options = {
        name.lstrip("-").replace("-", "_"): (name, parameter)
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }

    def alone(match: re.Match[str]) -> str:
        return options[match[1]][0] if match[1] in options else match[0]

    def assigned(match: re.Match[str]) -> str:
        name, value = match[1], match[2] or (match[3] or match[4] or "").replace(", ", ",")
        if name in options:
            option, parameter = options[name]
            return option if not value or parameter.is_flag else f"{option} {value}"
        if "set" in options and (section := _section_of(name)):
            return f"--set {section}.{name}={value}"
        return match[0]

    return _ASSIGNED.sub(assigned, _FIRST.sub(alone, message))


def _section_of(name: str) -> str | None:
    """Return the section of the configuration that has a setting of this name."""
    from das3d_ref.config import Config  # lazily: --help must not load it

    sections = [section for section, value in vars(Config()).items() if dataclasses.is_dataclass(value)]
    return next((section for section in sections if hasattr(getattr(Config(), section), name)), None)
