"""What a prediction costs (Table 5): time, memory, parameters and floating-point operations, by back end.

Time is that of the network alone, from arrays to anomaly maps, an image; at batch 1 also that of the whole prediction
of a demo part, `Detector.predict_sample`: background, resizing, network, score, and the map at the size of the image.
Back ends take turns in one process, after two calls each to warm up, so that what slows the machine slows all of them.

Operations are those of the convolutions, two a multiply-add.  Memory: `das3d_ref.deployment.back_ends`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import Das3dError, ParameterError
from das3d_aug.runs.output_folder import to_json
from das3d_ref.config import Config
from das3d_ref.deployment.back_ends import BACK_ENDS, ON_CPU, Memory, measure_memory, start
from das3d_ref.deployment.export import image_size, random_images, to_onnx
from das3d_ref.deployment.runtimes import RUNTIMES, Run
from das3d_ref.model import Detector
from das3d_ref.model.detector import build_network, versions
from das3d_ref.model.inputs import Item, network_input
from das3d_ref.studies.results import paper_results
from das3d_ref.studies.table_formats import Table
from das3d_ref.training.threads import torch_threads

__all__ = ["Cost", "Row", "Timing", "measure_cost", "untrained"]

_MOST_BATCHES = 8  # torch.compile compiles for no more shapes than these
_LONGEST = 200  # characters of a reason; torch's go on for pages
_NONE = "–"

Cell: TypeAlias = tuple[str, int]
Call: TypeAlias = Callable[[], tuple[float, ...]]
"""Returns the seconds an image of the network and, at batch 1, of the whole prediction."""


@dataclass(frozen=True)
class Timing:
    """Seconds an image: median, first and third quartile of the calls."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g}–{self.high:.3g})"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A back end at a batch size; ``trouble`` says why something was not measured and is None."""

    back_end: str
    batch: int
    network: Timing | None = None
    prediction: Timing | None = None
    memory: Memory | None = None
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """All that was measured.

    Attributes
    ----------
    rows : tuple of Row
    parameters : int
    operations : int
        Of the network on one image.
    protocol : dict
        What was measured, on what machine, with what versions.
    """

    rows: tuple[Row, ...]
    parameters: int
    operations: int
    protocol: dict[str, Any]

    def table(self) -> Table:
        """Return the figures in the shape of Table 5, the paper's own row last."""
        head = ("Back end", "Batch", "Inf. time (s)", "Images / s", "Whole prediction (s)", "Memory (MB)")
        rows = [
            (
                row.back_end,
                str(row.batch),
                str(row.network or _NONE),
                f"{1 / row.network.median:.3g}" if row.network else _NONE,
                str(row.prediction or _NONE),
                f"{row.memory.peak:.0f}" if row.memory else _NONE,
            )
            for row in self.rows
        ]
        paper = _paper()
        rows.append(("DAS3D (paper)", _NONE, str(paper["Inf. time"]), _NONE, _NONE, str(paper["Memory"])))
        return Table("Cost of a prediction, as Table 5", head, tuple(rows), tuple(self._notes()))

    def to_json(self) -> bytes:
        """Return all of it as JSON, with the paper's row."""
        return to_json({**asdict(self), "paper": _paper()})

    def _notes(self) -> list[str]:
        """Tell what was measured, how and where, and what was not."""
        about, machine = self.protocol, self.protocol["machine"]
        height, width = about["size"]
        idle = [row.memory.idle for row in self.rows if row.memory and row.memory.idle]
        before = f", {min(idle):.0f} of them before there is a network" if idle else ""
        return [
            f"{self.parameters / 1e6:.2f} million parameters; {self.operations / 1e9:.4g} GFLOP an image, two a "
            f"multiply-add; mode {about['mode']}, {height} × {width} pixels.",
            f"Time: median (quartiles) of {about['repeats']} warm calls, an image; back ends took turns. Memory: peak "
            f"of a process of its own, MB of 2^20 bytes{before}.",
            f"{machine['gpu'] or machine['cpu']}, {machine['cores']} cores, threads: {about['threads']}; "
            + ", ".join(f"{name} {version}" for name, version in about["versions"].items())
            + ".",
            "eager: PyTorch; compile: torch.compile; onnx: ONNX Runtime on the CPU, as openvino; PyTorch's bf16 is in "
            "channels_last. The paper does not name its hardware.",
            *(f"{row.back_end}, batch {row.batch}: {row.trouble}" for row in self.rows if row.trouble),
        ]


