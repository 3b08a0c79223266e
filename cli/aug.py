"""``das3d-aug``: make synthetic anomalies, look at them, make one again, and check the installation."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from . import Program
from ._options import FOLDER, given, layout_options
from ._progress import progress_bar
from ._summary import show_summary
from .prepare import prepare

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _synthesis_options(command: Command) -> Command:
    """Add the options that say what is read and what is drawn."""
    for option in reversed(
        (
            click.argument("source", metavar="IN", type=FOLDER),
            click.option("--recipe", type=_FILE, help="TOML file with the ranges to draw from."),
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
            click.option("--size", metavar="N|HxW", help="Resize first; depth keeps its steps and holes."),
            click.option("--textures", type=FOLDER, help="Folder of texture images; procedural without it."),
        )
    ):
        command = option(command)
    return layout_options(command)


@click.group(name="das3d-aug", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Synthetic RGB-D anomalies for training and testing defect detectors."""


main.add_command(prepare)


@main.command()
@_synthesis_options
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option(
    "--format",
    type=click.Choice(["mvtec3d", "folder", "eyecandies", "webdataset"]),
    help="What to write; without it what IN is most like.",
)
@click.option("--shard-size", type=click.IntRange(min=1), help="Samples per webdataset shard.  [default: 256]")
@click.option("--per-image", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Extra processes.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first samples.")
def generate(source: Path, out: Path, recipe: Path | None, **options: Any) -> int:
    """Write anomalous samples made from the normal samples of IN.

    An interrupted run is completed by the same command.
    """
    from das3d_aug.generation import generate as run

    start = time.perf_counter()
    with progress_bar() as progress:
        summary = run(source, out, recipe=_recipe(recipe), progress=progress, **given(options))
    show_summary(
        summary,
        time.perf_counter() - start,
        rows=(("format", summary.format), ("left out", f"{summary.left_out} anomalous sources")),
        after=f"train on {summary.out}, or make one of its samples again with das3d-aug replay",
    )
    return 1 if summary.failures else 0


@main.command()
@_synthesis_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="sheet.png", show_default=True)
@click.option("--count", type=click.IntRange(min=1), default=6, show_default=True, help="Rows.")
def preview(source: Path, out: Path, recipe: Path | None, **options: Any) -> None:
    """Draw a contact sheet of some samples of IN before and after."""
    from das3d_aug.files import encode_png, write_atomic
    from das3d_aug.preview import contact_sheet

    write_atomic(out, encode_png(contact_sheet(source, recipe=_recipe(recipe), **given(options))))
    click.echo(f"{out}: written")


@main.command()
@click.argument("path", metavar="RECIPE.json|SHARD.tar", type=_FILE)
@click.option("--sample", metavar="KEY", help="Which sample of the shard, such as 000123.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Also write the sample here.")
@click.option("--source", type=FOLDER, help="Where the source is now, if it has moved.")
@click.option("--textures", type=FOLDER, help="Where the textures are now, if they have moved.")
def replay(path: Path, out: Path | None, **options: Any) -> int:
    """Make one sample again from its recipe and compare it byte by byte."""
    from das3d_aug._output import write_files
    from das3d_aug.replay import replay as run

    result = run(path, **options)
    if out is not None:
        write_files(out, result.files)
    for difference in result.differences:
        click.echo(difference)
    if not result.differences:
        click.echo(f"{path}: same bytes")
    return 1 if result.differences else 0


@main.command()
def doctor() -> int:
    """Check the installation; exit code 1 if something is wrong."""
    from das3d_aug.doctor import examine

    findings = examine()
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name:<16}{finding.detail}")
    return 0 if all(finding.ok for finding in findings) else 1


@main.command("demo-data")
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
    from das3d_aug.demo_set import write_demo_set

    with progress_bar() as progress:
        count = write_demo_set(out, progress=progress, **given(options))
    click.echo(f"{out}: {count} samples; next: das3d-aug preview {out}")


def _recipe(path: Path | None) -> Any:
    from das3d_aug.recipe import Recipe

    return None if path is None else Recipe.from_toml(path)


if __name__ == "__main__":
    sys.exit(main())
