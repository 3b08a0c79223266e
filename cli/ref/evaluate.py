"""``das3d-ref evaluate``: a detector's figures on labelled test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..evaluations import show_baselines, show_figures, write_evaluation
from ..options import (
    FOLDER,
    OUT,
    given,
    open_source_of,
    preparation_options,
    source_options,
)
from ..progress import progress_bar
from ..voice import voice

__all__ = ["evaluate"]


@click.command()
@click.argument("model", type=FOLDER)
@click.option("--data", metavar="IN", type=FOLDER, required=True, help="Data in any layout, with test images.")
@click.option("--out", type=OUT, help="Folder for the evaluation and a report.")
@click.option("--as-published", is_flag=True, help="Add AUPRO of 100 thresholds, as many papers have it.")
@click.option("--baselines", "compared", is_flag=True, help="Measure simple methods on the same images too.")
@preparation_options
@source_options
def evaluate(model: Path, data: Path, out: Path | None, as_published: bool, compared: bool, **options: Any) -> None:
    """Measure a detector on labelled test images."""
    from das3d_aug.errors import counted
    from das3d_ref.evaluation import evaluate as run
    from das3d_ref.evaluation.judge import unseen
    from das3d_ref.model import Detector

    otherwise = given({name: options.pop(name) for name in ("foreground", "distance", "fallback")})
    detector = Detector.load(model).adjusted(**otherwise)
    source = open_source_of(data, detector.config, model, options)
    everything, source = source, unseen(source, detector)
    if learnt := len(everything.test) - len(source.test):
        voice().warn([(str(data), f"{counted(learnt, 'test image')} left out: the detector has learnt from them")])
    with progress_bar("testing") as progress:
        found = run(detector, source, out=out, as_published=as_published, progress=progress)
    show_figures(found)
    tables = []
    if compared:
        from das3d_ref.evaluation.baselines import run_baselines

        with progress_bar("baselines") as progress:
            results = run_baselines(source, config=detector.config, encoder=detector.encoder, progress=progress)
        tables += show_baselines(found, results)
    if out is not None:
        write_evaluation(found, out, source.dataset, what=(model, data, options["category"]), tables=tables)
