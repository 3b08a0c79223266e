"""``das3d-aug demo-data``: write the computed demo set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import (
    given,
)
from ..progress import progress_bar
from ..voice import ANEW, voice

__all__ = ["demo_data"]


@click.command("demo-data")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--train", type=click.IntRange(min=0), help="Good parts to learn from, per family.  [default: 200]")
@click.option("--validation", type=click.IntRange(min=0), help="Good parts to validate with.  [default: 24]")
@click.option("--good", type=click.IntRange(min=0), help="Good parts to test with.  [default: 40]")
@click.option("--per-defect", type=click.IntRange(min=0), help="Bad parts of each kind of defect.  [default: 10]")
@click.option("--size", type=click.IntRange(32, 2048), default=256, show_default=True, help="Pixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Extra processes.")
def demo_data(out: Path, **options: Any) -> None:
    """Write a computed data set: three families of parts, good and with defects, as MVTec 3D-AD.

    An interrupted run is completed by the same command.
    """
    from das3d_aug.errors import counted
    from das3d_aug.generation import write_demo_set

    voice().go_on = ANEW
    with progress_bar() as progress:
        count = write_demo_set(out, progress=progress, **given(options))
    voice().tell(out=out, samples=count)
    voice().say(f"{out}: {counted(count, 'sample')}; next: das3d-aug preview {out}")
