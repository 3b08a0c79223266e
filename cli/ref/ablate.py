"""``das3d-ref ablate``: the paper's Table 6."""

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

__all__ = ["ablate"]


@click.command()
@study_options
@click.option("--seeds", type=click.IntRange(min=2), default=3, show_default=True, help="How many, from 0.")
def ablate(data: Path, out: Path, preset: str, values: tuple[str, ...], **options: Any) -> int:
    """Train with and without skew filter and dropout (Table 6), and tell whether the difference is established.

    An interrupted run is completed by the same command.
    """
    from das3d_ref.studies.ablation import ablate as run
    from das3d_ref.studies.cells import Study

    shared = {name: options.pop(name) for name in ("categories", "seeds", "processes")}
    said = voice()
    said.go_on = ANEW
    study = Study(data=data, options=given(options), preset=preset, overrides=values)
    with progress_bar("ablation") as progress:
        found = run(study, out, progress=progress, report=said.say, **shared)
    said.tell(out=out, verdicts=found.verdicts())
    for verdict in found.verdicts().values():
        said.say(verdict)
    said.say(f"{out}: see ablation.md and ablation.json")
    return show_failures(found.failures)
