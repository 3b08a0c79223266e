"""``das3d-aug merge``: end a run that many tasks made."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path

import click

from ..language import in_options
from ..options import FOLDER_OR_URL
from ..voice import ANEW, voice
from .generate import generate, show_generated
from .prepare import show_prepared

__all__ = ["merge"]

_AGAIN = "run the tasks and merge again"


@click.command()
@click.argument("out", metavar="OUT", type=FOLDER_OR_URL)
def merge(out: Path | str) -> int:
    """End a run of many tasks: check that each has ended and write the manifest of what they made.

    It goes by what the tasks say that they made: whether images and shards are still there is not checked.

    OUT is the folder, or the URL, that generate or prepare wrote with --task and --tasks.
    """
    from das3d_aug.generation import merge as run
    from das3d_aug.preparation import is_prepared, merge_prepared

    voice().go_on = ANEW
    start = time.perf_counter()
    if isinstance(out, Path) and is_prepared(out):
        return show_prepared(merge_prepared(out), time.perf_counter() - start, again=_AGAIN)
    merged = run(out)
    merged = dataclasses.replace(merged, warnings=_in_options(merged.warnings), failures=_in_options(merged.failures))
    return show_generated(merged, time.perf_counter() - start, again=_AGAIN)


def _in_options(found: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return what tasks said, in the options of generate: that is what is run again."""
    return tuple((about, in_options(reason, generate)) for about, reason in found)
