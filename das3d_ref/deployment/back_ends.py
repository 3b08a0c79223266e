"""Ways to run a detector's networks, and the memory that each takes.

Memory is the peak while a fresh process calls the network, warm: on a CPU that of its resident set, which holds Python
and PyTorch too and does not depend on other processes; on a GPU that of torch's allocator.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from das3d_aug.errors import Das3dError
from das3d_ref.config import Config
from das3d_ref.deployment.export import AnomalyMap, random_images
from das3d_ref.deployment.runtimes import Run, open_runtime
from das3d_ref.model import DAS3DNetwork
from das3d_ref.model.detector import autocast, build_network

__all__ = ["BACK_ENDS", "ON_CPU", "Memory", "measure_memory", "report_memory", "start"]

BACK_ENDS = ("eager-fp32", "eager-bf16", "compile-bf16", "onnx-fp32", "openvino-fp32", "openvino-bf16")
"""PyTorch; PyTorch in bf16 and channels_last, as a detector runs; so through torch.compile; ONNX Runtime and OpenVINO
on the CPU, the latter in bf16 where that has instructions for it."""

ON_CPU = {"onnx-fp32": ("onnxruntime", True), "openvino-fp32": ("openvino", True), "openvino-bf16": ("openvino", False)}
"""Of these, what `das3d_ref.deployment.runtimes.open_runtime` has to be told: they run an ONNX file."""

_MB = 2**20
_CHILD = "from das3d_ref.deployment.back_ends import report_memory; report_memory()"


@dataclass(frozen=True)
class Memory:
    """Peak of a process that calls a network, and what it had before (0 on a GPU); MB of 2**20 bytes."""

    peak: float
    idle: float


def start(name: str, network: DAS3DNetwork, *, device: torch.device, threads: int, model: Path) -> Run:
    """Make a network ready on a back end.

    Parameters
    ----------
    name : str
        Of `BACK_ENDS`.
    network : DAS3DNetwork
        In channels_last; not changed.
    device : torch.device
        Of PyTorch; the others run on the CPU.
    threads : int
        Of the others.
    model : pathlib.Path
        The same network as ONNX file, which they read.
    """
    if name in ON_CPU:
        runtime, exact = ON_CPU[name]
        return open_runtime(runtime, model, threads=threads, exact=exact)
    kind, precision = name.split("-")
    layout = torch.contiguous_format if precision == "fp32" else torch.channels_last
    module = AnomalyMap(copy.deepcopy(network)).eval().to(device, memory_format=layout)  # type: ignore[call-overload]
    maps = torch.compile(module, dynamic=False) if kind == "compile" else module

    def run(images: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        tensors = {name: torch.from_numpy(image).to(device, memory_format=layout) for name, image in images.items()}
        with torch.inference_mode(), autocast(precision, device):
            return np.asarray(maps(**tensors).cpu())  # waits for a GPU

    return run


def measure_memory(name: str, config: Config, *, batch: int, device: torch.device, threads: int, model: Path) -> Memory:
    """Measure an untrained network in a process of its own; otherwise as `start`.

    Raises
    ------
    Das3dError
        If that process fails.
    """
    asked = {
        "name": name,
        "config": config.to_dict(),
        "batch": batch,
        "device": str(device),
        "threads": threads,
        "model": str(model),
    }
    command = [sys.executable, "-c", _CHILD]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise Das3dError(f"the process was ended by signal {-done.returncode}")
    if done.returncode > 0:
        raise Das3dError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return Memory(**json.loads(done.stdout))


def report_memory() -> None:
    """Be the process of `measure_memory`: read what is asked for from stdin, print the figures."""
    asked: dict[str, Any] = json.load(sys.stdin)
    config, device, threads = Config.from_dict(asked["config"]), torch.device(asked["device"]), asked["threads"]
    torch.set_num_threads(threads)
    images = random_images(config, batch=asked["batch"])
    on_gpu = device.type == "cuda" and asked["name"] not in ON_CPU
    idle = 0.0 if on_gpu else _resident("VmRSS")
    network = build_network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = start(asked["name"], network, device=device, threads=threads, model=Path(asked["model"]))
    del network
    for _ in range(2):
        run(images)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to VmRSS
    run(images)
    peak = torch.cuda.max_memory_allocated() / _MB if on_gpu else _resident("VmHWM")
    print(json.dumps(asdict(Memory(peak, idle))))


def _resident(field: str) -> float:
    """Return this process's VmRSS, what is resident now, or VmHWM, the most that ever was; MB."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise Das3dError(f"/proc/self/status does not tell {field}")
    return int(found[1]) * 1024 / _MB
