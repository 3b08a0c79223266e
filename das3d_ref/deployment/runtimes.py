"""Programs that run an ONNX file on a CPU."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import Das3dError

__all__ = ["RUNTIMES", "Run", "extra", "open_runtime"]

RUNTIMES = ("openvino", "onnxruntime")
"""OpenVINO, which also computes in bf16 on CPUs that have instructions for it and is faster, and ONNX Runtime."""

Run: TypeAlias = Callable[[Mapping[str, NDArray[np.float32]]], NDArray[np.float32]]
"""From images, B x C x H x W, to anomaly maps, B x 1 x H x W."""


def open_runtime(name: str, model: bytes | Path, *, threads: int = 1, exact: bool = True) -> Run:
    """Return a function that runs a model.

    Parameters
    ----------
    name : str
        Of `RUNTIMES`.
    model : bytes or pathlib.Path
        An ONNX file of `das3d_ref.deployment.export`, or where it lies.
    threads : int
    exact : bool
        False lets OpenVINO compute in bf16 where that is faster; ONNX Runtime always computes in fp32.

    Raises
    ------
    Das3dError
        If the program is not installed.
    """
    with extra():
        return (_onnxruntime if name == "onnxruntime" else _openvino)(model, threads, exact)


def _onnxruntime(model: bytes | Path, threads: int, exact: bool) -> Run:
    import onnxruntime  # lazily: an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # or its idle threads slow down others
    where = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(where, options, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(["anomaly_map"], dict(images))[0])


def _openvino(model: bytes | Path, threads: int, exact: bool) -> Run:
    settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if exact:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    with _unheard():
        import openvino  # noqa: F401 (lazily: an extra)
    core = _core()
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
    return lambda images: np.array(request.infer(dict(images))["anomaly_map"])  # a copy: the next call writes over it


@functools.cache
def _core() -> Any:
    """Return OpenVINO's core, one for the whole process: what it has loaded must outlive all that runs on it."""
    import openvino

    return openvino.Core()


@contextmanager
def _unheard() -> Iterator[None]:
    """Import OpenVINO without its telemetry, which would call a server and write to the home folder: it has a stub."""
    before = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["openvino_telemetry"]
        if before is not None:
            sys.modules["openvino_telemetry"] = before


@contextmanager
def extra() -> Iterator[None]:
    """Say what to install if an import fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "a package").partition(".")[0]
        raise Das3dError(f"{package} is not installed: pip install '.[export]' in the checkout of das3d") from error
