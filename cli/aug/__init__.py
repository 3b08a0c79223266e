"""``das3d-aug``: make synthetic anomalies, look at them, make one again, and check the installation."""

from __future__ import annotations

import click

from ..program import Program
from .demo_data import demo_data
from .doctor import doctor
from .fit import fit
from .gallery import gallery
from .gap import gap
from .generate import generate
from .kinds import kinds
from .labels import labels
from .merge import merge
from .playground import playground
from .prepare import prepare
from .preview import preview
from .replay import replay


@click.group(name="das3d-aug", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="das3d", prog_name="das3d-aug", message="%(prog)s %(version)s")
def main() -> None:
    """Synthetic RGB-D anomalies for training and testing defect detectors."""


for command in (
    generate, merge, preview, playground, gallery, labels, replay, doctor, demo_data, prepare, kinds, fit, gap
):  # fmt: skip
    main.add_command(command)
