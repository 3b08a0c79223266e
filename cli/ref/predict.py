"""``das3d-ref predict``: verdicts on new images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import (
    FILE,
    FOLDER,
    OUT,
    given,
    layout_options,
)
from ..progress import progress_bar

__all__ = ["predict"]


@click.command()
@click.argument("model", type=FOLDER)
@click.argument("source", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=OUT, required=True, help="Folder for maps, overlays and predictions.jsonl.")
@click.option("--depth", type=FILE, help="If IN is one image: its depth.")
@click.option("--xyz", type=FILE, help="If IN is one image: its organised points.")
@click.option("--intrinsics", type=FILE, help="If IN is one image: its camera, as JSON.")
@layout_options
def predict(model: Path, source: Path, out: Path, **options: Any) -> int:
    """Judge IN, a folder of images or one image: score, label, anomaly map and overlay."""
    from das3d_aug.datasets import open_dataset
    from das3d_ref.evaluation import predict_all, predict_pair
    from das3d_ref.model import Detector

    chosen = given(options)
    _check_options(source, chosen)
    if source.is_file():
        failures, count = predict_pair(Detector.load(model), source, out, **chosen), 1
    else:
        dataset = open_dataset(source, **chosen)
        count = len(dataset)
        with progress_bar("judging") as progress:
            failures = predict_all(Detector.load(model), dataset, out, progress=progress)
    for key, reason in failures:
        click.echo(f"das3d-ref: failed: {key}: {reason}", err=True)
    click.echo(f"{out}: {count - len(failures)} of {count} images judged; see predictions.jsonl and overlays/")
    return 1 if failures else 0


def _check_options(source: Path, options: dict[str, Any]) -> None:
    """Refuse options of one image with a folder, and the other way round."""
    of_one, of_both = {"depth", "xyz", "intrinsics"}, {"depth_scale", "unit"}
    wrong, what = options.keys() & of_one, "a folder"
    if source.is_file():
        wrong, what = options.keys() - of_one - of_both, "one image"
    if wrong:
        raise click.UsageError(f"--{min(wrong).replace('_', '-')} does not go with {source}, which is {what}")
