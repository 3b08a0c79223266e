"""``das3d-aug merge``: end a run that many tasks made."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import click

from ..language import in_options
from ..options import FOLDER_OR_URL
from ..voice import ANEW, voice
from .generate import generate, show_generated
from .prepare import prepare, show_prepared

__all__ = ["merge"]

_AGAIN = "run the tasks and merge again"


@click.command()
@click.argument("out", metavar="OUT", type=FOLDER_OR_URL)
def merge(out: Path | str) -> int:
    """End a run of many tasks: check that each has ended and write the manifest of what they made.

    It goes by what the tasks say that they made: whether images and shards are still there is not checked.

    OUT is the folder, or the URL, that generate or prepare wrote with --task and --tasks.
    """
    from das3d_aug.files import place
    from das3d_aug.generation import merge as run
    from das3d_aug.preparation import is_prepared, merge_prepared

    voice().go_on = ANEW
    start = time.perf_counter()
    where = place(out)
    if isinstance(where, Path) and is_prepared(where):
        return show_prepared(_in_options(merge_prepared(where), prepare), time.perf_counter() - start, again=_AGAIN)
    return show_generated(_in_options(run(where), generate), time.perf_counter() - start, again=_AGAIN)


def _in_options(merged: Any, command: click.Command) -> Any:
    """Return what tasks said in the options of their command: that is what is run again."""
    said = {"warnings": merged.warnings, "failures": merged.failures}
    words = {name: tuple((where, in_options(why, command)) for where, why in found) for name, found in said.items()}
    return dataclasses.replace(merged, **words)
