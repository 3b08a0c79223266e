"""A training step of preset ``demo`` beside the same networks in eager fp32 NCHW: ``python -m benchmarks.training``.

One run, one thread; the two take turns, and a time is the median of 15 steps.  Also what share of a step the synthesis
takes, and everything that makes its examples.  Writes ``out/bench/training.json``.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console

import das3d_aug as das
from benchmarks.synthesis import machine
from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.demo import make_part
from das3d_aug.preparation import prepare_sample
from das3d_ref.config import Config
from das3d_ref.model.detector import build_network
from das3d_ref.model.inputs import Item, as_item, preparation_of
from das3d_ref.model.losses import total_loss
from das3d_ref.training.examples import Example, SyntheticAnomalies

REPEATS = 15
OUT = Path("out/bench/training.json")


def main() -> None:
    """Measure, print, write JSON."""
    torch.set_num_threads(1)
    config = Config.preset("demo")
    items = [demo_item(index, config) for index in range(8)]
    anomalies = SyntheticAnomalies(items, config, seed=0, crop=config.data.crop)
    keys = [(epoch, index) for epoch in range(REPEATS) for index in range(len(items))]
    batch = torch.utils.data.default_collate([anomalies[key] for key in keys[: config.training.batch]])
    steps: dict[str, Callable[[], None]] = {
        "fp32 NCHW": training_step(config, batch, layout=torch.contiguous_format, half=False),
        "bf16 channels_last": training_step(config, batch, layout=torch.channels_last, half=True),
    }
    for key in keys:
        anomalies[key]  # makes the textures, as the first steps of a training do
    times: dict[str, list[float]] = {name: [] for name in (*steps, "synthesis", "examples")}
    for repeat in range(-3, REPEATS):  # three to warm up
        for name, step in steps.items():
            measure(step, times[name] if repeat >= 0 else [])
        key = keys[repeat % len(keys)]
        measure(lambda key=key: synthesis(anomalies, key), times["synthesis"] if repeat >= 0 else [])
        measure(lambda key=key: anomalies[key], times["examples"] if repeat >= 0 else [])
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    for name in ("synthesis", "examples"):
        medians[name] *= config.training.batch  # for a whole step
    console = Console(width=120)
    for name, value in medians.items():
        console.print(f"{name:20} {value:8.2f} ms a step")
    ratio = medians["fp32 NCHW"] / medians["bf16 channels_last"]
    share = medians["synthesis"] / (medians["bf16 channels_last"] + medians["examples"])
    console.print(
        f"{ratio:.2f}× faster; the synthesis is {share:.1%} of a step\n{machine()}, torch {torch.__version__}"
    )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine(), "torch": torch.__version__, "ms": medians}, indent=1) + "\n")


def demo_item(index: int, config: Config) -> Item:
    """Make and prepare a part."""
    part = make_part("flange", seed=0, index=index, size=128)
    entry = Entry(key=str(index), split="train", defect="good", label=0, files={})
    sample = Sample(entry=entry, rgb=part.rgb, depth=part.depth, valid=part.valid, unit="m", xyz=part.xyz)
    return as_item(prepare_sample(sample, preparation_of(config)), None)


def training_step(config: Config, batch: Example, *, layout: torch.memory_format, half: bool) -> Callable[[], None]:
    """Return forward pass, losses, backward pass and optimiser step on one batch."""
    torch.manual_seed(0)
    network = build_network(config).to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.training.learning_rate)
    images = {name: image.to(memory_format=layout) for name, image in batch.items()}

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            output = network(images["rgb"], images["depth"])
        terms = total_loss(
            output,
            rgb=images["normal_rgb"],
            depth=images["normal_depth"],
            mask=images["mask"],
            config=config.loss,
        )
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return step


def synthesis(anomalies: SyntheticAnomalies, key: tuple[int, int]) -> None:
    """Make the defect alone."""
    epoch, index = key
    sample = anomalies.items[index].sample
    das.synthesize(
        sample.rgb,
        sample.depth,
        recipe=anomalies.config.synthesis,
        seed=anomalies.seed,
        index=index,
        epoch=epoch,
        foreground=sample.foreground,
        texture=anomalies.textures,
    )


def measure(run: Callable[[], object], times: list[float]) -> None:
    """Append the seconds that a call takes."""
    start = time.perf_counter()
    run()
    times.append(time.perf_counter() - start)


if __name__ == "__main__":
    main()
