"""``das3d-aug generate``: write a data set of synthetic anomalies."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import click

from ..options import OUT_OR_URL, given, recipe_of, synthesis_options
from ..progress import progress_bar
from ..summary import show_summary
from ..voice import ANEW, voice

__all__ = ["generate", "show_generated"]


@click.command()
@synthesis_options
@click.option("--out", type=OUT_OR_URL, required=True, help="Folder to write, or s3://bucket/name for webdataset.")
@click.option(
    "--format",
    type=click.Choice(["mvtec3d", "folder", "eyecandies", "webdataset"]),
    help="What to write; without it what IN is most like.",
)
@click.option(
    "--shard-size", type=click.IntRange(min=1, max=2**15), help="Samples per webdataset shard.  [default: 256]"
)
@click.option(
    "--depth-png", type=float, metavar="STEPS", help="Write depth as 16-bit PNG of STEPS per unit (folder, webdataset)."
)
@click.option(
    "--compression",
    type=click.Choice(["none", "default", "small"]),
    help="none: PNG uncompressed, faster; small: more of PNG, and float TIFF halved.  [default: default]",
)
@click.option("--per-image", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--count", type=click.IntRange(min=1), metavar="N", help="Exactly N samples, all anomalous, instead of --per-image."
)
@click.option("--donors", is_flag=True, help="Patches of kind 'paste' come from another normal sample of IN.")
@click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Extra processes.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first samples.")
@click.option(
    "--task", type=click.IntRange(min=0), metavar="I", help="Make part I of --tasks; then das3d-aug merge OUT."
)
@click.option("--tasks", type=click.IntRange(min=1), metavar="N", help="Parts, made by as many processes or machines.")
@click.option("--engine", type=click.Choice(["ray"]), help="Make all --tasks on a Ray cluster, and merge them.")
@click.option("--address", metavar="HOST:PORT", help="Of the Ray cluster; without it the known one, or a new one here.")
def generate(
    source: Path, out: Path | str, recipe: str | None, engine: str | None, address: str | None, **options: Any
) -> int:
    """Write anomalous samples made from the normal samples of IN.

    An interrupted run is completed by the same command.
    """
    from das3d_aug.generation import generate as run
    from das3d_aug.generation import generate_on_ray

    voice().go_on = ANEW
    start = time.perf_counter()
    if engine is not None:
        if options["tasks"] is None or options["task"] is not None:
            raise click.UsageError("--engine ray makes every task: give --tasks N, and no --task")
        with progress_bar("tasks") as progress:
            summary = generate_on_ray(
                source, out, address=address, recipe=recipe_of(recipe), progress=progress, **given(options)
            )
        return show_generated(summary, time.perf_counter() - start)
    if address is not None:
        raise click.UsageError("--address is that of --engine ray: give both")
    with progress_bar() as progress:
        summary = run(source, out, recipe=recipe_of(recipe), progress=progress, **given(options))
    after = None if options["tasks"] is None else f"das3d-aug merge {out}, when all {options['tasks']} tasks have ended"
    return show_generated(summary, time.perf_counter() - start, after=after)


def show_generated(summary: Any, elapsed: float, *, after: str | None = None, again: str | None = None) -> int:
    """Print a `das3d_aug.generation.Summary`, and what to do next or ``again``; return the exit code."""
    from das3d_aug.errors import counted

    breakdown = dataclasses.asdict(summary.breakdown)
    voice().tell(format=summary.format, left_out=summary.left_out, breakdown=breakdown)
    show_summary(
        summary,
        elapsed,
        warnings=summary.warnings,
        rows=(
            ("format", summary.format),
            *([] if summary.left_out is None else [("left out", counted(summary.left_out, "anomalous source"))]),
            *_rows(breakdown),
        ),
        after=after or _next(summary.out),
        **({} if again is None else {"again": again}),
    )
    return 1 if summary.failures else 0


def _next(out: Any) -> str:
    if isinstance(out, Path):
        return f"das3d-aug gallery {out}, to look through them; then train on them beside the good parts"
    return f"copy a shard and its .json from {out} into a folder, and das3d-aug gallery shows what is in it"


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of a breakdown: what all samples in the folder are."""
    from das3d_aug.errors import counted

    kinds = (("colour only", "rgb"), ("depth only", "depth"), ("both", "both"), ("normal", "normal"))
    shares = ", ".join(f"{found[key]} {name}" for name, key in kinds)
    rows = [("in the folder", f"{counted(found['samples'], 'sample')}: {shares}")]
    for name, key, unit, factor in (
        ("defect size", "pixels", "px", 1),
        ("defect area", "area", "mm²", 1),
        ("depth change", "depth_change", "" if found["unit"] == "unknown" else found["unit"], 1),
        ("  of the part's range", "relative_depth_change", "%", 100),
    ):
        if (spread := found[key]) is not None:
            least, median, most = (f"{float(f'{factor * spread[end]:.3g}'):g}" for end in ("least", "median", "most"))
            rows.append((name, f"{f'{median} {unit}'.strip()} in the median, {least} … {most}"))
    return rows
