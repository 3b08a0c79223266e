"""A detector from its ONNX file: verdicts as `das3d_ref.model.Detector` gives them, without PyTorch's arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from das3d_aug.errors import Das3dError, FileError, ParameterError, quoted
from das3d_aug.files.limits import read_bytes
from das3d_ref.config import Config
from das3d_ref.deployment.onnx_file import read_about
from das3d_ref.deployment.runtimes import RUNTIMES, Run, open_runtime
from das3d_ref.model import Detector
from das3d_ref.model.inputs import Item, network_input

__all__ = ["ExportedDetector"]


class ExportedDetector(Detector):
    """A detector of which the networks are an ONNX file; all else is as in `Detector`, but there is no ``network``.

    Attributes
    ----------
    path : pathlib.Path
    runtime : str
        Of `das3d_ref.deployment.runtimes.RUNTIMES`.
    header : dict
        ``config``, ``threshold``, ``depth_range`` and, where there are any, ``good_scores`` and ``good_floors``.
    """

    encoder = None

    def __init__(self, path: Path, run: Run, header: Mapping[str, Any], *, runtime: str) -> None:
        self.path, self.runtime, self.device, self._run = path, runtime, torch.device("cpu"), run
        self.read(header)

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> Detector:
        """Not for a file: `open` reads one, and `Detector.load` a folder.

        Raises
        ------
        ParameterError
            Always.
        """
        raise ParameterError(f"ExportedDetector.load cannot read {quoted(str(folder))}: use ExportedDetector.open")

    @classmethod
    def open(cls, path: str | Path, *, runtime: str = "openvino", threads: int | None = None) -> ExportedDetector:
        """Read what ``das3d-ref export`` wrote; nothing beside the file is read.

        Parameters
        ----------
        path : path
        runtime : {"openvino", "onnxruntime"}
            OpenVINO computes in bf16, where the CPU has it, if the detector was to; distances to features never are.
        threads : int, optional
            As many as PyTorch would take without it.

        Raises
        ------
        ParameterError
            If there is no such runtime.
        FileError
            If the file cannot be read, or is not a detector's.
        Das3dError
            If a package is missing.
        """
        if runtime not in RUNTIMES:
            raise ParameterError(f"runtime must be one of {', '.join(RUNTIMES)}, got {runtime!r}")
        path = Path(path)
        data = read_bytes(path)
        about = read_about(path, data)
        try:
            header = {name: about[name] for name in ("config", "threshold", "depth_range")}
            header |= {name: about[name] for name in ("good_scores", "good_floors") if about.get(name) is not None}
            config = Config.from_dict(about["config"])
            exact = config.training.precision == "fp32" or config.features.encoder != "none"
            return cls(path, _opened(path, data, runtime, threads=threads, exact=exact), header, runtime=runtime)
        except KeyError as error:
            raise FileError(path, f"has no {error.args[0]}: export the detector again with this das3d") from error
        except ParameterError as error:
            raise FileError(path, str(error)) from error

    def anomaly_map(self, item: Item) -> NDArray[np.float32]:
        """Return the anomaly map of a prepared image, float32, at its size.

        Raises
        ------
        FileError
            If the file's networks do not fit what its metadata says.
        """
        images = network_input(item, item.sample.rgb, item.sample.depth, self.config)
        with _named(self.path, self.runtime):
            found = self._run({name: image[None] for name, image in images.items()})
        if found.shape != (1, 1, *item.sample.shape) or found.dtype != np.float32 or not np.isfinite(found).all():
            raise FileError(self.path, f"gives no anomaly map of {item.sample.shape}: {found.dtype} {found.shape}")
        return np.asarray(found[0, 0])


def _opened(path: Path, data: bytes, runtime: str, *, threads: int | None, exact: bool) -> Run:
    with _named(path, runtime):
        return open_runtime(runtime, data, threads=threads or torch.get_num_threads(), exact=exact)


@contextmanager
def _named(path: Path, runtime: str) -> Iterator[None]:
    """Turn what a runtime raises into an error of the file."""
    try:
        yield
    except Das3dError:
        raise
    except Exception as error:  # each has classes of its own, that derive from nothing else
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"cannot be run by {runtime}: {reason}") from error
