"""``das3d-aug gap``: how far the defects of two sets are from each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from ..distances import show_gaps
from ..options import (
    FOLDER,
    given,
    layout_options,
)
from ..voice import voice

__all__ = ["gap"]

_FEW = 20  # samples


@click.command()
@click.argument("a", metavar="A", type=FOLDER)
@click.argument("b", metavar="B", type=FOLDER)
@click.option("--foreground", type=click.Choice(["auto", "all", "plane"]), help="Where the part is.  [default: auto]")
@click.option("--size", metavar="N|HxW", help="Resize first; depth keeps its steps and holes.")
@layout_options
def gap(a: Path, b: Path, **options: Any) -> None:
    """Say how far the labelled defects of A, such as a generated set, are from those of B.

    A classifier that cannot tell them apart has an AUROC of 0.5, on images that it has not seen.
    """
    from das3d_aug.fitting import gap_folders

    found = gap_folders(a, b, **given(options))
    voice().tell(**dataclasses.asdict(found), auroc_error=found.auroc_error)
    voice().say(
        f"A: {found.defects[0]} defects on {found.samples[0]} samples, B: {found.defects[1]} on {found.samples[1]}"
    )
    few = [
        (str(place), f"{count} samples are few: the AUROC says little")
        for place, count in zip((a, b), found.samples, strict=True)
        if count < _FEW
    ]
    voice().warn(few, what="sets")
    show_gaps({"": found})
