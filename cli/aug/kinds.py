"""``das3d-aug kinds``: the kinds of defects that a recipe can name."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from ..options import PICTURE
from ..voice import voice

__all__ = ["kinds"]


@click.command()
@click.option("--out", type=PICTURE, help="PNG to draw each of them into.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def kinds(out: Path | None, seed: int) -> None:
    """List the kinds of defects, those of other packages too, or draw them."""
    from das3d_aug.synthesis.kinds import all_kinds

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        known = all_kinds()
    voice().warn([("kinds", str(one.message)) for one in caught], what="kinds")
    for name, kind in known.items():
        voice().say(f"{name:15}{kind.about}")
    voice().tell(kinds={name: kind.about for name, kind in known.items()})
    if out is not None:
        from das3d_aug.files import encode_png, write_atomic
        from das3d_aug.preview import kinds_sheet

        write_atomic(out, encode_png(kinds_sheet(seed=seed)))
        voice().tell(out=out)
        voice().say(f"{out}: written")
