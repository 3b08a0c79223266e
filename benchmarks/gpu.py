"""What a GPU makes of the networks: ``python -m benchmarks.gpu``, one JSON, at most eight minutes on one card.

For each preset a forward pass of one image (the paper's Table 5: time and memory) and a training step, in fp32, in bf16
and compiled; how far maps are from those of the CPU; and how many processes make examples as fast as steps take them.
What cannot run is in the JSON with the reason.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import click
import torch

from benchmarks.synthesis import machine
from benchmarks.training import demo_item
from das3d_ref.config import Config
from das3d_ref.model.detector import anomaly_map, autocast, build_network
from das3d_ref.model.losses import total_loss
from das3d_ref.training.examples import Example, SyntheticAnomalies

WAYS = {"fp32": ("fp32", False), "bf16": ("bf16", False), "bf16 compiled": ("bf16", True)}
WARM = 3


@click.command()
@click.option("--device", default="cuda", show_default=True)
@click.option("--preset", "presets", multiple=True, default=("paper", "small"), show_default=True)
@click.option("--repeats", type=click.IntRange(min=1), default=30, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0), default=420.0, show_default=True, help="Start nothing later.")
def main(device: str, presets: tuple[str, ...], repeats: int, seconds: float) -> None:
    """Measure, and print one JSON."""
    where = torch.device(device)
    if where.type == "cuda" and not torch.cuda.is_available():
        raise click.ClickException("torch finds no GPU; --device cpu tries the script")
    start = time.monotonic()
    found: dict[str, Any] = {
        "machine": machine(),
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else str(where),
        "torch": torch.__version__,
    }
    for preset in presets:
        config = Config.preset(preset)
        items = [demo_item(index, config) for index in range(config.training.batch)]
        examples = SyntheticAnomalies(items, config, seed=0, crop=config.data.crop)
        batch = torch.utils.data.default_collate([examples[0, index] for index in range(len(items))])
        rows: dict[str, Any] = {"equality": tried(lambda: equality(config, batch, where))}  # noqa: B023 (runs now)
        for way, (precision, compiled) in WAYS.items():
            if time.monotonic() - start > seconds:
                rows[way] = {"trouble": f"not begun after {seconds:g} s"}
                continue
            rows[way] = tried(lambda: measured(config, batch, where, precision, compiled, repeats))  # noqa: B023
            print(preset, way, rows[way], file=sys.stderr, flush=True)
        rows["examples a second, one process"] = tried(lambda: rate(examples, repeats))  # noqa: B023
        found[preset] = rows
    found["seconds"] = round(time.monotonic() - start, 1)
    print(json.dumps(found, indent=1))


def tried(work: Callable[[], Any]) -> Any:
    """Return what a measurement found, or why it could not be made."""
    try:
        return work()
    except (RuntimeError, OSError, ImportError) as error:  # out of memory is a RuntimeError
        return {"trouble": " ".join(str(error).split())[:300]}


def measured(
    config: Config, batch: Example, where: torch.device, precision: str, compiled: bool, repeats: int
) -> dict[str, float]:
    """Return milliseconds and peak MiB of a forward pass of one image and of a training step."""
    torch.manual_seed(0)
    network = build_network(config).to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if compiled:
        network.compile()
    images = {
        name: image.to(where, memory_format=torch.channels_last) if image.ndim == 4 else image.to(where)
        for name, image in batch.items()
    }
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        with autocast(precision, where):
            output = network(images["rgb"], images["depth"])
        given = {"rgb": images["normal_rgb"], "depth": images["normal_depth"], "mask": images["mask"]}
        total_loss(output, config=config.loss, **given)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()

    @torch.inference_mode()
    def forward() -> None:
        with autocast(precision, where):
            network(images["rgb"][:1], images["depth"][:1])

    figures = {}
    for name, mode, work in (("forward", False, forward), ("step", True, step)):
        network.train(mode)
        if where.type == "cuda":
            torch.cuda.reset_peak_memory_stats(where)
        figures[f"{name} ms"] = milliseconds(work, where, repeats)
        if where.type == "cuda":
            figures[f"{name} MiB"] = torch.cuda.max_memory_allocated(where) / 2**20
    return figures


def milliseconds(work: Callable[[], None], where: torch.device, repeats: int) -> float:
    """Return the median time of a call, the device done."""
    times = []
    for repeat in range(-WARM, repeats):
        start = time.perf_counter()
        work()
        if where.type == "cuda":
            torch.cuda.synchronize(where)
        if repeat >= 0:
            times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def equality(config: Config, batch: Example, where: torch.device) -> dict[str, float]:
    """Return the largest difference of an anomaly map, 0 … 1, from that of the CPU in fp32."""
    torch.manual_seed(0)
    network = build_network(config).eval()
    images = {name: batch[name][0].numpy() for name in ("rgb", "depth")}
    wanted = anomaly_map(network, images, precision="fp32", device=torch.device("cpu"))
    network.to(where)
    found = {way: anomaly_map(network, images, precision=way, device=where) for way in ("fp32", "bf16")}
    return {way: float(abs(one - wanted).max()) for way, one in found.items()}


def rate(examples: SyntheticAnomalies, repeats: int) -> float:
    """Return how many training examples one process makes in a second."""
    keys = list(islice(cycle(range(len(examples))), WARM + repeats))
    for epoch, index in enumerate(keys[:WARM]):
        examples[epoch, index]
    start = time.perf_counter()
    for epoch, index in enumerate(keys[WARM:]):
        examples[epoch, index]
    return repeats / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
