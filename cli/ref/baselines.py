"""``das3d-ref baselines``: what simple methods reach on labelled test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import FOLDER, OUT, PRESETS, given, open_source_of, source_options
from ..progress import progress_bar
from ..voice import voice

__all__ = ["baselines"]

_COLUMNS = ("I-AUROC", "P-AUROC", "AUPRO@0.3")


@click.command()
@click.argument("data", metavar="IN", type=FOLDER)
@click.option("--out", type=OUT, default="baselines", show_default=True, help="Folder for baselines.json.")
@click.option("--preset", type=click.Choice(PRESETS), default="small", show_default=True)
@click.option("--mode", type=click.Choice(["rgb", "depth", "rgbd"]), help="What is looked at.  [default: rgbd]")
@click.option("--seed", type=click.IntRange(min=0), help="[default: 0]")
@click.option("--encoder", default="none", show_default=True, help="efficientnet-lite0, or a .safetensors file of it.")
@click.option("--set", "values", multiple=True, metavar="SECTION.NAME=VALUE", help="Any other setting; repeatable.")
@source_options
def baselines(
    data: Path,
    out: Path,
    preset: str,
    mode: str | None,
    seed: int | None,
    encoder: str,
    values: tuple[str, ...],
    **options: Any,
) -> None:
    """Train and measure simple methods, by the protocol of a detector of the same preset."""
    from das3d_aug.files import write_atomic
    from das3d_ref.config import Config
    from das3d_ref.evaluation.baselines import run_baselines, to_json
    from das3d_ref.model.encoder import load_encoder

    named = given({"mode": mode, "seed": seed})
    config = Config.preset(preset).override([*(f"{name}={value}" for name, value in named.items()), *values])
    loaded = None if encoder == "none" else load_encoder(encoder)
    source = open_source_of(data, config, out, options, good=1)
    with progress_bar("baselines") as progress:
        results = run_baselines(source, config=config, encoder=loaded, progress=progress)
    write_atomic(out / "baselines.json", to_json(results))
    _show(results)
    voice().tell(out=out)
    voice().say(f"{out / 'baselines.json'} written")


def _show(results: Any) -> None:
    """Print a line a baseline."""
    width = max(map(len, ("baseline", *results)))
    voice().tell(baselines={name: result.evaluation.figures for name, result in results.items()})
    voice().say("  ".join([f"{'baseline':{width}}", *(f"{column:9}" for column in _COLUMNS), "seconds"]))
    for name, result in results.items():
        figures = result.evaluation.figures
        shown = [_shown(figures[column]) if column in figures else "" for column in _COLUMNS]
        voice().say("  ".join([f"{name:{width}}", *(f"{cell:9}" for cell in shown), f"{result.seconds:7.1f}"]))


def _shown(figure: float) -> str:
    return f"{figure:.3f}" if figure == figure else "undefined"
