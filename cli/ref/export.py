"""``das3d-ref export``: a detector's networks as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from ..options import (
    FOLDER,
)
from ..voice import voice

__all__ = ["export"]


@click.command()
@click.argument("model", type=FOLDER)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option("--size", metavar="N|HxW", help="Of the images, if the detector takes those of any size.")
def export(model: Path, out: Path, size: str | None) -> None:
    """Write the networks of MODEL to an ONNX file, compared with PyTorch."""
    from das3d_aug.files import write_atomic
    from das3d_ref.deployment.export import to_onnx, tolerance
    from das3d_ref.model import Detector

    detector = Detector.load(model)
    data, most = to_onnx(detector, size=size), tolerance(detector.config)
    write_atomic(out, data)
    voice().tell(out=out, bytes=len(data), tolerance=most)
    voice().say(f"{out}: {len(data) / 1e6:.1f} MB; on random images ONNX Runtime and PyTorch agree to {most:g}")
