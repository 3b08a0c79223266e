"""How the figures of an evaluation are printed and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .progress import progress_bar

__all__ = ["show_figures", "write_evaluation"]


def show_figures(evaluation: Any) -> None:
    """Print a line a figure: its name, the figure, and its 95 % interval where there is one."""
    width = max(map(len, evaluation.figures))
    for name, figure in evaluation.figures.items():
        line = f"{name:{width}}  " + ("not defined" if figure != figure else f"{figure:.4f}")
        if name in evaluation.intervals:
            low, high = evaluation.intervals[name]
            line += f"  {low:.4f} … {high:.4f}"
        click.echo(line)


def write_evaluation(evaluation: Any, out: Path, dataset: Any, *, title: str) -> None:
    """Write evaluation.json, report.html and figures/ beside the maps that the evaluation left in ``out``.

    ``dataset`` holds the images that were judged, by the same keys.
    """
    from das3d_aug.files import read_plane, write_atomic
    from das3d_ref.evaluation.figures import write_figures
    from das3d_ref.evaluation.report import write_report

    write_atomic(out / "evaluation.json", evaluation.to_json())
    entries = {entry.key: entry for entry in dataset.entries}
    with progress_bar("report") as progress:
        write_report(
            out / "report.html",
            evaluation,
            title=title,
            open_sample=lambda key: dataset.open(entries[key]),
            open_map=lambda key: read_plane(out / "maps" / f"{key}.tiff"),
            progress=progress,
        )
    write_figures(out, dataset, out / "figures")
    click.echo(f"{out}: report.html, figures/, maps/ and evaluation.json written")
