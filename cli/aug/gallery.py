"""``das3d-aug gallery``: one page to look through the samples of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import FOLDER, PAGE, given, layout_options
from ..progress import progress_bar
from ..voice import voice

__all__ = ["gallery"]


@click.command()
@click.argument("source", metavar="IN", type=FOLDER)
@click.option("--out", type=PAGE, default="gallery.html", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=60, show_default=True, help="Samples, evenly spread.")
@click.option(
    "--side", type=click.IntRange(16, 2048), default=256, show_default=True, help="Longest side of the pictures, in px."
)
@layout_options
def gallery(source: Path, out: Path, **options: Any) -> int:
    """Write one HTML page to look through the samples of IN, such as generate wrote.

    It needs no network: colour, depth, surface, 3-D, before and after, kinds and numbers of each sample, and the
    command that makes it again.  Labelled samples of other sets are shown as they are.
    """
    from das3d_aug.errors import counted
    from das3d_aug.gallery import write_gallery

    with progress_bar() as progress:
        made = write_gallery(source, out, progress=progress, **given(options))
    voice().warn(made.warnings, what="samples")
    voice().fail(made.failures, what="samples")
    voice().tell(out=made.out, samples=made.shown, there=made.there, with_before=made.with_before, bytes=made.bytes)
    voice().say(
        f"{made.out}: {made.shown} of {counted(made.there, 'sample')}, {made.with_before} beside the good part, "
        f"{made.bytes / 1e6:.1f} MB; open it in a browser"
    )
    return 1 if made.failures else 0
