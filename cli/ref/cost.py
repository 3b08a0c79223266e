"""``das3d-ref cost``: what a prediction costs (Table 5)."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..options import (
    FOLDER,
    PRESETS,
)
from ..progress import progress_bar
from ..voice import voice

__all__ = ["cost"]

_BACK_ENDS = ("eager-fp32", "eager-bf16", "compile-bf16", "onnx-fp32", "openvino-fp32", "openvino-bf16")


@click.command()
@click.argument("model", type=FOLDER, required=False)
@click.option("--preset", type=click.Choice(PRESETS), help="Instead of MODEL: its networks, untrained.")
@click.option("--size", metavar="N|HxW", help="Of the images.  [default: the detector's own]")
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(min=1),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Images at a time; repeatable.",
)
@click.option("--repeats", type=click.IntRange(min=1), default=20, show_default=True, help="Timed calls.")
@click.option("--threads", type=click.IntRange(min=1), help="[default: PyTorch's own choice]")
@click.option(
    "--backend", "back_ends", type=click.Choice(_BACK_ENDS), multiple=True, help="Repeatable.  [default: all]"
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for cost.json and cost.md.")
def cost(
    model: Path | None,
    preset: str | None,
    size: str | None,
    batches: tuple[int, ...],
    repeats: int,
    threads: int | None,
    back_ends: tuple[str, ...],
    out: Path | None,
) -> None:
    """Measure time, memory, parameters and operations of a prediction (Table 5), by back end."""
    from rich.console import Console  # lazily: --help must not load it
    from rich.table import Column, Table

    from das3d_aug.runs.output_folder import write_files
    from das3d_ref.config import Config
    from das3d_ref.model import Detector
    from das3d_ref.studies.cost import measure_cost, untrained

    if model is not None and preset is None:
        detector = Detector.load(model)
    elif preset is not None and model is None:
        detector = untrained(Config.preset(preset))
    else:
        raise click.UsageError("give MODEL or --preset, one of them")
    with progress_bar("measuring") as progress:
        found = measure_cost(
            detector,
            size=size,
            batches=batches,
            repeats=repeats,
            threads=threads,
            back_ends=back_ends or _BACK_ENDS,
            progress=progress,
        )
    table = found.table()
    shown = Table(*(Column(name, overflow="fold") for name in table.head), box=None)
    for row in table.rows:
        shown.add_row(*row)
    said = voice()
    said.tell(**json.loads(found.to_json()))
    if not said.silent:
        Console().print(shown)
    for note in table.notes:
        said.say(note)
    if out is not None:
        write_files(out, {"cost.json": found.to_json(), "cost.md": table.to_markdown().encode()})
        said.say(f"{out}: see cost.md and cost.json")
