"""``das3d-ref benchmark``: the paper's Tables 1–4 for a whole data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import (
    given,
    study_options,
)
from ..progress import progress_bar
from ..summary import show_failures
from ..voice import ANEW, voice

__all__ = ["benchmark"]

_MODES = ("rgbd", "depth", "rgb")


@click.command()
@study_options
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
    from das3d_aug.errors import counted
    from das3d_ref.studies.benchmark import benchmark as run
    from das3d_ref.studies.cells import Study

    shared = {name: options.pop(name) for name in ("categories", "seeds", "processes")}
    said = voice()
    said.go_on = ANEW
    study = Study(data=data, options=given(options), preset=preset, overrides=values)
    with progress_bar("benchmark") as progress:
        found = run(study, out, modes=modes or _MODES, progress=progress, report=said.say, **shared)
    said.tell(out=out, cells=len(found.results))
    said.say(f"{out}: {counted(len(found.results), 'cell')}; see tables.md, tables.tex, results.csv and results.json")
    return show_failures(found.failures)
