"""``das3d-aug replay``: make one sample again and compare it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import (
    FILE,
    FOLDER,
)
from ..voice import voice

__all__ = ["replay"]


@click.command()
@click.argument("path", metavar="RECIPE.json|SHARD.tar", type=FILE)
@click.option("--sample", metavar="KEY", help="Which sample of the shard, such as 000123.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Also write the sample here.")
@click.option("--points", type=click.Choice(["ply"]), help="With --out: also the points before and after.")
@click.option("--source", type=FOLDER, help="Where the source is now, if it has moved.")
@click.option("--textures", type=FOLDER, help="Where the textures are now, if they have moved.")
def replay(path: Path, out: Path | None, points: str | None, **options: Any) -> int:
    """Make one sample again from its recipe and compare it byte by byte."""
    from das3d_aug.generation import replay as run
    from das3d_aug.runs.output_folder import write_files

    if points is not None and out is None:
        raise click.UsageError("--points needs --out, where they are written")
    result = run(path, points=points is not None, **options)
    if out is not None:
        write_files(out, {**result.files, **result.clouds})
    voice().tell(same=not result.differences, differences=result.differences)
    for difference in result.differences:
        voice().say(difference)
    if not result.differences:
        voice().say(f"{path}: same bytes")
    return 1 if result.differences else 0
