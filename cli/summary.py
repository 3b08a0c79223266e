"""What a run over a folder did, in a table; what failed, a line a cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .voice import voice

__all__ = ["AGAIN", "show_failures", "show_summary"]

AGAIN = "run the same command again"


def show_summary(
    summary: Any,
    elapsed: float,
    *,
    rows: Sequence[tuple[str, str]] = (),
    warnings: Sequence[Any] = (),
    after: str,
    again: str = AGAIN,
) -> None:
    """Print a `das3d_aug.generation.Summary` or `das3d_aug.preparation.PreparationSummary`.

    ``rows`` are further rows, ``after`` is what to do next if nothing failed, ``again`` what to do if something did.
    """
    from rich.console import Console  # lazily: --help must not load it
    from rich.table import Table

    from das3d_aug.errors import counted

    said = voice()
    said.tell(
        out=summary.out,
        source=summary.how,
        written=summary.written,
        complete_before=summary.kept,
        seconds=summary.seconds,
    )
    table = Table(show_header=False, box=None)
    table.add_row("source", summary.how)
    table.add_row("written", f"{counted(summary.written, 'sample')}, {summary.written / elapsed:.1f} per second")
    table.add_row("complete before", counted(summary.kept, "sample"))
    for row in rows:
        table.add_row(*row)
    total = sum(summary.seconds.values()) or 1.0
    for part, seconds in summary.seconds.items():
        table.add_row(f"time {part}", f"{seconds:.1f} s, {seconds / total:.0%}")
    if not said.silent:
        Console().print(table)
    said.warn(warnings, what="samples")
    said.fail(summary.failures, what="sources")
    if summary.failures:
        said.say(f"{counted(len(summary.failures), 'source')} failed; mend what fails and {again}")
    else:
        said.say(f"next: {after}")


def show_failures(failures: Iterable[tuple[str, str]]) -> int:
    """Tell what failed, a line a cause; return the exit code."""
    found = list(failures)
    voice().fail(found, what="cells")
    return 1 if found else 0
