"""``das3d-aug playground``: a local page on which a recipe is built."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from ..options import FOLDER, drawing_options, given, recipe_of
from ..progress import progress_bar
from ..voice import voice

__all__ = ["playground"]


@click.command()
@click.argument("source", metavar="[IN]", type=FOLDER, required=False)
@drawing_options
@click.option("--beside", type=FOLDER, help="Labelled defects whose sizes and heights are shown beside the recipe's.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Recipe that the page writes.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page.  [default: a free one]")
def playground(source: Path | None, recipe: str | None, port: int, **options: Any) -> None:
    """Build a recipe on the normal samples of IN, on a page of this machine: every change is seen at once.

    Without IN it has parts of the demo set.  --recipe is where it begins, realistic without it.  Open the address that
    is printed; Ctrl-C ends it.
    """
    from das3d_aug.playground import Playground, serve

    command = _command(source, **options)
    with progress_bar("measuring") as progress:
        made = Playground(source, recipe=recipe_of(recipe), command=command, progress=progress, **given(options))

    def ready(address: str) -> None:
        voice().tell(address=address)
        click.echo(address, err=voice().silent)  # without it there is no page, so it is no mere talk
        voice().say("open it in a browser of this machine; Ctrl-C ends it")

    serve(made, port=port, ready=ready)


def _command(source: Path | None, out: Path | None, **options: Any) -> str:
    """Return the command that uses the recipe, with the options that say how IN is read; of the seed its place."""
    words = ["das3d-aug", "generate", str(source or "IN"), "--recipe", str(out or "recipe.toml"), "--out", "anomalies"]
    for option in click.get_current_context().command.params:
        value = options.get(option.name or "")
        if isinstance(option, click.Option) and value is not None and option.name not in ("seed", "beside"):
            said = ",".join(f"{number:g}" for number in value) if isinstance(value, tuple) else str(value)
            words += [option.opts[0], said]
    return f"{shlex.join(words)} --seed {{seed}}"
