"""``das3d-aug labels``: images with outlines of their defects, for detectors of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import FOLDER, OUT, given, layout_options
from ..progress import progress_bar
from ..voice import voice

__all__ = ["labels"]


@click.command()
@click.argument("source", metavar="IN", type=FOLDER)
@click.option("--out", type=OUT, required=True, help="New folder for images and labels.")
@click.option("--format", type=click.Choice(["coco", "yolo"]), default="coco", show_default=True)
@click.option("--split", metavar="NAME", help="Only samples of this split of IN.")
@click.option("--one-category", is_flag=True, help="Call every defect 'defect', whatever its kind.")
@layout_options
def labels(source: Path, out: Path, **options: Any) -> int:
    """Write IN, such as generate wrote, as COCO or YOLO instance segmentation.

    Categories are the kinds of defects.  Labelled sets of any layout will do, if they have masks.
    """
    from das3d_aug.errors import counted
    from das3d_aug.labels import write_labels

    with progress_bar() as progress:
        made = write_labels(source, out, progress=progress, **given(options))
    said = voice()
    said.warn(made.warnings, what="samples")
    said.fail(made.failures, what="samples")
    said.tell(out=made.out, format=made.format, images=made.images, instances=made.instances)
    what = "defect" if made.format == "coco" else "region"  # of which a defect may have several
    kinds = ", ".join(f"{count} {name}" for name, count in made.instances.items() if count)
    said.say(
        f"{made.out}: {counted(made.images, 'image')} with {counted(sum(made.instances.values()), what)}"
        f"{f' ({kinds})' if kinds else ''}, as {made.format.upper()}"
    )
    return 1 if made.failures else 0
