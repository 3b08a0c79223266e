"""What is to be made, in the order of the manifest; each part of it is found without counting through what is before.

A unit is a sample, or a shard of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from das3d_aug.datasets import Entry
from das3d_aug.generation.formats import FORMATS
from das3d_aug.generation.making import Batch, Job, Tally
from das3d_aug.runs.output_folder import completed, names_below

__all__ = ["batches", "marks", "present", "samples_in", "units"]

_AT_ONCE = 16  # one reading of the source for all of them; an interruption waits for one batch
_DIGITS = 6  # of the number of a shard, at least
_ALONE = "alone in its category: its patches come from itself, not from a donor"


def units(job: Job, asked: int, *, task: int = 0, tasks: int = 1) -> range:
    """Return the units that one of several tasks makes of the first ``asked`` samples: contiguous, none in two."""
    count = asked if job.shard_size is None else _shards(job, asked)
    return range(count * task // tasks, count * (task + 1) // tasks)


def samples_in(job: Job, asked: int, of: range) -> int:
    """Return how many samples are in some units."""
    step = job.shard_size or 1
    return max(0, min(of.stop * step, asked) - of.start * step)


def marks(job: Job, entries: Sequence[Entry], asked: int, of: range) -> Iterator[tuple[str, range]]:
    """Yield for some units what marks each as complete, and the indices of its samples."""
    step = job.shard_size
    for unit in of:
        if step is None:
            index = job.index(unit, asked)
            yield FORMATS[job.layout].recipe(_name(job, entries, index)), range(index, index + 1)
        else:
            digits = max(_DIGITS, len(str(_shards(job, job.total) - 1)))
            yield f"shard-{unit:0{digits}d}.json", range(unit * step, min((unit + 1) * step, asked))


def present(job: Job, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the marks that are on disk, in order; the cost follows what is there, not what could be."""
    start = FORMATS[job.layout].recipes or "shard-"
    left = {name for name in names_below(job.out, "*.json") if name.startswith(start)}
    for mark, _ in marks(job, entries, job.total, units(job, job.total)):
        if not left:
            return
        if mark in left:
            left.remove(mark)
            yield mark


def batches(
    job: Job, entries: Sequence[Entry], donors: Sequence[Entry | None] | None, asked: int, of: range, tally: Tally
) -> Iterator[Batch]:
    """Yield what of some units is to be made, and count what is complete; ``donors``: one a source, if used."""

    def missing() -> Iterator[tuple[str, range]]:
        for mark, indices in marks(job, entries, asked, of):
            if donors is not None and (alone := {at for at in map(job.source, indices) if donors[at] is None}):
                tally.warnings.setdefault(_ALONE, set()).update(alone)
            packed = [] if job.shard_size is None else [_name(job, entries, index) for index in indices]
            if completed(job.out, mark, samples=packed) is None:
                yield mark, indices
            else:
                tally.kept += len(indices)

    def donor(position: int) -> Entry | None:
        return None if donors is None else donors[position]

    if job.shard_size is None:
        for position, group in itertools.groupby((indices[0] for _, indices in missing()), job.source):
            while some := tuple(itertools.islice(group, _AT_ONCE)):
                yield Batch(((entries[position], some, donor(position)),))
    else:
        for mark, indices in missing():
            groups = itertools.groupby(indices, job.source)
            parts = tuple((entries[position], tuple(some), donor(position)) for position, some in groups)
            yield Batch(parts, shard=mark.removesuffix(".json"))


def _shards(job: Job, samples: int) -> int:
    assert job.shard_size is not None
    return -(-samples // job.shard_size)


def _name(job: Job, entries: Sequence[Entry], index: int) -> str:
    return job.name(entries[job.source(index)], index)
