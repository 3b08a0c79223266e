"""``das3d-ref score``: measure the anomaly maps of any detector; and how figures are printed and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ._options import FOLDER, given, layout_options
from ._progress import progress_bar

__all__ = ["score", "show_figures", "write_evaluation"]


@click.command()
@click.option("--maps", metavar="MAPS", type=FOLDER, required=True, help="Folder of anomaly maps, named as the images.")
@click.option("--data", metavar="IN", type=FOLDER, required=True, help="Data in any layout, with test images.")
@click.option("--category", help="Which, where there are several.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the evaluation and a report.")
@click.option("--as-published", is_flag=True, help="Add AUPRO of 100 thresholds, as many papers have it.")
@layout_options
def score(maps: Path, data: Path, category: str | None, out: Path | None, as_published: bool, **options: Any) -> None:
    """Measure the anomaly maps of any detector on labelled test images.

    The map of the image IN/bagel/test/hole/000 is MAPS/bagel/test/hole/000.tiff, .npy or .png (16 bits); larger is more
    anomalous.  The score of an image is the largest value of its map.
    """
    from das3d_aug.datasets import open_dataset
    from das3d_ref.evaluation import score_maps

    dataset = open_dataset(data, **given(options))
    with progress_bar("scoring") as progress:
        found = score_maps(dataset, maps, category=category, out=out, as_published=as_published, progress=progress)
    show_figures(found)
    if out is not None:
        write_evaluation(found, out, dataset, title=f"{maps} on {data}")


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
    from das3d_ref.figures import write_figures
    from das3d_ref.report import write_report

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
