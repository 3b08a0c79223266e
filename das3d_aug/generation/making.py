"""Making one batch of a run's samples: what `das3d_aug.generation` hands to its workers."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import das3d_aug
from das3d_aug.datasets import Dataset, Entry
from das3d_aug.datasets.webdataset import add_to_shard, open_shard
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import Place, contained, open_atomic
from das3d_aug.files.images import Compression
from das3d_aug.generation.breakdown import figures_of
from das3d_aug.generation.donors import donor_of
from das3d_aug.generation.formats import FORMATS, as_written, colour_of
from das3d_aug.generation.measuring import depth_noise, measured
from das3d_aug.preparation import resize_sample
from das3d_aug.runs.output_folder import (
    FORMAT,
    completed,
    digest,
    remove_mark,
    source_digests,
    to_json,
    write_files,
)
from das3d_aug.runs.workers import interrupted
from das3d_aug.synthesis import (
    AnomalyPair,
    Found,
    Policy,
    Recipe,
    find_foreground,
    kind_of,
    measure_severity,
    synthesize,
)
from das3d_aug.textures import TextureSource, as_source

__all__ = ["Batch", "Job", "Tally", "make"]

_READING, _SYNTHESIS, _WRITING = "reading", "synthesis", "encoding and writing"

_ATTEMPTS = 200  # even if one draw in twenty is anomalous, one sample in 30 000 has none
_LEAST = 4  # anomalous pixels of a sample that counts

_Part: TypeAlias = tuple[Entry, tuple[int, ...], Entry | None]  # a source, indices of its samples, and its donor


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all samples of a run share; small, because every batch carries it to its worker."""

    dataset: Dataset
    options: Mapping[str, Any]
    recipe: Recipe
    seed: int
    per_image: int
    count: int | None
    sources: int
    size: tuple[int, int] | None
    textures: Path | None
    layout: str
    shard_size: int | None
    common: Mapping[str, bytes]
    digits: int
    depth_png: float | None
    compression: Compression
    foreground: Policy
    out: Place

    def source(self, index: int) -> int:
        """Return the position of the source of which a sample is made: in blocks, or with ``count`` in turns."""
        return index // self.per_image if self.count is None else index % self.sources

    @property
    def total(self) -> int:
        """How many samples there are in all."""
        return self.sources * self.per_image if self.count is None else self.count

    def index(self, place: int, asked: int) -> int:
        """Return the index at a place among the first ``asked`` ones when those of a source stand together."""
        if self.count is None:
            return place
        each, more = divmod(asked, self.sources)  # the first sources have one more
        longer = more * (each + 1)
        if place < longer:
            source, turn = divmod(place, each + 1)
        else:
            source, turn = divmod(place - longer, each)
            source += more
        return source + turn * self.sources

    def name(self, entry: Entry, index: int) -> str:
        """Return the name of the sample of this index."""
        return FORMATS[self.layout].name(entry, f"{index:0{self.digits}d}")


@dataclass(frozen=True)
class Batch:
    """Samples to write: as a shard of this name, or one by one."""

    parts: tuple[_Part, ...]
    shard: str | None = None


class Made(NamedTuple):
    """A sample: its files in the order in which they must be written, the recipe last, and what that holds."""

    name: str
    files: dict[str, bytes]
    record: dict[str, Any]


