"""``das3d-aug merge``: end a run that many tasks made."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ..options import FOLDER
from ..voice import ANEW, voice
from .generate import show_generated

__all__ = ["merge"]


@click.command()
@click.argument("out", metavar="OUT", type=FOLDER)
def merge(out: Path) -> int:
    """End a run of many tasks: check that all are there and write its manifest.

    OUT is the folder that generate wrote with --task and --tasks.
    """
    from das3d_aug.generation import merge as run

    voice().go_on = ANEW
    start = time.perf_counter()
    return show_generated(run(out), time.perf_counter() - start, again="run the tasks and merge again")
