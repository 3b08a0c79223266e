"""``das3d-ref predict``: verdicts on new images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import (
    FILE,
    OUT,
    given,
    layout_options,
    preparation_options,
)
from ..progress import progress_bar
from ..voice import voice

__all__ = ["predict"]

_RUNTIMES = ("openvino", "onnxruntime")


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("source", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=OUT, required=True, help="Folder for maps, overlays and predictions.jsonl.")
@click.option("--depth", type=FILE, help="If IN is one image: its depth.")
@click.option("--xyz", type=FILE, help="If IN is one image: its organised points.")
@click.option("--intrinsics", type=FILE, help="If IN is one image: its camera, as JSON.")
@click.option(
    "--false-positives",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="SHARE",
    help="Of new good images that may pass for anomalous; sets the threshold.  [default: as trained, 0.05]",
)
@click.option(
    "--backend",
    "runtime",
    type=click.Choice(_RUNTIMES),
    help="What runs an exported MODEL on the CPU.  [default: openvino]",
)
@preparation_options
@layout_options
def predict(
    model: Path, source: Path, out: Path, false_positives: float | None, runtime: str | None, **options: Any
) -> int:
    """Judge IN, a folder of images or one image: score, verdict, anomaly map and overlay.

    MODEL is the folder of a detector, or what das3d-ref export wrote of it.
    One image is the colour, with --depth or --xyz beside it; for a detector of depth alone it may be the depth.
    """
    from das3d_aug.datasets import open_dataset
    from das3d_aug.errors import counted
    from das3d_ref.evaluation import predict_all, predict_pair
    from das3d_ref.model.score import otherwise_taken

    otherwise = given({name: options.pop(name) for name in ("foreground", "distance", "fallback")})
    chosen = given(options)
    _check_options(source, chosen)
    detector = _opened(model, runtime).adjusted(**otherwise)
    if false_positives is not None:
        detector = detector.allowing(false_positives)
        voice().warn(_too_few(model, detector, false_positives), what="detectors")
    if source.is_file():
        found = predict_pair(detector, source, out, **chosen)
    else:
        dataset = open_dataset(source, **chosen)
        with progress_bar("judging") as progress:
            found = predict_all(detector, dataset, out, progress=progress)
    said, count = voice(), found.judged + len(found.failures)
    said.warn(found.warnings)
    said.fail(found.failures)
    said.tell(out=out, images=count, judged=found.judged, anomalous=found.anomalous, threshold=detector.threshold)
    said.tell(unlike=found.unlike)
    if detector.floors is not None and found.unlike is not None:
        sentence = otherwise_taken(detector.floors, found.unlike, found.judged)
        said.warn([] if sentence is None else [(str(source), sentence)])
    said.say(
        f"{out}: {found.judged} of {counted(count, 'image')} judged, {found.anomalous} anomalous (score above "
        f"{detector.threshold:.4f}); see predictions.jsonl and overlays/"
    )
    if (expected := detector.expected) is not None and found.judged:
        said.tell(false_positives=expected._asdict())
        said.say(f"of new good images, like those of the training, it calls {expected} anomalous")
    return 1 if found.failures else 0


def _opened(model: Path, runtime: str | None) -> Any:
    """Return the detector of a folder or of an exported file."""
    from das3d_ref.deployment.exported import ExportedDetector
    from das3d_ref.model import Detector

    if model.is_file():
        return ExportedDetector.open(model, runtime=runtime or _RUNTIMES[0])
    if runtime is not None:
        raise click.UsageError(
            f"--backend runs an exported detector: das3d-ref export {model} --out detector.onnx, then predict with that"
        )
    return Detector.load(model)


def _too_few(model: Path, detector: Any, share: float) -> list[tuple[str, str]]:
    """Say that good images of the training are too few to promise a share of false positives."""
    from das3d_aug.errors import counted

    if detector.expected is None or detector.expected.mean <= share:
        return []
    known, least = len(detector.calibration.scores), 100 * detector.calibration.least
    return [
        (
            str(model),
            f"false_positives={share:g} is less than the {least:.1f} % that the {counted(known, 'good image')} of its "
            "validation can promise: the threshold is their highest score; train with more good validation images",
        )
    ]


def _check_options(source: Path, options: dict[str, Any]) -> None:
    """Refuse options of one image with a folder, and the other way round."""
    from das3d_aug.datasets.stored import NAMES

    of_one = {"depth", "xyz", "intrinsics"}
    wrong, what = options.keys() & of_one, "a folder"
    if source.is_file():
        wrong, what = options.keys() - of_one - set(NAMES), "one image"
    if wrong:
        raise click.UsageError(f"--{min(wrong).replace('_', '-')} does not go with {source}, which is {what}")
