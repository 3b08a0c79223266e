"""``das3d-ref benchmark`` and ``das3d-ref ablate``: the paper's tables for a whole data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from ._options import FOLDER, given, layout_options
from ._progress import progress_bar

__all__ = ["ablate", "benchmark"]

Command = TypeVar("Command", bound=Callable[..., Any])

_PRESETS = ("paper", "small", "demo", "smoke")
_MODES = ("rgbd", "depth", "rgb")


def _study_options(command: Command) -> Command:
    """Add the options that say what all cells share, and where they are run."""
    for option in reversed(
        (
            click.option("--data", metavar="IN", type=FOLDER, required=True, help="Data in any layout."),
            click.option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), required=True),
            click.option("--preset", type=click.Choice(_PRESETS), default="small", show_default=True),
            click.option("--category", "categories", multiple=True, help="Repeatable.  [default: all]"),
            click.option("--set", "values", multiple=True, metavar="SECTION.NAME=VALUE", help="Repeatable."),
            click.option(
                "--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings at a time."
            ),
        )
    ):
        command = option(command)
    return layout_options(command)


@click.command()
@_study_options
@click.option("--mode", "modes", multiple=True, type=click.Choice(_MODES), help="Repeatable.  [default: all three]")
@click.option(
    "--seed", "seeds", multiple=True, type=click.IntRange(min=0), default=(0,), help="Repeatable.  [default: 0]"
)
def benchmark(
    data: Path,
    out: Path,
    preset: str,
    values: tuple[str, ...],
    modes: tuple[str, ...],
    **options: Any,
) -> int:
    """Train and test every category, mode and seed of IN; write Tables 1–4 with the paper's rows beside.

    An interrupted run is completed by the same command; further seeds, modes and categories join the folder.
    """
    from das3d_ref.benchmark import benchmark as run
    from das3d_ref.cells import Study

    shared = {name: options.pop(name) for name in ("categories", "seeds", "processes")}
    study = Study(data=data, options=given(options), preset=preset, overrides=values)
    with progress_bar("benchmark") as progress:
        found = run(study, out, modes=modes or _MODES, progress=progress, report=click.echo, **shared)
    click.echo(f"{out}: {len(found.results)} cells; see tables.md, tables.tex, results.csv and results.json")
    return _failures(found.failures)


@click.command()
@_study_options
@click.option("--seeds", type=click.IntRange(min=2), default=3, show_default=True, help="How many, from 0.")
def ablate(data: Path, out: Path, preset: str, values: tuple[str, ...], **options: Any) -> int:
    """Train with and without skew filter and dropout (Table 6), and tell whether the difference is established.

    An interrupted run is completed by the same command.
    """
    from das3d_ref.ablation import ablate as run
    from das3d_ref.cells import Study

    shared = {name: options.pop(name) for name in ("categories", "seeds", "processes")}
    study = Study(data=data, options=given(options), preset=preset, overrides=values)
    with progress_bar("ablation") as progress:
        found = run(study, out, progress=progress, report=click.echo, **shared)
    for verdict in found.verdicts().values():
        click.echo(verdict)
    click.echo(f"{out}: see ablation.md and ablation.json")
    return _failures(found.failures)


def _failures(failures: Iterable[tuple[str, str]]) -> int:
    """Tell what failed, a line each; return the exit code."""
    code = 0
    for cell, reason in failures:
        click.echo(f"das3d-ref: failed: {cell}: {reason}", err=True)
        code = 1
    return code