def untrained(config: Config) -> Detector:
    """Return a detector of random weights, which costs what a trained one does."""
    header = {"config": config.to_dict(), "threshold": 0.5, "depth_range": None}
    return Detector(build_network(config), header, device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def measure_cost(
    detector: Detector,
    *,
    size: str | None = None,
    batches: Sequence[int] = (1, 8),
    repeats: int = 20,
    threads: int | None = None,
    back_ends: Sequence[str] = BACK_ENDS,
    progress: Callable[[int, int], None] | None = None,
) -> Cost:
    """Measure a detector on each back end, at each batch size.

    Parameters
    ----------
    detector : Detector
    size : str, optional
        "N" or "HxW", instead of the detector's own.
    batches : sequence of int
        At most eight.
    repeats : int
        Measured calls.
    threads : int, optional
        Of PyTorch, ONNX Runtime and OpenVINO; without it, as many as PyTorch has.
    back_ends : sequence of str
        Of `BACK_ENDS`.  One that cannot run here is not measured, and its row says why.
    progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    ParameterError
        If an argument has a wrong name or range, or the size is missing.
    """
    _check(batches, repeats, threads, back_ends)
    config = detector.config if size is None else detector.config.override([f"preparation.size={size}"])
    image_size(config)
    header = {**detector.header, "config": config.to_dict(), "depth_range": None}  # the demo part has its own range
    detector = Detector(detector.network, header, device=detector.device)
    cells = [(back_end, batch) for back_end in dict.fromkeys(back_ends) for batch in dict.fromkeys(batches)]
    steps = repeats + len(cells)
    rows = []
    with torch_threads(threads) as count, tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "network.onnx")
        calls, troubles = _warm_calls(detector, cells, threads=count, model=model)
        times: dict[Cell, list[tuple[float, ...]]] = {cell: [] for cell in calls}
        for repeat in range(repeats):
            for cell, call in calls.items():
                times[cell].append(call())
            if progress is not None:
                progress(repeat + 1, steps)
        for cell in cells:
            figures: dict[str, Any] = {"trouble": troubles.get(cell)}
            if cell in times:
                figures = dict(zip(("network", "prediction"), _timings(times[cell]), strict=False))
                try:
                    figures["memory"] = measure_memory(
                        cell[0], config, batch=cell[1], device=detector.device, threads=count, model=model
                    )
                except Das3dError as error:
                    figures["trouble"] = f"memory not measured: {_reason(error)}"
            rows.append(Row(back_end=cell[0], batch=cell[1], **figures))
            if progress is not None:
                progress(repeats + len(rows), steps)
    parameters, operations = _count(config)
    protocol = _protocol(detector, repeats=repeats, threads=count)
    return Cost(rows=tuple(rows), parameters=parameters, operations=operations, protocol=protocol)


class _Timed(Detector):
    """A detector on a back end, which notes how long its network takes."""

    def __init__(self, detector: Detector, run: Run) -> None:
        super().__init__(detector.network, detector.header, device=detector.device)
        self.run, self.seconds = run, 0.0

    def anomaly_map(self, item: Item) -> NDArray[np.float32]:
        images = network_input(item, item.sample.rgb, item.sample.depth, self.config)
        self.seconds, maps = _timed(partial(self.run, {name: image[None] for name, image in images.items()}))
        return np.asarray(maps[0, 0])


