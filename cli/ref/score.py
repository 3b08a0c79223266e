"""``das3d-ref score``: measure the anomaly maps of any detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..evaluations import show_figures, write_evaluation
from ..options import (
    FOLDER,
    given,
    layout_options,
)
from ..progress import progress_bar
from ..voice import voice

__all__ = ["score"]


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
    voice().warn([(str(data), sentence) for sentence in dataset.warnings])
    with progress_bar("scoring") as progress:
        found = score_maps(dataset, maps, category=category, out=out, as_published=as_published, progress=progress)
    if ties := found.protocol.get("maps of 8 bits"):
        voice().warn([(str(maps), f"8 bits: ties; of the maps, {ties}; write float32 TIFF or 16-bit PNG")])
    show_figures(found)
    if out is not None:
        write_evaluation(found, out, dataset, what=(maps, data, category))
