"""What a run over a folder did, in a table; what failed, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click

__all__ = ["show_failures", "show_summary"]

_SHOWN = 20  # a camera that is missing fails every sample


def show_summary(
    summary: Any, elapsed: float, *, rows: Sequence[tuple[str, str]] = (), warnings: Sequence[Any] = (), after: str
) -> None:
    """Print a `das3d_aug.generation.Summary` or `das3d_aug.preparation.PreparationSummary`.

    ``rows`` are further rows, ``after`` is what to do next if nothing failed.
    """
    from rich.console import Console  # lazily: --help must not load it
    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_row("source", summary.how)
    table.add_row("written", f"{summary.written} samples, {summary.written / elapsed:.1f} per second")
    table.add_row("complete before", f"{summary.kept} samples")
    for row in rows:
        table.add_row(*row)
    total = sum(summary.seconds.values()) or 1.0
    for part, seconds in summary.seconds.items():
        table.add_row(f"time {part}", f"{seconds:.1f} s, {seconds / total:.0%}")
    Console().print(table)
    for what, found in (("warning", warnings), ("failed", summary.failures)):
        for path, reason in found[:_SHOWN]:
            click.echo(f"das3d-aug: {what}: {path}: {reason}", err=True)
        if len(found) > _SHOWN:
            click.echo(f"das3d-aug: {what}: {len(found) - _SHOWN} more", err=True)
    if summary.failures:
        click.echo(f"{len(summary.failures)} sources failed; mend them and run the same command again")
    else:
        click.echo(f"next: {after}")


def show_failures(failures: Iterable[tuple[str, str]]) -> int:
    """Tell what failed, a line each; return the exit code."""
    code = 0
    for cell, reason in failures:
        click.echo(f"das3d-ref: failed: {cell}: {reason}", err=True)
        code = 1
    return code