def _warm_calls(
    detector: Detector, cells: Sequence[Cell], *, threads: int, model: Path
) -> tuple[dict[Cell, Call], dict[Cell, str]]:
    """Return what to call for each cell, warm, or why it cannot be measured."""
    calls: dict[Cell, Call] = {}
    troubles: dict[Cell, str] = {}
    runs: dict[str, Run] = {}
    sample = _part(detector.config)
    for back_end, batch in cells:
        try:
            if back_end not in runs:
                if back_end in ON_CPU and not model.exists():
                    model.write_bytes(to_onnx(detector))
                runs[back_end] = start(back_end, detector.network, device=detector.device, threads=threads, model=model)
            call = _call(detector, runs[back_end], sample, batch)
            for _ in range(2):
                call()
        except Exception as error:  # whatever a back end lacks here is a line of the table
            troubles[back_end, batch] = f"not measured: {_reason(error)}"
        else:
            calls[back_end, batch] = call
    return calls, troubles


def _call(detector: Detector, run: Run, sample: Sample, batch: int) -> Call:
    if batch > 1:
        images = random_images(detector.config, batch=batch)
        return lambda: (_timed(partial(run, images))[0] / batch,)
    one = _Timed(detector, run)

    def call() -> tuple[float, ...]:
        whole, _ = _timed(partial(one.predict_sample, sample))
        return one.seconds, whole

    return call


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    before = time.perf_counter()
    result = function()
    return time.perf_counter() - before, result


def _timings(times: list[tuple[float, ...]]) -> list[Timing]:
    """Return the quartiles of each column."""
    low, median, high = np.quantile(times, (0.25, 0.5, 0.75), axis=0).tolist()
    return [Timing(*figures) for figures in zip(median, low, high, strict=True)]


def _part(config: Config) -> Sample:
    """Return a demo part, of the size of the network's images where that can be."""
    part = make_part("flange", seed=0, index=0, size=min(max(64, *image_size(config)), 512))
    entry = Entry(key="part", split="", defect="", label=None, files={})
    return Sample(entry=entry, rgb=part.rgb, depth=part.depth, valid=part.valid, unit="m", xyz=part.xyz)


def _count(config: Config) -> tuple[int, int]:
    """Return parameters and operations, without computing."""
    with torch.device("meta"):
        network = build_network(config).eval()
    images = {name: torch.from_numpy(image).to("meta") for name, image in random_images(config, batch=1).items()}
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(images.get("rgb"), images.get("depth"))
    return sum(weights.numel() for weights in network.parameters()), counter.get_total_flops()


def _protocol(detector: Detector, *, repeats: int, threads: int) -> dict[str, Any]:
    gpu = torch.cuda.get_device_name(detector.device) if detector.device.type == "cuda" else None
    packages = versions()
    for name in RUNTIMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    return {
        "mode": detector.config.mode,
        "size": image_size(detector.config),
        "repeats": repeats,
        "threads": threads,
        "machine": {"cpu": _processor(), "cores": os.cpu_count(), "gpu": gpu},
        "versions": {"python": platform.python_version(), **packages},
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _paper() -> dict[str, Any]:
    """Return the paper's row of Table 5 by column; seconds and MB."""
    table = paper_results()["table5"]
    return next(dict(zip(table["columns"], row, strict=True)) for row in table["rows"] if row[0] == "DAS3D")


def _check(batches: Sequence[int], repeats: int, threads: int | None, back_ends: Sequence[str]) -> None:
    for name, values in (("batches", batches), ("repeats", [repeats]), ("threads", [threads or 1])):
        if not values or min(values) < 1:
            raise ParameterError(f"{name} must be at least 1, got {values!r}")
    if len(batches) > _MOST_BATCHES:
        raise ParameterError(f"batches must be at most {_MOST_BATCHES}, got {len(batches)}")
    for back_end in back_ends:
        if back_end not in BACK_ENDS:
            raise ParameterError(f"back_ends must be of {', '.join(BACK_ENDS)}, got {back_end!r}")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__
