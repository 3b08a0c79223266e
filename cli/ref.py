"""``das3d-ref``: train a detector on normal images, evaluate it, and judge new images with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from . import Program
from ._benchmark import ablate, benchmark
from ._cost import cost, export
from ._options import FOLDER, given, layout_options
from ._progress import progress_bar
from ._score import score, show_figures, write_evaluation

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(file_okay=False, path_type=Path)
_PRESETS = ("paper", "small", "demo", "smoke")
_DEMO = Path("demo-set")


def _source_options(command: Command) -> Command:
    """Add the options that say what is prepared, how and where."""
    for option in reversed(
        (
            click.option("--category", help="Which, where there are several."),
            click.option("--cache", type=_OUT, help="Folder for prepared images.  [default: prepared beside MODEL]"),
            click.option("--workers", type=click.IntRange(min=0), default=0, help="Extra processes that prepare."),
        )
    ):
        command = option(command)
    return layout_options(command)


@click.group(name="das3d-ref", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Detect defects in RGB + depth images, having learnt from good parts alone."""


@main.command()
@click.option("--data", metavar="IN", type=FOLDER, help="Data in any layout; without it, the demo set is made.")
@click.option(
    "--out", "model", metavar="MODEL", type=_OUT, default="detector", show_default=True, help="Folder to write."
)
@click.option("--preset", type=click.Choice(_PRESETS), help="[default: small; demo for the demo set]")
@click.option("--mode", type=click.Choice(["rgb", "depth", "rgbd"]), help="What is looked at.  [default: rgbd]")
@click.option("--seed", type=click.IntRange(min=0), help="[default: 0]")
@click.option("--set", "values", multiple=True, metavar="SECTION.NAME=VALUE", help="Any other setting; repeatable.")
@click.option("--resume", is_flag=True, help="Go on with the run in MODEL.")
@click.option("--tensorboard", is_flag=True, help="Log for TensorBoard too.")
@_source_options
def train(
    data: Path | None,
    model: Path,
    preset: str | None,
    mode: str | None,
    seed: int | None,
    values: tuple[str, ...],
    resume: bool,
    tensorboard: bool,
    **options: Any,
) -> int:
    """Train a detector on the normal images of one category."""
    from das3d_ref.config import Config
    from das3d_ref.training import train as run

    named = given({"mode": mode, "seed": seed})
    overrides = [*(f"{name}={value}" for name, value in named.items()), *values]
    config = Config.preset(preset or ("demo" if data is None else "small")).override(overrides)
    if data is None:
        data, options["category"] = _demo_set(options["workers"]), options["category"] or "biscuit"
    source = _open(data, config, model, options)
    with progress_bar("training") as progress:

        def show(step: int, steps: int, figures: dict[str, float]) -> None:
            note = ", ".join(f"{name} {figures[name]:.4f}" for name in ("loss", "validation AP") if name in figures)
            progress(step, steps, note)
            if "validation AP" in figures:
                click.echo(f"step {step}/{steps}: {note}, validation I-AUROC {figures['validation I-AUROC']:.4f}")

        try:
            header = run(source, model, config=config, resume=resume, tensorboard=tensorboard, progress=show)
        except KeyboardInterrupt:
            click.echo("das3d-ref: interrupted; the same command with --resume goes on", err=True)
            return 130
    if _is_main():
        found = header["validation"]
        click.echo(
            f"{model}: the detector of step {header['step']}; on synthetic anomalies "
            f"I-AUROC {found['I-AUROC']:.3f}, AP {found['AP']:.3f}"
        )
        category = f" --category {options['category']}" if options["category"] else ""
        click.echo(f"next: das3d-ref evaluate {model} --data {data}{category}")
    return 0


@main.command()
@click.argument("model", type=FOLDER)
@click.option("--data", metavar="IN", type=FOLDER, required=True, help="Data in any layout, with test images.")
@click.option("--out", type=_OUT, help="Folder for the evaluation and a report.")
@click.option("--as-published", is_flag=True, help="Add AUPRO of 100 thresholds, as many papers have it.")
@_source_options
def evaluate(model: Path, data: Path, out: Path | None, as_published: bool, **options: Any) -> None:
    """Measure a detector on labelled test images."""
    from das3d_ref.detector import Detector
    from das3d_ref.evaluation import evaluate as run

    detector = Detector.load(model)
    source = _open(data, detector.config, model, options)
    with progress_bar("testing") as progress:
        found = run(detector, source, out=out, as_published=as_published, progress=progress)
    show_figures(found)
    if out is not None:
        write_evaluation(found, out, source.dataset, title=f"{model} on {data}")


@main.command()
@click.argument("model", type=FOLDER)
@click.argument("source", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=_OUT, required=True, help="Folder for maps, overlays and predictions.jsonl.")
@click.option("--depth", type=_FILE, help="If IN is one image: its depth.")
@click.option("--xyz", type=_FILE, help="If IN is one image: its organised points.")
@click.option("--intrinsics", type=_FILE, help="If IN is one image: its camera, as JSON.")
@layout_options
def predict(model: Path, source: Path, out: Path, **options: Any) -> int:
    """Judge IN, a folder of images or one image: score, label, anomaly map and overlay."""
    from das3d_aug.datasets import open_dataset
    from das3d_ref.detector import Detector
    from das3d_ref.evaluation import predict_all, predict_pair

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


@main.command()
@click.argument("name", required=False, type=click.Choice(_PRESETS))
def presets(name: str | None) -> None:
    """List the presets, or print one."""
    from das3d_ref.config import preset_text

    for preset in [name] if name else _PRESETS:
        text = preset_text(preset)
        click.echo(text if name else f"{preset:8}{text.splitlines()[0].lstrip('# ')}")


for command in (score, benchmark, ablate, cost, export):
    main.add_command(command)


def _open(data: Path, config: Any, model: Path, options: dict[str, Any]) -> Any:
    from das3d_ref.sources import open_source

    chosen = given(options)
    cache = chosen.pop("cache", model.parent / "prepared")
    with progress_bar("preparing") as progress:
        source = open_source(data, config=config, cache=cache, progress=progress, **chosen)
    for key, reason in source.warnings:
        click.echo(f"das3d-ref: warning: {key}: {reason}", err=True)
    return source


def _check_options(source: Path, options: dict[str, Any]) -> None:
    """Refuse options of one image with a folder, and the other way round."""
    of_one, of_both = {"depth", "xyz", "intrinsics"}, {"depth_scale", "unit"}
    wrong, what = options.keys() & of_one, "a folder"
    if source.is_file():
        wrong, what = options.keys() - of_one - of_both, "one image"
    if wrong:
        raise click.UsageError(f"--{min(wrong).replace('_', '-')} does not go with {source}, which is {what}")


def _demo_set(workers: int) -> Path:
    from das3d_aug.demo_set import write_demo_set
    from das3d_ref.sources import in_turn

    with progress_bar("making the demo set") as progress:
        in_turn(lambda: write_demo_set(_DEMO, size=128, workers=workers, progress=progress))
    return _DEMO


def _is_main() -> bool:
    """Tell whether this is the process that speaks, of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


if __name__ == "__main__":
    sys.exit(main())
