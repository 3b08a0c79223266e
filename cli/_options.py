"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["FOLDER", "given", "layout_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def layout_options(command: Command) -> Command:
    """Add the options that say how the folder IN is read."""
    for option in reversed(
        (
            click.option("--layout", help="Layout of IN; recognised without it."),
            click.option("--depth-scale", type=float, help="Stored depth numbers per unit (folders of images)."),
            click.option("--unit", type=click.Choice(["m", "mm"]), help="Unit of depth, where IN does not say it."),
            click.option(
                "--encoding",
                type=click.Choice(["plain", "disparity", "sunrgbd", "nyu"]),
                help="What the stored depth numbers mean (folders of images).",
            ),
            click.option(
                "--depth-kind",
                type=click.Choice(["z", "range"]),
                help="Along the optical axis, or along the ray (folders of images).",
            ),
            click.option("--light", help="0 … 5, all, bottom, right, top, left or global (Eyecandies)."),
            click.option("--cloud-width", type=click.IntRange(min=1), help="Points in a row (folders of clouds)."),
        )
    ):
        command = option(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the user did not say, so that the library's defaults hold."""
    return {name: value for name, value in options.items() if value is not None}
