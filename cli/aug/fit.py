"""``das3d-aug fit``: a recipe brought near to a few labelled defects."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from ..distances import show_gaps
from ..options import (
    PICTURE,
    beside,
    given,
    recipe_of,
    synthesis_options,
)
from ..progress import progress_bar
from ..voice import voice

__all__ = ["fit"]

_ACROSS = 3
_KIND = "kinds."
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@synthesis_options
@click.option("--out", type=_FILE, default="recipe.toml", show_default=True, help="Recipe to write.")
@click.option("--sheet", type=PICTURE, help="Picture of real and synthetic defects (PNG).  [default: beside OUT]")
def fit(source: Path, out: Path, sheet: Path | None, recipe: str | None, **options: Any) -> None:
    """Fit a recipe to the labelled defects of IN: its sizes, heights, signs, counts, kinds and places.

    --recipe is where to start, realistic without it.  Five defects are enough for a rough fit.
    """
    from das3d_aug.files import encode_png, write_atomic
    from das3d_aug.fitting import fit_folder
    from das3d_aug.preview import defects_sheet

    sheet = out.with_suffix(".png") if sheet is None else sheet
    beside(sheet, source)
    if sheet == out:
        raise click.UsageError(f"--out and --sheet must be two files, got {out} for both")
    with progress_bar("fitting") as progress:
        fitted = fit_folder(source, recipe=recipe_of(recipe), progress=progress, **given(options))
    write_atomic(out, fitted.to_toml().encode())
    write_atomic(sheet, encode_png(defects_sheet(fitted.pictures)))
    said = voice()
    dents, bumps = fitted.statistics.signs()
    defects, samples, changes = len(fitted.statistics), len(fitted.statistics.count), fitted.changes()
    said.tell(
        out=out,
        sheet=sheet,
        defects=defects,
        samples=samples,
        dents=dents,
        bumps=bumps,
        changes={name: list(values) for name, values in changes.items()},
        before=dataclasses.asdict(fitted.before),
        after=dataclasses.asdict(fitted.after),
    )
    said.warn([(str(source), sentence) for sentence in fitted.warnings], what="sets")
    if fitted.after.wasserstein >= fitted.before.wasserstein:
        said.warn([(str(out), "is no nearer to these defects than the recipe it started from: keep that one")])
    said.say(f"{defects} labelled defects on {samples} samples, beside what the recipe draws before and after the fit:")
    show_gaps({"before": fitted.before, "after": fitted.after})
    if dents + bumps:
        said.say(f"of the labelled ones {dents} are dents, {bumps} bumps, {defects - dents - bumps} neither")
    said.say("moved:")
    fields = {name: values for name, values in changes.items() if not name.startswith(_KIND)}
    kinds = {name: values for name, values in changes.items() if name.startswith(_KIND)}
    for name, values in fields.items():
        said.say(f"  {_moved(name, values)}")
    told = [_moved(name.removeprefix(_KIND), values) for name, values in kinds.items()]
    for first in range(0, len(told), _ACROSS):
        said.say("  " + "".join(f"{text:30}" for text in told[first : first + _ACROSS]).rstrip())
    said.say(f"{out}, {sheet}: written")
    said.say(f"next: das3d-aug generate {source} --recipe {out} --out DIR, or das3d-ref train with --recipe {out}")


def _moved(name: str, values: tuple[Any, Any]) -> str:
    from das3d_aug.fitting.folders import worded

    return f"{name} {worded(values[0])} -> {worded(values[1])}"
