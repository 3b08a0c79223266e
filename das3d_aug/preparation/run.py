"""Preparing a whole folder: every split, label and mask, so that training and testing read ready samples.

The folder has the layout "prepared" (`das3d_aug.datasets.prepared`), and beside it:

* ``das3d.json``: the settings, written first; a run with other settings is refused, and what ``foreground="auto"`` was
  when the folder was begun, one policy or one a category, stays so;
* ``records/<key>.json``: what is known of a sample, written after its files, so it marks the sample as complete; its
  key is the SHA-256 of the source's files, the camera and the settings;
* ``prepared.json``, then ``manifest.json`` with the SHA-256 of every file, written last.

A sample that is complete and has the same key is kept, so a run that was stopped, or whose source has changed or
grown, makes only what is missing.  Of many tasks each makes the samples of a contiguous part and last writes a line
about what failed, ``manifest/000003-of-000007.jsonl``; `das3d_aug.preparation.merge_prepared` writes the rest.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import das3d_aug
from das3d_aug.datasets import Dataset, Entry, open_dataset
from das3d_aug.datasets.prepared import LISTING, encode_prepared
from das3d_aug.errors import FileError, ParameterError, counted
from das3d_aug.files import write_atomic
from das3d_aug.preparation.policy import policies_of
from das3d_aug.preparation.repeats import repeats
from das3d_aug.preparation.sample import Prepared, depth_range, remove_and_resize
from das3d_aug.preparation.settings import Preparation
from das3d_aug.runs.output_folder import (
    FORMAT,
    check_writable,
    claim,
    completed,
    digest,
    joint_writer,
    keep_apart,
    listed,
    remove_mark,
    sole_writer,
    source_digests,
    to_json,
    write_files,
    write_manifest,
)
from das3d_aug.runs.tasks import begin_part, check_task, part_path, remove_parts
from das3d_aug.runs.workers import unordered_map

__all__ = ["PreparationSummary", "prepare", "records_of", "write_listing"]

_PARTS = ("reading", "preparing", "encoding and writing")


@dataclass(frozen=True, kw_only=True)
class PreparationSummary:
    """What a run did.

    Attributes
    ----------
    out : pathlib.Path
        The folder written to.
    layout, how : str
        The layout of the source and how it was recognised.
    written, kept : int
        Samples made by this run, and samples that were complete before it.
    decision : str
        What ``foreground="auto"`` was for how many images and why, in a line; empty where it was not asked for.
    failures : tuple of (path, reason)
        Sources that could not be prepared, in the order of the listing.
    warnings : tuple of (key, reason)
        Samples of this or an earlier run of which everything was kept, because no plane or cluster was found, or that
        are the same image as another; and what is odd about the sources, each sentence once, behind how many samples
        it is said of.
    seconds : mapping
        Time spent in ``"reading"``, ``"preparing"`` and ``"encoding and writing"``, summed over the workers.
    """

    out: Path
    layout: str
    how: str
    written: int
    kept: int
    decision: str
    failures: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What all samples of a run share."""

    dataset: Dataset
    settings: Mapping[str, Preparation]
    common: Mapping[str, Any]
    out: Path


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    key: str
    written: bool = False
    failure: tuple[str, str] | None = None
    said: tuple[str, ...] = ()
    seconds: tuple[float, ...] = (0.0, 0.0, 0.0)


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    settings: Preparation | None = None,
    layout: str | None = None,
    workers: int = 0,
    limit: int | None = None,
    task: int | None = None,
    tasks: int | None = None,
    wait: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **dataset_options: Any,
) -> PreparationSummary:
    """Prepare all samples of a folder.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.
    out : path
        Where to write; `open_dataset` reads it as the layout "prepared".
    settings : Preparation, optional
        What is done; `Preparation.paper` without it.  With ``normalise="dataset"``, the range is that of the normal
        samples of each category, of the train split if there is one: never of what is tested.
    layout, **dataset_options
        As for `das3d_aug.datasets.open_dataset`.
    workers : int
        Processes; 0 works in this one.  Scripts that use workers need ``if __name__ == "__main__":``.
    limit : int, optional
        Stop after the first ``limit`` samples.
    task, tasks : int, optional
        Prepare one of so many parts, ``task`` being 0 … ``tasks - 1``, beside other processes that prepare the others
        into the same folder; then `das3d_aug.preparation.merge_prepared` writes what a single run would have.  All
        other arguments are those of the whole.
    wait : bool
        If another run writes into ``out``, wait for it: for a folder that several runs share.
    progress : callable, optional
        Called with (samples done, samples asked for).

    Returns
    -------
    PreparationSummary

    Raises
    ------
    ParameterError
        If an argument has a wrong range.
    FileError
        If ``out`` cannot be written, lies in the source, is not empty, is in use (without ``wait``), or was written
        with other settings; or if the source has no sample.
    """
    for name, value, least in (("workers", workers, 0), ("limit", limit, 1)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    check_task(task, tasks)
    source, out, settings = Path(source), Path(out), settings or Preparation()
    keep_apart(out, source)
    if not wait:
        check_writable(out)
    dataset = open_dataset(source, layout=layout, **dataset_options)
    if not dataset.entries:
        raise FileError(source, f"has no sample ({dataset.how})")
    asked = dataset.entries[:limit]
    mine = asked
    if task is not None and tasks is not None:
        mine = asked[len(asked) * task // tasks : len(asked) * (task + 1) // tasks]
    written = kept = 0
    seconds = [0.0] * len(_PARTS)
    failures: dict[str, tuple[str, str]] = {}
    said: Counter[str] = Counter()
    with sole_writer(out, wait=wait) if tasks is None else joint_writer(out):
        policies, decision = policies_of(out, dataset, settings)
        by_category = {name: replace(settings, foreground=policy) for name, policy in policies.items()}
        several = len(set(policies.values())) > 1
        common = {
            "version": das3d_aug.__version__,
            "layout": dataset.layout,
            "options": dataset_options,
            **next(iter(by_category.values())).recorded(),
            **({"foreground": policies} if several else {}),
        }
        job = _Job(dataset=copy(dataset), settings=by_category, common=common, out=out)
        job.dataset.entries = ()  # a task brings its own entry
        claim(out, source=source, textures=None, settings=common, alone=tasks is None)
        if task is not None and tasks is not None:
            begin_part(out, task=task, tasks=tasks)
        with contextlib.closing(unordered_map(partial(_make, job), mine, workers=workers)) as outcomes:
            for done, outcome in enumerate(outcomes, 1):
                seconds = [sum(pair) for pair in zip(seconds, outcome.seconds, strict=True)]
                said.update(outcome.said)
                if outcome.failure is not None:
                    failures[outcome.key] = outcome.failure
                elif outcome.written:
                    written += 1
                else:
                    kept += 1
                if progress is not None:
                    progress(done, len(mine))
        if task is not None and tasks is not None:
            records = records_of(out, mine)
            told = {"failures": failures, "said": said, "decision": decision}
            part = {"task": task, "tasks": tasks, "asked": len(asked), **told}
            write_atomic(part_path(out, task, tasks), (json.dumps(part) + "\n").encode())
        else:  # what an earlier run made of a source that fails now is out of date
            records = records_of(out, (entry for entry in dataset.entries if entry.key not in failures))
            write_listing(out, records, common)
            remove_parts(out)
    return PreparationSummary(
        out=out,
        layout=dataset.layout,
        how=dataset.how,
        written=written,
        kept=kept,
        decision=decision,
        failures=tuple(failures[entry.key] for entry in mine if entry.key in failures),
        warnings=(
            *((str(source), sentence) for sentence in dataset.warnings),
            *((entry.key, text) for entry, record in records.items() if (text := record["warning"])),
            *repeats(records),
            *((counted(count, "sample"), text) for text, count in sorted(said.items())),
        ),
        seconds=dict(zip(_PARTS, seconds, strict=True)),
    )


def records_of(out: Path, entries: Iterable[Entry]) -> dict[Entry, dict[str, Any]]:
    """Return the records of those samples that are complete."""
    return {entry: record for entry in entries if (record := _record(out, entry)) is not None}


def write_listing(out: Path, records: Mapping[Entry, dict[str, Any]], common: dict[str, Any]) -> None:
    """Write the listing and the manifest of samples."""
    listing = {LISTING: _listing(list(records.values()), common["normalise"])}
    write_files(out, listing)
    write_manifest(out, listed(out, listing, map(_mark, records)), common)


def _make(job: _Job, entry: Entry) -> _Outcome:
    """Make a sample unless it is there.

    A source that cannot be used is an outcome and the run goes on; an output that cannot be written ends it, and so
    does a package that is missing.
    """
    clock = [time.perf_counter()]
    mark = _mark(entry)
    odd: tuple[str, ...] = ()  # such as a wrong unit, which may be why it cannot be used
    try:
        sample = job.dataset.open(entry)
        odd = sample.warnings
        camera = None if sample.intrinsics is None else sample.intrinsics.to_dict()
        key = digest(to_json([source_digests(job.dataset, entry), camera, job.common]))
        clock.append(time.perf_counter())
        before = _record(job.out, entry)
        if before is not None and before["key"] == key:
            return _Outcome(key=entry.key, said=sample.warnings, seconds=(clock[1] - clock[0], 0.0, 0.0))
        prepared = remove_and_resize(sample, job.settings[entry.category])
        clock.append(time.perf_counter())
        files = encode_prepared(
            entry.key,
            rgb=prepared.rgb,
            depth=prepared.depth,
            foreground=prepared.foreground,
            mask=prepared.mask,
            xyz=prepared.xyz,
        )
    except FileError as error:
        return _Outcome(key=entry.key, failure=(str(error.path), error.reason), said=odd)
    except ParameterError as error:
        reason = str(error).removeprefix(f"{entry.key}: ")
        return _Outcome(key=entry.key, failure=(str(job.dataset.root / entry.key), reason), said=odd)
    record = {
        "format": FORMAT,
        "key": key,
        "row": _row(entry, prepared, files),
        "range": None if prepared.depth is None else asdict(depth_range(prepared)),
        "warning": prepared.warning,
        "files": {path: digest(data) for path, data in files.items()},
    }
    remove_mark(job.out, mark)  # while files are replaced, the sample is not complete
    write_files(job.out, {**files, mark: to_json(record)})
    clock.append(time.perf_counter())
    seconds = tuple(end - start for start, end in itertools.pairwise(clock))
    return _Outcome(key=entry.key, written=True, said=sample.warnings, seconds=seconds)


def _row(entry: Entry, prepared: Prepared, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what the listing says of a sample, but for its normalisation."""
    return {
        "key": entry.key,
        "split": entry.split,
        "defect": entry.defect,
        "category": entry.category,
        "label": entry.label,
        "unit": prepared.unit,
        "camera": None if prepared.camera is None else prepared.camera.to_dict(),
        "plane": prepared.plane,
        "roles": [path.split("/")[-2] for path in files],
    }


def _listing(records: list[dict[str, Any]], normalise: str) -> bytes:
    """Return the listing: of every record its row and what is done to its depth."""
    chosen: dict[str, list[dict[str, float]]] = {}
    for category, group in itertools.groupby(sorted(records, key=_category), key=_category):
        samples = list(group)
        normal = [record for record in samples if record["row"]["label"] != 1]
        train = [record for record in normal if record["row"]["split"] == "train"]
        chosen[category] = [record["range"] for record in train or normal or samples]
    rows = []
    for record in records:
        ranges = [record["range"]] if normalise == "image" else chosen[_category(record)]
        known = [span for span in ranges if span is not None]  # colour alone has none
        span = (
            {end: choose(one[end] for one in known) for end, choose in (("low", min), ("high", max))} if known else None
        )
        rows.append({**record["row"], "normalisation": None if normalise == "none" else span})
    return to_json({"format": FORMAT, "samples": rows})


def _category(record: Mapping[str, Any]) -> str:
    return str(record["row"]["category"])


def _mark(entry: Entry) -> str:
    return f"records/{entry.key}.json"


def _record(out: Path, entry: Entry) -> dict[str, Any] | None:
    """Return the record of a complete sample."""
    found = completed(out, _mark(entry))
    whole = found is not None and {"key", "row", "range", "warning"} <= found.record.keys()
    return found.record if found is not None and whole else None
