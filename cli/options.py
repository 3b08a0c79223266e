"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .progress import progress_bar
from .voice import voice

__all__ = [
    "FILE",
    "FOLDER",
    "FOLDER_OR_URL",
    "OUT",
    "OUT_OR_URL",
    "PAGE",
    "PICTURE",
    "PRESETS",
    "beside",
    "drawing_options",
    "given",
    "is_main",
    "layout_options",
    "open_source_of",
    "preparation_options",
    "recipe_of",
    "source_options",
    "study_options",
    "synthesis_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class _Named(click.Path):
    """A file to write, which is of its kind whatever it is called, so it is called one."""

    def __init__(self, what: str, *endings: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._what, self._endings = what, endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() not in self._endings:
            names = " or ".join(self._endings)
            self.fail(f"{self._what} is written, so its name ends in {names}, got {path.name!r}", param, ctx)
        return path


class _FolderOrUrl(click.Path):
    """A folder, or the URL of a place in a store, which is asked when it is used."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OUT = click.Path(file_okay=False, path_type=Path)
FOLDER_OR_URL = _FolderOrUrl(exists=True, file_okay=False, path_type=Path)
OUT_OR_URL = _FolderOrUrl(file_okay=False, path_type=Path)
PICTURE = _Named("a PNG", ".png")
PAGE = _Named("an HTML page", ".html", ".htm")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".webp", ".exr", ".npy", ".npz")
PRESETS = ("paper", "small", "demo", "practical", "smoke")


def beside(picture: Path | None, source: Path) -> None:
    """Refuse to write a picture among those of the data, where it would be a sample or take the place of one."""
    if picture is None or not picture.resolve().is_relative_to(source.resolve()) or not picture.parent.is_dir():
        return
    others = (path for path in picture.parent.iterdir() if path.suffix.lower() in _IMAGES)
    if picture.parent.resolve() != source.resolve() or any(path.name != picture.name for path in others):
        raise click.UsageError(f"{picture} would lie in {source}, among the data: write the picture elsewhere")


def _numbers(context: click.Context, option: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """Read numbers that are joined by commas."""
    try:
        return None if value is None else tuple(float(number) for number in value.split(","))
    except ValueError:
        raise click.BadParameter(f"numbers joined by commas are expected, got {value!r}", context, option) from None


def layout_options(command: Command) -> Command:
    """Add the options that say how the folder IN is read."""
    for option in reversed(
        (
            click.option("--layout", help="Layout of IN; recognised without it."),
            click.option("--depth-scale", type=float, help="Stored depth numbers per unit (folders of images)."),
            click.option("--unit", type=click.Choice(["m", "mm"]), help="Unit of depth, where IN does not say it."),
            click.option(
                "--encoding",
                type=click.Choice(["plain", "disparity", "sunrgbd", "nyu"]),
                help="What the stored depth numbers mean (folders of images).",
            ),
            click.option(
                "--depth-kind",
                type=click.Choice(["z", "range"]),
                help="Along the optical axis, or along the ray (folders of images).",
            ),
            click.option(
                "--depth-axis",
                type=click.Choice(["away", "towards", "opengl"]),
                help="Larger is farther, or a height (towards); points of a camera that looks along -z (opengl).",
            ),
            click.option(
                "--invalid",
                metavar="NUMBER,…",
                callback=_numbers,
                help="Stored depth numbers that mean 'not measured', such as 65535,-32768.",
            ),
            click.option("--light", help="0 … 5, all, bottom, right, top, left or global (Eyecandies)."),
            click.option("--cloud-width", type=click.IntRange(min=1), help="Points in a row (folders of clouds)."),
        )
    ):
        command = option(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the user did not say, so that the library's defaults hold."""
    return {name: value for name, value in options.items() if value is not None}


def synthesis_options(command: Command) -> Command:
    """Add the folder IN, and the options that say how it is read and what is drawn."""
    return click.argument("source", metavar="IN", type=FOLDER)(drawing_options(command))


def drawing_options(command: Command) -> Command:
    """Add the options that say how IN is read and what is drawn."""
    for option in reversed(
        (
            click.option("--recipe", metavar="NAME|FILE", help="paper, realistic, or a TOML file with the ranges."),
            click.option(
                "--foreground", type=click.Choice(["auto", "all", "plane"]), help="Where the part is.  [default: auto]"
            ),
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
            click.option("--size", metavar="N|HxW", help="Resize first; depth keeps its steps and holes."),
            click.option("--textures", type=FOLDER, help="Folder of texture images; procedural without it."),
        )
    ):
        command = option(command)
    return layout_options(command)


def preparation_options(command: Command) -> Command:
    """Add the options that prepare images otherwise than in training."""
    for option in reversed(
        (
            click.option(
                "--foreground",
                type=click.Choice(["all", "plane"]),
                help="Where the part is, if not as trained: everywhere, or not on the plane.",
            ),
            click.option(
                "--distance", type=float, metavar="METRES", help="Removed around the plane, if not as trained."
            ),
            click.option(
                "--fallback",
                type=click.Choice(["error", "keep"]),
                help="Where no plane is found, if not as trained: refuse the image or keep all of it.",
            ),
        )
    ):
        command = option(command)
    return command


def recipe_of(recipe: str | None) -> Any:
    """Read the recipe of ``--recipe``, a name or a file; None without it."""
    from das3d_aug.synthesis import Recipe

    if recipe is None:
        return None
    return Recipe.named(recipe) if recipe in ("paper", "realistic") else Recipe.from_toml(recipe)


def source_options(command: Command) -> Command:
    """Add the options that say what is prepared, how and where."""
    for option in reversed(
        (
            click.option("--category", help="Which, where there are several."),
            click.option("--cache", type=OUT, help="Folder for prepared images.  [default: prepared beside MODEL]"),
            click.option("--workers", type=click.IntRange(min=0), default=0, help="Extra processes that prepare."),
        )
    ):
        command = option(command)
    return layout_options(command)


def open_source_of(data: Path, config: Any, model: Path, options: dict[str, Any], *, good: int = 0) -> Any:
    """Prepare the data of a detector beside it, or find it prepared; tell its warnings.

    Fewer ``good`` images to learn from are refused.
    """
    from das3d_ref.training import open_source

    chosen = given(options)
    cache = chosen.pop("cache", model.parent / "prepared")
    with progress_bar("preparing") as progress:
        source = open_source(data, config=config, cache=cache, good=good, progress=progress, **chosen)
    voice().warn(source.warnings)
    if source.decision:
        voice().tell(foreground=source.decision)
        voice().say(f"foreground: {source.decision}")
    return source


def is_main() -> bool:
    """Tell whether this is the process that speaks, of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


def study_options(command: Command) -> Command:
    """Add the options that say what all cells share, and where they are run."""
    for option in reversed(
        (
            click.option("--data", metavar="IN", type=FOLDER, required=True, help="Data in any layout."),
            click.option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), required=True),
            click.option("--preset", type=click.Choice(PRESETS), default="small", show_default=True),
            click.option("--category", "categories", multiple=True, help="Repeatable.  [default: all]"),
            click.option("--set", "values", multiple=True, metavar="SECTION.NAME=VALUE", help="Repeatable."),
            click.option(
                "--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings at a time."
            ),
        )
    ):
        command = option(command)
    return layout_options(command)