@dataclass
class Tally:
    """What was done; failures by the position of the source; by each sentence of a source's warnings, which said it."""

    written: int = 0
    kept: int = 0
    failures: dict[int, tuple[str, str]] = field(default_factory=dict)
    warnings: dict[str, set[int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {_READING: 0.0, _SYNTHESIS: 0.0, _WRITING: 0.0})

    def add(self, other: Tally) -> None:
        """Count what another one counted."""
        self.written += other.written
        self.kept += other.kept
        self.failures |= other.failures
        for sentence, positions in other.warnings.items():
            self.warnings.setdefault(sentence, set()).update(positions)
        for part, seconds in other.seconds.items():
            self.seconds[part] += seconds

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time spent inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - start


def make(job: Job, batch: Batch) -> Tally:
    """Make the samples of a batch.

    A source that cannot be used is counted and the run goes on; an output that cannot be written ends it.
    """
    tally = Tally()
    samples = _samples(job, batch.parts, tally)
    if batch.shard is not None:
        names = [job.name(entry, index) for entry, indices, _ in batch.parts for index in indices]
        if completed(job.out, f"{batch.shard}.json", samples=names) is not None:  # another process was quicker
            tally.kept += len(names)
        else:
            _pack(job, batch.shard, names, samples, tally)
        return tally
    for made in samples:
        with tally.timed(_WRITING):
            write_files(job.out, made.files)
        tally.written += 1
    return tally


def _pack(job: Job, shard: str, planned: list[str], samples: Iterator[Made], tally: Tally) -> None:
    """Write a shard, then its mark.  One that lacks samples is made again by the next run, as the mark tells."""
    first = next(samples, None)
    if first is None:
        return
    names: list[str] = []
    figures: list[Mapping[str, Any]] = []
    mark, tar_name = f"{shard}.json", f"{shard}.tar"
    if (job.out / mark).is_file() and completed(job.out, mark, samples=planned) is None:
        remove_mark(job.out, mark)  # and never one that another process, making the same shard, has just written
    with open_atomic(contained(job.out, job.out / tar_name)) as stream:
        with open_shard(stream) as tar:
            for made in itertools.chain([first], samples):
                with tally.timed(_WRITING):
                    add_to_shard(tar, made.files)
                names.append(made.name)
                figures += figures_of(made.record)
                if interrupted():  # a shard takes long, and a part of it is of no use
                    raise KeyboardInterrupt
        stream.seek(0)
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    record = {"format": FORMAT, "samples": names, "figures": figures, "files": {tar_name: found}}
    write_files(job.out, {mark: to_json(record)})
    tally.written += len(names)


def _samples(job: Job, parts: tuple[_Part, ...], tally: Tally) -> Iterator[Made]:
    """Yield the samples of all sources that can be used."""
    for entry, indices, donor in parts:
        position = job.source(indices[0])
        try:
            yield from _of_source(job, entry, indices, donor, tally)
        except FileError as error:
            tally.failures[position] = (str(error.path), error.reason)
        except Das3dError as error:
            tally.failures[position] = (str(job.dataset.root / entry.key), str(error))


def _of_source(job: Job, entry: Entry, indices: tuple[int, ...], donor: Entry | None, tally: Tally) -> Iterator[Made]:
    """Yield the samples of a source."""
    target = FORMATS[job.layout]
    with tally.timed(_READING):
        sample = as_written(resize_sample(job.dataset.open(entry), job.size), depth_png=job.depth_png)
        sources = source_digests(job.dataset, entry)
        texture = None if job.textures is None else _textures(job.textures)
        other = taken_from = None
        if donor is not None:
            taken_from = {"key": donor.key, "sha256": source_digests(job.dataset, donor)}
            other = donor_of(as_written(resize_sample(job.dataset.open(donor), sample.shape), depth_png=job.depth_png))
    rgb, foreground = colour_of(sample), job.foreground if sample.foreground is None else sample.foreground
    for sentence in sample.warnings:
        tally.warnings.setdefault(sentence, set()).add(job.source(indices[0]))
    if target.common(sample) != job.common:
        raise ParameterError("its camera is another one than the first sample's; use format 'webdataset'")
    with tally.timed(_SYNTHESIS):
        axis = job.recipe.depth_axis
        found = None if sample.depth is None else find_foreground(sample.depth, foreground, depth_axis=axis)
        noise = 0.0 if sample.depth is None or found is None else depth_noise(sample.depth, found.mask)
    draw = partial(
        synthesize,
        rgb,
        sample.depth,
        recipe=job.recipe,
        seed=job.seed,
        texture=texture,
        foreground=foreground,
        camera=sample.camera,
        unit=sample.unit,
        donor=other,
    )
    for index in indices:
        with tally.timed(_SYNTHESIS):
            with warnings.catch_warnings(record=True) as caught:  # workers have no one to tell
                warnings.simplefilter("always", UserWarning)
                pair, attempt = _drawn(job, draw, index, found)
            for sentence in {str(warning.message) for warning in caught}:
                tally.warnings.setdefault(sentence, set()).add(job.source(indices[0]))
            severity = measure_severity(rgb, sample.depth, pair, foreground=foreground)
        with tally.timed(_WRITING):
            name = job.name(entry, index)
            files = target.encode(name, sample, pair, job.compression)
            record: dict[str, Any] = {
                "format": FORMAT,
                "version": das3d_aug.__version__,
                "sample": name,
                "index": index,
                **({} if job.count is None else {"attempt": attempt}),
                "layout": job.layout,
                "category": entry.category,
                "label": int(pair.mask.any()),
                "kind": kind_of(pair),
                "severity": asdict(severity),
                "measured": measured(sample, pair.mask, found, noise),
                "unit": sample.unit,
                **({} if job.foreground == "auto" else {"foreground": job.foreground}),
                "intrinsics": None if sample.intrinsics is None else sample.intrinsics.to_dict(),
                "source": {
                    "layout": job.dataset.layout,
                    "options": job.options,
                    "key": entry.key,
                    "sha256": sources,
                },
                "size": sample.shape,
                "plan": pair.plan.to_dict(),
                "files": {path: digest(data) for path, data in files.items()},
            }
            if taken_from is not None and pair.plan.takes_from_donor:
                record["donor"] = taken_from
            if job.depth_png is not None:
                record["depth_png"] = job.depth_png
            if job.compression != "default":
                record["compression"] = job.compression
            if target.stores_numbers and sample.stored is not None:
                record["stored"] = sample.stored.meaning.stated()
            files[target.recipe(name)] = to_json(record)
        yield Made(name, files, record)


def _drawn(job: Job, draw: Callable[..., AnomalyPair], index: int, found: Found | None) -> tuple[AnomalyPair, int]:
    """Return a pair and its epoch; with ``count`` that counts the attempts, and the first anomalous one is taken.

    One of which fewer than four pixels are anomalous is nearly empty, and does not count.
    """
    idle = empty = 0
    for attempt in range(1 if job.count is None else _ATTEMPTS):
        pair = draw(index=index, epoch=attempt)
        pixels = int(np.count_nonzero(pair.mask))
        if job.count is None or pixels >= _LEAST:
            return pair, attempt
        empty += pixels > 0
        idle += not pair.plan.anomalous or (pair.plan.drop_rgb and pair.plan.drop_depth)
    if idle == _ATTEMPTS:
        why = (
            f"the recipe's probability is {job.recipe.probability:g} and its dropout {job.recipe.dropout:g}; raise the "
            "one or lower the other"
        )
    elif empty:
        why = (
            f"{empty} have fewer than {_LEAST} anomalous pixels; raise the recipe's area (size of kinds), or take a "
            "larger size="
        )
    elif found is not None and found.low == found.high and job.recipe.magnitude_unit == "range":
        why = "depth has no range on the part, to which the recipe is relative; use magnitude_unit='depth'"
    else:
        why = (
            "every change is below the recipe's mask_threshold or falls where there is no depth; raise its magnitude "
            "or area (height or size of kinds), or lower mask_threshold"
        )
    raise ParameterError(f"none of {_ATTEMPTS} draws is anomalous: {why}")


@cache
def _textures(folder: Path) -> TextureSource:
    """List a texture folder once per process."""
    return as_source(folder)
