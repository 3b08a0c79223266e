"""``das3d-ref``: train a detector on normal images, evaluate it, and judge new images with it."""

from __future__ import annotations

import click

from ..program import Program
from .ablate import ablate
from .baselines import baselines
from .benchmark import benchmark
from .cost import cost
from .evaluate import evaluate
from .export import export
from .predict import predict
from .presets import presets
from .score import score
from .train import train


@click.group(name="das3d-ref", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="das3d", prog_name="das3d-ref", message="%(prog)s %(version)s")
def main() -> None:
    """Detect defects in RGB + depth images, having learnt from good parts alone."""


for command in (train, evaluate, predict, presets, score, baselines, benchmark, ablate, cost, export):
    main.add_command(command)
