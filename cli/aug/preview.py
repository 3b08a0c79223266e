"""``das3d-aug preview``: a contact sheet of some samples before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import (
    PICTURE,
    beside,
    given,
    recipe_of,
    synthesis_options,
)
from ..voice import voice

__all__ = ["preview"]


@click.command()
@synthesis_options
@click.option("--out", type=PICTURE, default="sheet.png", show_default=True)
@click.option("--count", type=click.IntRange(min=1), default=6, show_default=True, help="Rows.")
def preview(source: Path, out: Path, recipe: str | None, **options: Any) -> None:
    """Draw a contact sheet of some samples of IN before and after.

    A sample that cannot be drawn is a line with the reason.  Where all samples are anomalous, as in a folder that
    generate --count wrote, they are drawn as they are.
    """
    from das3d_aug.files import encode_png, write_atomic
    from das3d_aug.preview import contact_sheet

    beside(out, source)
    failed: list[tuple[str, str]] = []

    def note(sample: str, reason: str) -> None:
        failed.append((sample, reason))

    sheet = contact_sheet(source, recipe=recipe_of(recipe), on_failure=note, **given(options))
    write_atomic(out, encode_png(sheet))
    voice().warn(failed, what="samples")
    voice().tell(out=out)
    voice().say(f"{out}: written")
