"""The progress bar of every long command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr if that is a terminal; yield what takes (samples done, samples in all)."""
    from rich.console import Console  # lazily: --help must not load it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    speed = TextColumn("{task.fields[speed]}")
    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), speed)
    start = time.perf_counter()
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("samples", total=None, speed="")

        def progress(done: int, total: int) -> None:
            rate = f"{done / (time.perf_counter() - start):.1f}/s"
            bar.update(task, completed=done, total=total, speed=rate)

        yield progress
