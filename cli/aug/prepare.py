"""``das3d-aug prepare``: remove the background, resize and normalise a whole data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ..options import (
    FOLDER,
    PICTURE,
    beside,
    given,
    layout_options,
)
from ..progress import progress_bar
from ..summary import AGAIN, show_summary
from ..voice import ANEW, voice

__all__ = ["prepare", "show_prepared"]

_SETTINGS = ("foreground", "distance", "size", "normalise", "fallback", "xyz")


@click.command()
@click.argument("source", metavar="IN", type=FOLDER)
@layout_options
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "3d-ads"]),
    default="paper",
    show_default=True,
    help="What is done: as in DAS3D, or as in 3D-ADS (padded to a square, the largest cluster only).",
)
@click.option(
    "--foreground",
    type=click.Choice(["auto", "all", "plane"]),
    help="Where the part is: not on the plane, or everywhere; auto asks the good images.  [default: plane]",
)
@click.option("--distance", type=float, metavar="METRES", help="Removed around the plane.  [default: 0.005]")
@click.option("--size", metavar="N|HxW", help="Size of the result.  [default: 256]")
@click.option("--normalise", type=click.Choice(["image", "dataset", "none"]), help="Range of (0, 1).  [default: image]")
@click.option(
    "--fallback",
    type=click.Choice(["error", "keep"]),
    help="Where no plane is found: refuse the sample or keep all of it.  [default: error]",
)
@click.option("--xyz", is_flag=True, default=None, help="Write the points too.")
@click.option("--sheet", type=PICTURE, help="Also draw some samples here (PNG).")
@click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Extra processes.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first samples.")
@click.option(
    "--task", type=click.IntRange(min=0), metavar="I", help="Prepare part I of --tasks; then das3d-aug merge OUT."
)
@click.option("--tasks", type=click.IntRange(min=1), metavar="N", help="Parts, made by as many processes or machines.")
def prepare(source: Path, out: Path, preset: str, sheet: Path | None, workers: int, **options: Any) -> int:
    """Remove the plane that parts lie on, resize and normalise: all splits of IN.

    An interrupted run is completed by the same command; a changed source is made again.
    """
    from dataclasses import replace

    from das3d_aug.preparation import Preparation
    from das3d_aug.preparation import prepare as run

    beside(sheet, source)
    chosen = given({name: options.pop(name) for name in _SETTINGS})
    limit, task, tasks = (options.pop(name) for name in ("limit", "task", "tasks"))
    presets = {"paper": Preparation.paper, "3d-ads": Preparation.three_d_ads}
    settings = replace(presets[preset](), **chosen)
    voice().go_on = ANEW
    start = time.perf_counter()
    with progress_bar() as progress:
        summary = run(
            source,
            out,
            settings=settings,
            workers=workers,
            limit=limit,
            task=task,
            tasks=tasks,
            progress=progress,
            **given(options),
        )
    elapsed = time.perf_counter() - start
    if sheet is not None:
        _draw(sheet, source, settings, given(options))
    return show_prepared(
        summary, elapsed, after=None if tasks is None else f"das3d-aug merge {out}, when all {tasks} tasks have ended"
    )


def show_prepared(summary: Any, elapsed: float, *, after: str | None = None, again: str = AGAIN) -> int:
    """Print a `das3d_aug.preparation.PreparationSummary`, and what to do next or ``again``; return the exit code."""
    if summary.decision:
        voice().tell(foreground=summary.decision)
        voice().say(f"foreground: {summary.decision}")
    show_summary(
        summary, elapsed, warnings=summary.warnings, after=after or f"das3d-aug preview {summary.out}", again=again
    )
    return 1 if summary.failures else 0


def _draw(sheet: Path, source: Path, settings: Any, options: dict[str, Any]) -> None:
    from das3d_aug.files import encode_png, write_atomic
    from das3d_aug.preview import preparation_sheet

    write_atomic(sheet, encode_png(preparation_sheet(source, settings=settings, **options)))
    voice().tell(sheet=sheet)
    voice().say(f"{sheet}: written")
