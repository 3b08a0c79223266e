"""The progress bar of every long command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .voice import voice

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(what: str = "samples") -> Iterator[Callable[..., None]]:
    """Show a bar on stderr, if that is a terminal and nobody asked for silence.

    Yield what takes (done, in all[, a note behind the bar]).
    """
    from rich.console import Console  # lazily: --help must not load it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    speed, noted = TextColumn("{task.fields[speed]}"), TextColumn("{task.fields[note]}", markup=False)
    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), speed)
    shown = console.is_terminal and not voice().silent
    start = time.perf_counter()
    with Progress(*columns, TimeRemainingColumn(), noted, console=console, disable=not shown) as bar:
        task = bar.add_task(what, total=None, speed="", note="")

        def progress(done: int, total: int, note: str = "") -> None:
            rate = f"{done / (time.perf_counter() - start):.1f}/s"
            bar.update(task, completed=done, total=total, speed=rate, note=note)

        yield progress
