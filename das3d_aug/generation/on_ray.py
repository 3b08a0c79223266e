"""A run made by many tasks on a Ray cluster: submitting them, and the merge when they have ended."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from das3d_aug.errors import Das3dError, ParameterError
from das3d_aug.files import Place, place
from das3d_aug.generation.merging import merge
from das3d_aug.generation.run import generate
from das3d_aug.generation.summary import Summary
from das3d_aug.runs.tasks import check_task

__all__ = ["generate_on_ray"]

_RETRIES = 5  # of a task whose worker or node is lost
_PATIENCE = 10.0  # seconds


def generate_on_ray(
    source: str | Path,
    out: str | Place,
    *,
    tasks: int,
    address: str | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Summary:
    """Make a set by so many tasks on a Ray cluster and merge what they made: the bytes of `generate` alone.

    Parameters
    ----------
    source, out : path
        Folders that every node sees under these paths, as on a network file system.
    tasks : int
        Into how many parts the set is divided; one whose node is lost is made again, up to five times.
    address : str, optional
        Of the cluster, as ``ray.init`` takes it; without it the one that Ray knows of, or a new one on this machine,
        which is stopped at the end.
    workers : int
        Processes of each task, for which as many CPUs are asked of Ray; 0 asks for one.
    progress : callable, optional
        Called with (tasks done, tasks).
    **settings
        All else that `generate` takes, ``textures`` also seen by every node.

    Returns
    -------
    Summary
        As of `merge`.

    Raises
    ------
    ParameterError
        If an argument has a wrong range, or no cluster answers at the address.
    Das3dError
        If Ray is not installed, a task is lost too often, or as of `generate` and `merge`.
    """
    check_task(0, tasks)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise Das3dError("the engine needs ray: pip install '.[ray]' in the checkout of das3d") from error
    source, out = Path(source).absolute(), place(out)
    if isinstance(out, Path):
        out = out.absolute()
    if settings.get("textures") is not None:
        settings["textures"] = Path(settings["textures"]).absolute()
    with _connected(ray, address):
        part = ray.remote(num_cpus=max(1, workers), max_retries=_RETRIES)(_part)
        settings |= {"tasks": tasks, "workers": workers}
        left = [part.remote(source, out, task=task, **settings) for task in range(tasks)]
        try:
            while left:
                if progress is not None:
                    progress(tasks - len(left), tasks)
                (done,), left = ray.wait(left)
                ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            reason = f"a task was lost {_RETRIES + 1} times, or the cluster; run the same command again"
            raise Das3dError(f"{reason} ({type(error).__name__})") from error
        finally:
            for task in left:
                ray.cancel(task)
    if progress is not None:
        progress(tasks, tasks)
    return merge(out)


def _part(source: Path, out: Place, **settings: Any) -> None:
    generate(source, out, **settings)


@contextlib.contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one; a connection of the caller's own is used and stays."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here reports to nobody
    try:
        place = urlsplit(f"//{address or ''}".replace("//ray://", "//"))
        if place.port is not None:  # Ray itself waits for minutes where nobody answers
            socket.create_connection((place.hostname, place.port), timeout=_PATIENCE).close()
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    except (OSError, ValueError, RuntimeError) as error:
        raise ParameterError(f"address must be that of a Ray cluster that runs, got {address!r} ({error})") from error
    try:
        yield
    finally:
        ray.shutdown()
