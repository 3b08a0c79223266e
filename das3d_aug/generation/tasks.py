"""One run made by many tasks, on as many machines, and their parts of the manifest.

The samples of a run are divided into contiguous parts, one a task (`das3d_aug.generation.planning.units`).  The tasks
share the folder and know nothing of each other.  Each writes the files of its own samples, all of them atomically; the
header, of which the first one stays and must say the same settings; and last its part of the manifest,

``manifest/000003-of-000007.jsonl``: a line about the task, then a line for each sample or shard, with the SHA-256 of
its files and its figures, and a last one with the number of those, without which it was cut.

A task removes its own part before it writes anything.  One that is killed leaves none; run again it makes what is
missing.  One that runs twice at once writes the same bytes twice.  What killed ones left half-written stays until the
merge, which alone can know that nobody writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from das3d_aug.datasets import Entry
from das3d_aug.errors import FileError, quoted
from das3d_aug.files import Place, contained, open_atomic, read_json
from das3d_aug.files.limits import limits
from das3d_aug.generation.breakdown import Collected, figures_of
from das3d_aug.generation.making import Job, Tally
from das3d_aug.generation.planning import marks
from das3d_aug.runs.output_folder import completed, digest
from das3d_aug.runs.tasks import MISREAD, a_count, a_text, damaged_part, not_ended, part_path, parts_in, said_task

__all__ = ["Division", "Part", "files_of", "whole", "write_part"]


class Division(NamedTuple):
    """How many tasks make how many samples."""

    tasks: int
    asked: int


class Part(NamedTuple):
    """A task's part of the manifest: where it is, and what its first line says."""

    path: Place
    division: Division
    task: int
    about: dict[str, Any]  # as `Summary.of` takes it
    warnings: dict[str, set[int]]
    failures: dict[int, tuple[str, str]]
    common: dict[str, str]


def write_part(
    job: Job,
    entries: Sequence[Entry],
    of: range,
    tally: Tally,
    *,
    task: int,
    division: Division,
    about: Mapping[str, Any],
) -> Collected:
    """Write what a task made of its units, if all is there but what failed; return its figures.

    ``about`` is what `Summary.of` needs of the source.

    Raises
    ------
    FileError
        If it cannot be written, or what was complete is so no more.
    """
    collected = Collected()
    head = {
        "task": task,
        **division._asdict(),
        "about": about,
        "warnings": {text: sorted(positions) for text, positions in sorted(tally.warnings.items())},
        "failures": [[position, *tally.failures[position]] for position in sorted(tally.failures)],
        "common": {name: digest(data) for name, data in job.common.items()},
    }
    with open_atomic(part_path(job.out, task, division.tasks)) as stream:
        stream.write(_line(head))
        count = 0
        for mark, indices in marks(job, entries, division.asked, of):
            found = completed(job.out, mark)
            if found is not None:
                collected.add(found.record)
                stream.write(_line({"sha256": found.files, "figures": figures_of(found.record)}))
                count += 1
            elif tally.failures.keys().isdisjoint(map(job.source, indices)):
                raise FileError(job.out / mark, "was there and is gone, while this task ran; run the same task again")
        stream.write(_line({"end": count}))
    return collected


def whole(out: Place) -> list[Part]:
    """Return the parts of a division of which all are there, in order: of most samples, then of fewest failures."""
    found: dict[Division, dict[int, Part]] = {}
    for path in parts_in(out):
        part = _part(path)
        found.setdefault(part.division, {})[part.task] = part
    if not found:
        raise FileError(out, "has no part of a task to merge: run generate with a task and tasks first")
    complete = [of for of, parts in found.items() if len(parts) == of.tasks]
    if not complete:
        nearest = max(found, key=lambda of: (of.asked, len(found[of]) / of.tasks))
        raise not_ended(out, found[nearest], nearest.tasks)
    best = max(complete, key=lambda of: (of.asked, -sum(len(part.failures) for part in found[of].values())))
    return [found[best][task] for task in sorted(found[best])]


def _part(path: Place) -> Part:
    """Read the first line of a part, which must be of the task that its name says."""
    head = next(_lines(path))
    try:
        about, (task, tasks) = head["about"], said_task(path, head)
        return Part(
            path=path,
            division=Division(tasks, a_count(head["asked"])),
            task=task,
            about={
                "how": a_text(about["how"]),
                "left_out": a_count(about["left_out"]),
                "source_warnings": [(a_text(where), a_text(text)) for where, text in about["source_warnings"]],
            },
            warnings={a_text(text): set(map(a_count, positions)) for text, positions in head["warnings"].items()},
            failures={a_count(at): (a_text(where), a_text(reason)) for at, where, reason in head["failures"]},
            common=dict(_digests(head["common"])),
        )
    except MISREAD as error:
        raise damaged_part(path, error) from error


def _digests(files: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    return ((a_text(path), a_text(found)) for path, found in files.items())


def files_of(parts: Iterable[Part], collected: Collected) -> Iterator[tuple[str, str]]:
    """Yield path and SHA-256 of every file, those that all samples share first; collect the figures."""
    for number, part in enumerate(parts):
        lines = _lines(part.path)
        next(lines)
        try:
            if number == 0:
                yield from part.common.items()
            for count, line in enumerate(lines):
                if "end" in line and line["end"] == count:
                    break
                files = list(_digests(line["sha256"]))
                _check_mark(part, *files[-1])
                yield from files
                collected.add(line)
            else:
                raise ValueError("it is cut short")
        except MISREAD as error:
            raise damaged_part(part.path, error) from error


def _check_mark(part: Part, mark: str, said: str) -> None:
    """Refuse a part that is older than a sample or shard of it."""
    out = part.path.parent.parent
    try:
        if digest(contained(out, out / mark).read_bytes()) == said:
            return
    except OSError:
        pass
    raise FileError(
        part.path,
        f"{quoted(mark)} was written again since, or is gone; run task {part.task} of {part.division.tasks} again, or "
        "remove this part, then merge again",
    )


def _lines(path: Place) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as stream:
            empty = True
            for line in iter(lambda: stream.readline(limits().json_bytes + 1), b""):
                empty = False
                yield _read(path, line)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    if empty:
        raise FileError(path, "is empty; remove it and run its task again")


def _read(path: Place, line: bytes) -> dict[str, Any]:
    try:
        return read_json(path, data=line)
    except FileError as error:
        raise FileError(path, f"{error.reason}; remove it and run its task again") from error


def _line(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()
