"""``das3d-ref train``: learn from the normal images of one category."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..options import (
    FILE,
    FOLDER,
    OUT,
    PRESETS,
    given,
    is_main,
    open_source_of,
    source_options,
)
from ..progress import progress_bar
from ..voice import voice

__all__ = ["train"]

_DEMO = Path("demo-set")
_FEW = 10  # good images


@click.command()
@click.option("--data", metavar="IN", type=FOLDER, help="Data in any layout; without it, the demo set is made.")
@click.option(
    "--out", "model", metavar="MODEL", type=OUT, default="detector", show_default=True, help="Folder to write."
)
@click.option("--preset", type=click.Choice(PRESETS), help="[default: small; demo for the demo set]")
@click.option("--mode", type=click.Choice(["rgb", "depth", "rgbd"]), help="What is looked at.  [default: rgbd]")
@click.option("--seed", type=click.IntRange(min=0), help="[default: 0]")
@click.option("--recipe", type=FILE, help="Recipe for the synthesis, such as das3d-aug fit writes (TOML).")
@click.option("--set", "values", multiple=True, metavar="SECTION.NAME=VALUE", help="Any other setting; repeatable.")
@click.option("--anomalies", type=FOLDER, help="A few labelled real defects to learn from too, in the layout of IN.")
@click.option("--resume", is_flag=True, help="Go on with the run in MODEL.")
@click.option("--tensorboard", is_flag=True, help="Log for TensorBoard too.")
@source_options
def train(
    data: Path | None,
    model: Path,
    preset: str | None,
    mode: str | None,
    seed: int | None,
    recipe: Path | None,
    values: tuple[str, ...],
    anomalies: Path | None,
    resume: bool,
    tensorboard: bool,
    **options: Any,
) -> int:
    """Train a detector on the normal images of one category."""
    from das3d_ref.config import Config

    said = voice()
    said.go_on = "the same command with --resume goes on"
    named = given({"mode": mode, "seed": seed})
    overrides = [*(f"{name}={value}" for name, value in named.items()), *values]
    config = Config.preset(preset or ("demo" if data is None else "small"))
    config = (config if recipe is None else config.with_recipe(recipe)).override(overrides)
    from das3d_aug.datasets import open_dataset
    from das3d_ref.model.score import Calibration
    from das3d_ref.training import check_run  # after the settings: torch takes seconds to load
    from das3d_ref.training import train as run

    check_run(model, config=config, resume=resume)
    if data is None:
        data, options["category"] = _demo_set(options["workers"]), options["category"] or "biscuit"
    source = open_source_of(data, config, model, options, good=2)
    if is_main() and 1 < (good := len(source.train) + len(source.validation)) < _FEW:
        said.warn([(str(data), f"has {good} good images: what varies among good parts is hardly known of so few")])
    real = None
    if anomalies is not None:
        read = {name: value for name, value in options.items() if name not in ("category", "cache", "workers")}
        by_name = any(entry.category for entry in open_dataset(anomalies, **given(read)).entries)
        there = {**options, "category": options["category"] if by_name else None}
        real = open_source_of(anomalies, source.narrowed(config), model, there)
    with progress_bar("training") as progress:

        def show(step: int, steps: int, figures: dict[str, float]) -> None:
            note = ", ".join(f"{name} {figures[name]:.4f}" for name in ("loss", "validation AP") if name in figures)
            progress(step, steps, note)
            if "validation AP" in figures:
                said.say(f"step {step}/{steps}: {note}, validation I-AUROC {figures['validation I-AUROC']:.4f}")

        settings: dict[str, Any] = {"config": config, "resume": resume, "tensorboard": tensorboard}
        header = run(source, model, anomalies=real, progress=show, **settings)
    if is_main():
        found = header["validation"]
        said.tell(out=model, step=header["step"], threshold=header["threshold"], validation=found)
        said.say(
            f"{model}: the detector of step {header['step']}; on synthetic anomalies "
            f"I-AUROC {found['I-AUROC']:.3f}, AP {found['AP']:.3f}"
        )
        if scores := header.get("good_scores"):  # a run of an older version kept none
            expected = Calibration(scores).expected(header["threshold"])
            said.tell(false_positives=expected._asdict())
            said.say(
                f"threshold {header['threshold']:.4f}, from {len(scores)} good images: of new ones it calls {expected} "
                "anomalous"
            )
        said.say(f"next: {_next(model, data, options, tested=bool(source.test))}")
    return 0


def _next(model: Path, data: Path, options: dict[str, Any], *, tested: bool) -> str:
    """Return the command that comes next, which reads its images as this one did."""
    read = given({name: value for name, value in options.items() if name not in ("cache", "workers")})
    if not tested:
        read.pop("category", None)
    words = " ".join(f"--{name.replace('_', '-')} {_as_typed(value)}" for name, value in read.items())
    if tested:
        return f"das3d-ref evaluate {model} --data {data} {words}".rstrip()
    return f"das3d-ref predict {model} NEW --out verdicts {words}".rstrip() + f" (NEW: images; {data} has no test/)"


def _as_typed(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_as_typed, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _demo_set(workers: int) -> Path:
    from das3d_aug.generation import write_demo_set
    from das3d_ref.training.images import in_turn

    with progress_bar("making the demo set") as progress:
        in_turn(lambda: write_demo_set(_DEMO, size=128, workers=workers, progress=progress))
    return _DEMO
