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
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from das3d_aug.datasets import Entry
from das3d_aug.errors import FileError, ParameterError, brief, counted, quoted
from das3d_aug.files import contained, open_atomic, read_json
from das3d_aug.files.limits import limits
from das3d_aug.generation.breakdown import Collected, figures_of
from das3d_aug.generation.making import Job, Tally
from das3d_aug.generation.planning import marks
from das3d_aug.runs.output_folder import completed, digest

__all__ = ["Division", "Part", "begin_part", "begun", "check_task", "files_of", "remove_parts", "whole", "write_part"]

_PARTS, _REMOVED = "manifest", ".manifest.removed"
_DIGITS = 6  # of the number of a task, at least
_MOST = 2**53  # tasks or samples
_LONGEST = 600  # characters of the numbers of tasks that have not ended
_MISREAD = (LookupError, TypeError, ValueError, AttributeError)  # what reading a foreign part raises


class Division(NamedTuple):
    """How many tasks make how many samples."""

    tasks: int
    asked: int


class Part(NamedTuple):
    """A task's part of the manifest: where it is, and what its first line says."""

    path: Path
    division: Division
    task: int
    about: dict[str, Any]  # as `Summary.of` takes it
    warnings: dict[str, set[int]]
    failures: dict[int, tuple[str, str]]
    common: dict[str, str]


def check_task(task: int | None, tasks: int | None) -> None:
    """Refuse a task that is none of so many."""
    both = isinstance(task, int) and isinstance(tasks, int)
    if (task, tasks) != (None, None) and not (both and 0 <= task < tasks):  # type: ignore[operator]
        raise ParameterError(
            f"task must be one of 0 … tasks - 1, and both are given or neither, got task={task!r} and tasks={tasks!r}"
        )


def begin_part(out: Path, *, task: int, tasks: int) -> None:
    """Remove what an earlier run of a task said of its samples, which may be written again now."""
    path = _place(out, task, tasks)
    try:
        path.parent.mkdir(exist_ok=True)  # from now on tasks have begun
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror}") from error


def begun(out: Path) -> bool:
    """Return whether tasks have begun of which there was no merge."""
    return (out / _PARTS).exists()


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
    with open_atomic(_place(job.out, task, division.tasks)) as stream:
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


def remove_parts(out: Path) -> None:
    """Remove the parts of tasks: the manifest holds what they say."""
    parts, removed = out / _PARTS, out / _REMOVED
    try:
        shutil.rmtree(removed, ignore_errors=True)  # of a merge that was killed
        if parts.is_dir():
            parts.rename(removed)
            shutil.rmtree(removed)
    except OSError as error:
        raise FileError(parts, f"cannot be removed: {error.strerror}") from error


def whole(out: Path) -> list[Part]:
    """Return the parts of a division of which all are there, in order: of most samples, then of fewest failures."""
    found: dict[Division, dict[int, Part]] = {}
    for path in sorted((out / _PARTS).glob("*.jsonl")):
        part = _part(path)
        found.setdefault(part.division, {})[part.task] = part
    if not found:
        raise FileError(out, "has no part of a task to merge: run generate with a task and tasks first")
    complete = [of for of, parts in found.items() if len(parts) == of.tasks]
    if not complete:
        nearest = max(found, key=lambda of: (of.asked, len(found[of]) / of.tasks))
        missing = _numbers(_gaps(sorted(found[nearest]), nearest.tasks))
        raise FileError(out, f"tasks {missing} of {nearest.tasks} have not ended: run them, then merge again")
    best = max(complete, key=lambda of: (of.asked, -sum(len(part.failures) for part in found[of].values())))
    return [found[best][task] for task in sorted(found[best])]


def _part(path: Path) -> Part:
    """Read the first line of a part, which must be of the task that its name says."""
    head = next(_lines(path))
    try:
        about, task, tasks = head["about"], _count(head["task"]), _count(head["tasks"])
        if path.name != _name(task, tasks) or task >= tasks:
            raise ValueError(f"it is of task {task} of {tasks}")
        return Part(
            path=path,
            division=Division(tasks, _count(head["asked"])),
            task=task,
            about={
                "how": _text(about["how"]),
                "left_out": _count(about["left_out"]),
                "source_warnings": [(_text(where), _text(text)) for where, text in about["source_warnings"]],
            },
            warnings={_text(text): set(map(_count, positions)) for text, positions in head["warnings"].items()},
            failures={_count(at): (_text(where), _text(reason)) for at, where, reason in head["failures"]},
            common=dict(_digests(head["common"])),
        )
    except _MISREAD as error:
        raise _damaged(path, error) from error


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
        raise TypeError(f"got {quoted(value)} where a number is expected")
    return value


def _text(value: Any) -> str:
    """Return text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"got {quoted(value)} where text is expected")
    value.encode()
    return value


def _digests(files: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    return ((_text(path), _text(found)) for path, found in files.items())


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
        except _MISREAD as error:
            raise _damaged(part.path, error) from error


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


def _lines(path: Path) -> Iterator[dict[str, Any]]:
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


def _read(path: Path, line: bytes) -> dict[str, Any]:
    try:
        return read_json(path, data=line)
    except FileError as error:
        raise FileError(path, f"{error.reason}; remove it and run its task again") from error


def _damaged(path: Path, error: Exception) -> FileError:
    return FileError(
        path, f"is no part of a manifest ({type(error).__name__} {brief(str(error))}); remove it and run its task again"
    )


def _place(out: Path, task: int, tasks: int) -> Path:
    return contained(out, out / _PARTS / _name(task, tasks))


def _name(task: int, tasks: int) -> str:
    digits = max(_DIGITS, len(str(tasks)))
    return f"{task:0{digits}d}-of-{tasks:0{digits}d}.jsonl"


def _line(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()


def _gaps(there: Sequence[int], count: int) -> Iterator[range]:
    """Yield the runs of numbers below ``count`` that are not among some sorted ones."""
    before = -1
    for number in (*there, count):
        if number > before + 1:
            yield range(before + 1, number)
        before = number


def _numbers(runs: Iterable[range]) -> str:
    """Return numbers as Slurm takes them, ``0-3,7``, and how many more there are than fit into a line."""
    said, more = "", 0
    for run in runs:
        text = str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"
        if more or len(said) + len(text) > _LONGEST:
            more += len(run)
        else:
            said = f"{said},{text}" if said else text
    return f"{said} and {counted(more, 'more task')}" if more else said
