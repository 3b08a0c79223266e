"""Writing a folder of synthetic anomalies that can be stopped, continued, checked and made again.

A sample depends on (settings, index) alone, where ``index = position of the source * per_image + k`` in the
full listing of normal samples; so workers, order and interruptions leave no trace.  In the folder:

* ``das3d.json``: the settings, written first; a run with other settings is refused;
* the sample's files in the layout of the source, each whole or absent, and last its recipe
  (``recipes/*.json``), which marks the sample as complete and replays to the same bytes (`replay`);
* ``manifest.json``: the SHA-256 of every file, written last;
* ``das3d.lock``: an empty file, locked while a run writes here.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

import das3d_aug
from das3d_aug.datasets import Dataset, Entry, Sample, encode_folder, encode_mvtec3d, open_dataset
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import contained, sweep_partials, write_atomic
from das3d_aug.geometry import move_along_rays
from das3d_aug.recipe import Plan, Recipe
from das3d_aug.synthesis import AnomalyPair, render, synthesize
from das3d_aug.textures import TextureSource, as_source

__all__ = ["Replay", "Summary", "generate", "normal_entries", "parse_size", "replay", "resize_sample"]

_FORMAT = 1
_HEADER, _MANIFEST, _LOCK = "das3d.json", "manifest.json", "das3d.lock"
_MAX_SIDE = 8192


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    out : pathlib.Path
        The folder written to.
    layout, how : str
        The layout of the source and how it was recognised.
    written, kept : int
        Samples made by this run, and samples that were complete before it.
    left_out : int
        Anomalous samples of the source, which are never used.
    failures : tuple of (path, reason)
        Sources that could not be used, in the order of the listing.
    seconds : mapping
        Time spent in ``"reading"``, ``"synthesis"`` and ``"encoding and writing"``, summed over the workers.
    """

    out: Path
    layout: str
    how: str
    written: int
    kept: int
    left_out: int
    failures: tuple[tuple[str, str], ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A sample made again from its recipe.

    Attributes
    ----------
    files : mapping of str to bytes
        The bytes by relative path.
    differences : tuple of str
        ``"<relative path>: <what is different>"``; empty if every byte is as recorded and as on disk.
    """

    files: Mapping[str, bytes]
    differences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What all samples of a run share; small, because every task carries it to its worker."""

    dataset: Dataset
    options: Mapping[str, Any]
    recipe: Recipe
    seed: int
    size: tuple[int, int] | None
    textures: str | None
    digits: int
    out: Path


@dataclass(frozen=True)
class _Outcome:
    first: int
    written: int
    seconds: tuple[float, float, float]
    failure: tuple[str, str] | None


def generate(
    source: str | Path,
    out: str | Path,
    *,
    recipe: Recipe | None = None,
    per_image: int = 1,
    seed: int = 0,
    size: int | str | tuple[int, int] | None = None,
    textures: str | Path | None = None,
    layout: str | None = None,
    workers: int = 0,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **dataset_options: Any,
) -> Summary:
    """Make synthetic anomalies from the normal samples of a folder.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.  Where it has a train split, only
        that is used.
    out : path
        Where to write: MVTec 3D-AD gives ``<class>/test/synthetic/{rgb,xyz,gt,recipes}``, every other layout
        ``{rgb,depth,mask,rgb_mask,depth_mask,recipes}``.  If an equal run was interrupted, what is missing is made.
    recipe : Recipe, optional
        What is drawn; the default recipe without it.
    per_image : int
        Samples per source image.
    seed : int
        Seed of the run, 0 … 2**64 - 1.
    size : int, "HxW" or (height, width), optional
        Resize before the synthesis; `resize_sample` says how.  Without it the source's size stays.
    textures : path, optional
        A folder of texture images; procedural textures without it.
    layout, **dataset_options
        As for `das3d_aug.datasets.open_dataset`.
    workers : int
        Processes; 0 works in this one.  Scripts that use workers need ``if __name__ == "__main__":``.
    limit : int, optional
        Stop after the first ``limit`` samples of the full listing.
    progress : callable, optional
        Called with (samples done, samples asked for).

    Returns
    -------
    Summary

    Raises
    ------
    ParameterError
        If an argument has a wrong range.
    FileError
        If ``out`` cannot be written, lies in the source, is not empty, is in use, or was written with other
        settings; or if the source has no normal sample.
    """
    for name, value, least in (("per_image", per_image, 1), ("workers", workers, 0), ("limit", limit, 1)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    source, out = Path(source), Path(out)
    for folder in (source, textures):
        if folder is not None:
            _keep_apart(out, Path(folder))
    dataset = open_dataset(source, layout=layout, **dataset_options)
    entries = normal_entries(dataset)
    if not entries:
        raise FileError(source, f"has no normal sample ({dataset.how})")
    total = len(entries) * per_image
    job = _Job(
        dataset=copy(dataset),
        options=dataset_options,
        recipe=recipe or Recipe(),
        seed=seed,
        size=parse_size(size),
        textures=None if textures is None else os.fspath(textures),
        digits=max(3, len(str(total - 1))),
        out=out,
    )
    job.dataset.entries = ()  # a task brings its own entry
    indices = {entry.key: range(n * per_image, (n + 1) * per_image) for n, entry in enumerate(entries)}
    asked = total if limit is None else min(limit, total)
    written = kept = 0
    seconds = np.zeros(3)
    failures = {}

    def missing() -> Iterator[tuple[Entry, tuple[int, ...]]]:
        nonlocal kept
        for entry in entries:
            wanted = [index for index in indices[entry.key] if index < asked]
            todo = tuple(index for index in wanted if _completed(job, entry, index) is None)
            kept += len(wanted) - len(todo)
            if todo:
                yield entry, todo

    with _sole_writer(out):
        settings = _settings(job, entries, per_image)
        _claim(out, source=source, textures=textures, settings=settings)
        with contextlib.closing(_run(job, missing(), workers)) as outcomes:
            for outcome in outcomes:
                written += outcome.written
                seconds += outcome.seconds
                if outcome.failure is not None:
                    failures[outcome.first] = outcome.failure
                if progress is not None:
                    progress(written + kept, asked)
        if progress is not None:
            progress(written + kept, asked)
        _write_manifest(job, ((entry, index) for entry in entries for index in indices[entry.key]), settings)
    return Summary(
        out=out,
        layout=dataset.layout,
        how=dataset.how,
        written=written,
        kept=kept,
        left_out=sum(entry.label == 1 for entry in dataset.entries),
        failures=tuple(failures[first] for first in sorted(failures)),
        seconds=dict(zip(("reading", "synthesis", "encoding and writing"), seconds.tolist(), strict=True)),
    )


def replay(
    recipe_file: str | Path, *, source: str | Path | None = None, textures: str | Path | None = None
) -> Replay:
    """Make a sample again from its recipe and compare it with what was written.

    Parameters
    ----------
    recipe_file : path
        A ``recipes/*.json`` inside a folder that `generate` wrote.
    source, textures : path, optional
        Where the source and the textures are now; by default where they were.

    Returns
    -------
    Replay

    Raises
    ------
    FileError
        If the recipe or a source file is missing, damaged or not the one that was recorded.
    """
    recipe_file = Path(recipe_file).resolve()
    root = next((parent for parent in recipe_file.parents if (parent / _HEADER).is_file()), None)
    if root is None:
        raise FileError(recipe_file, f"lies in no folder that das3d-aug generate wrote (no {_HEADER} above it)")
    header = _read_json(root / _HEADER)
    record = _read_json(recipe_file)
    try:
        origin, options, shape = record["source"], record["options"], tuple(record["size"])
        plan = Plan.from_json(json.dumps(record["plan"]))
        place = Path(source or header["source"])
        folder = textures or header["textures"]
        dataset = open_dataset(place, layout=record["layout"], **options)
        entry = next((entry for entry in dataset.entries if entry.key == origin["key"]), None)
        if entry is None:
            raise FileError(place, f"has no sample {origin['key']!r}, from which {recipe_file.name} was made")
        for role, digest in _source_digests(entry).items():
            if origin["sha256"].get(role) != digest:
                raise FileError(entry.files[role], f"is not the file from which {recipe_file.name} was made")
        recorded: Mapping[str, str] = record["files"]
        key = record["sample"]
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(recipe_file, f"is not a das3d sample recipe: {type(error).__name__} {error}") from error
    sample = resize_sample(dataset.open(entry), shape)
    texture = None if folder is None else _textures(os.fspath(folder))
    pair = render(sample.rgb, sample.depth, plan, texture=texture, foreground=sample.foreground)
    files = _encode(dataset.layout, key, sample, pair)
    differences = []
    for path, data in files.items():
        if recorded.get(path) != _sha256(data):
            differences.append(f"{path}: other bytes than recorded")
        elif not (root / path).is_file():
            differences.append(f"{path}: missing")
        elif contained(root, root / path).read_bytes() != data:
            differences.append(f"{path}: changed on disk")
    files[recipe_file.relative_to(root).as_posix()] = recipe_file.read_bytes()
    return Replay(files=files, differences=tuple(differences))


def normal_entries(dataset: Dataset) -> tuple[Entry, ...]:
    """Return the samples from which anomalies are made: not labelled anomalous, and of the train split if there is one."""
    normal = [entry for entry in dataset.entries if entry.label != 1]
    train = [entry for entry in normal if entry.split == "train"]
    return tuple(train or normal)


def parse_size(size: int | str | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return (height, width) from N, "N", "HxW" or a pair; None stays None.

    Raises
    ------
    ParameterError
        If it is none of these or a side is not 1 … 8192.
    """
    if size is None:
        return None
    try:
        sides = size.lower().split("x") if isinstance(size, str) else (size,) if isinstance(size, int) else size
        height, width = (int(side) for side in (tuple(sides) * 2 if len(sides) == 1 else sides))
    except (TypeError, ValueError):
        raise ParameterError(f"size must be N or HxW pixels, got {size!r}") from None
    if not (1 <= height <= _MAX_SIDE and 1 <= width <= _MAX_SIDE):
        raise ParameterError(f"size must have sides of 1 … {_MAX_SIDE} pixels, got {size!r}")
    return height, width


def resize_sample(sample: Sample, shape: tuple[int, int] | None) -> Sample:
    """Resize a sample without inventing depth: RGB by area, everything else from the nearest pixel.

    An invalid pixel never mixes with a valid one, and a step in depth stays a step.
    """
    old = sample.depth.shape
    if shape is None or shape == old:
        return sample
    rows, columns = (
        (2 * np.arange(new) + 1) * length // (2 * new) for new, length in zip(shape, old, strict=True)
    )
    nearest = np.ix_(rows, columns)
    camera = sample.intrinsics
    return replace(
        sample,
        rgb=cv2.resize(sample.rgb, shape[::-1], interpolation=cv2.INTER_AREA),
        depth=sample.depth[nearest],
        valid=sample.valid[nearest],
        xyz=None if sample.xyz is None else sample.xyz[nearest],
        intrinsics=camera and camera.scaled(shape[0] / old[0], shape[1] / old[1]),
        mask=None if sample.mask is None else sample.mask[nearest],
        foreground=None if sample.foreground is None else sample.foreground[nearest],
    )


def _run(
    job: _Job, tasks: Iterable[tuple[Entry, tuple[int, ...]]], workers: int
) -> Iterator[_Outcome]:
    """Yield the outcomes of the tasks as they come, with a bounded number in flight."""
    if workers == 0:
        for task in tasks:
            yield _make(job, *task)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker)
    pending: set[Future[_Outcome]] = set()
    try:
        for task in tasks:
            with _interrupts_held():
                pending.add(pool.submit(_make, job, *task))
            if len(pending) > 2 * workers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool:
        raise Das3dError(
            "a worker process died: out of memory (use fewer workers), or the calling script does not start "
            'under `if __name__ == "__main__":`'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: they inherit that, so only this process acts on it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # one core a worker
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:  # a killed parent would leave its workers waiting for ever
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _make(job: _Job, entry: Entry, indices: tuple[int, ...]) -> _Outcome:
    """Make the samples of one source.

    A source that cannot be used is an outcome and the run goes on; an output that cannot be written ends it.
    """
    spent = [0.0, 0.0, 0.0]
    written, failure = 0, None
    samples = _prepare(job, entry, indices, spent)
    while True:
        try:
            files = next(samples, None)
        except FileError as error:
            failure = (str(error.path), error.reason)
            break
        except Das3dError as error:
            failure = (str(job.dataset.root / entry.key), str(error))
            break
        if files is None:
            break
        with _timed(spent, 2):
            for path, data in files.items():
                write_atomic(contained(job.out, job.out / path), data)
        written += 1
    return _Outcome(indices[0], written, (spent[0], spent[1], spent[2]), failure)


def _prepare(
    job: _Job, entry: Entry, indices: tuple[int, ...], spent: list[float]
) -> Iterator[dict[str, bytes]]:
    """Yield the files of each sample in the order in which they must be written: the recipe last."""
    with _timed(spent, 0):
        sample = resize_sample(job.dataset.open(entry), job.size)
        origin = {"key": entry.key, "sha256": _source_digests(entry)}
        texture = None if job.textures is None else _textures(job.textures)
    for index in indices:
        with _timed(spent, 1):
            pair = synthesize(
                sample.rgb,
                sample.depth,
                recipe=job.recipe,
                seed=job.seed,
                index=index,
                texture=texture,
                foreground=sample.foreground,
            )
        with _timed(spent, 2):
            key = _output_key(job, entry, index)
            files = _encode(job.dataset.layout, key, sample, pair)
            record = {
                "format": _FORMAT,
                "version": das3d_aug.__version__,
                "sample": key,
                "index": index,
                "layout": job.dataset.layout,
                "options": job.options,
                "source": origin,
                "size": sample.depth.shape,
                "plan": pair.plan.to_dict(),
                "files": {path: _sha256(data) for path, data in files.items()},
            }
            files[_recipe_path(key)] = _json(record)
        yield files


@contextlib.contextmanager
def _timed(spent: list[float], part: int) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        spent[part] += time.perf_counter() - start


@functools.cache
def _textures(folder: str) -> TextureSource:
    """List a texture folder once per process."""
    return as_source(folder)


def _encode(layout: str, key: str, sample: Sample, pair: AnomalyPair) -> dict[str, bytes]:
    raise NotImplementedError


def _output_key(job: _Job, entry: Entry, index: int) -> str:
    """Name a sample: by its index in MVTec 3D-AD, whose names are numbers, else by its source and index."""
    if job.dataset.layout == "mvtec3d":
        return f"{entry.category}/test/synthetic/{index:0{job.digits}d}"
    return f"{entry.key}_{index:0{job.digits}d}"


def _recipe_path(key: str) -> str:
    place = PurePosixPath(key)
    if place.parent.name == "synthetic":
        return f"{place.parent}/recipes/{place.name}.json"
    return f"recipes/{key}.json"


def _keep_apart(out: Path, other: Path) -> None:
    here, there = out.resolve(), other.resolve()
    if here == there or here.is_relative_to(there) or there.is_relative_to(here):
        raise FileError(out, f"and {other} must be separate folders; use another --out")


@contextlib.contextmanager
def _sole_writer(out: Path) -> Iterator[None]:
    """Make the folder and lock it; the system releases the lock when the process ends, however it ends."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        ours = (out / _HEADER).is_file()
        if not ours and any(path.name != _LOCK and path.name[0] != "." for path in out.iterdir()):
            raise FileError(out, "is not empty and was not written by das3d-aug generate; use another --out")
        with (out / _LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                reason = "another run is writing here; wait until it ends or use another --out"
                raise FileError(out, reason) from None
            yield
    except OSError as error:
        raise FileError(out, f"cannot be written: {error.strerror}") from error


def _settings(job: _Job, entries: tuple[Entry, ...], per_image: int) -> dict[str, Any]:
    """Return everything on which the bytes depend, beside the source files, whose digests the recipes hold."""
    return {
        "version": das3d_aug.__version__,
        "layout": job.dataset.layout,
        "options": job.options,
        "source": _sha256(_json([entry.key for entry in entries])),
        "recipe": job.recipe.to_dict(),
        "seed": job.seed,
        "per_image": per_image,
        "size": job.size,
        "textures": None if job.textures is None else _listing_digest(Path(job.textures)),
    }


def _listing_digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _sha256(_json([(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]))


def _claim(out: Path, *, source: Path, textures: str | Path | None, settings: dict[str, Any]) -> None:
    """Write the header, or check that the one there is of an equal run; remove what a killed run left."""
    header = {
        "format": _FORMAT,
        "source": str(source.resolve()),
        "textures": None if textures is None else str(Path(textures).resolve()),
        "settings": settings,
    }
    sweep_partials(out)
    if not (out / _HEADER).exists():
        write_atomic(out / _HEADER, _json(header))
        return
    before = _read_json(out / _HEADER).get("settings", {})
    now = json.loads(_json(settings))
    other = [name for name in now if before.get(name) != now[name]]
    if other:
        raise FileError(out, f"another recipe wrote this folder (other {', '.join(other)}); use another --out")


def _completed(job: _Job, entry: Entry, index: int) -> tuple[str, bytes, dict[str, str]] | None:
    """Return path, bytes and listed files of a sample's recipe if all of them are there."""
    path = _recipe_path(_output_key(job, entry, index))
    if not (job.out / path).is_file():
        return None
    data = (job.out / path).read_bytes()
    try:
        files: dict[str, str] = json.loads(data)["files"]
        whole = all((job.out / name).is_file() for name in files)
    except (ValueError, KeyError, TypeError):
        return None  # not ours, or damaged: it is made again
    return (path, data, files) if whole else None


def _write_manifest(job: _Job, samples: Iterable[tuple[Entry, int]], settings: dict[str, Any]) -> None:
    files: dict[str, str] = {}
    for entry, index in samples:
        if (found := _completed(job, entry, index)) is not None:
            path, data, listed = found
            files |= {**listed, path: _sha256(data)}
    write_atomic(job.out / _MANIFEST, _json({"format": _FORMAT, "settings": settings, "sha256": files}))


def _source_digests(entry: Entry) -> dict[str, str]:
    return {role: _sha256(path.read_bytes()) for role, path in sorted(entry.files.items())}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FileError(path, "is not a JSON object")
    return value
