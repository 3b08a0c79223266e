"""Tasks that make one folder together: a file of each that ended, and which have not.

A task removes its part before it writes anything else, and writes it last.  What is in a part is for the room that
writes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from das3d_aug.errors import FileError, ParameterError, brief, counted, quoted
from das3d_aug.files import Place, Remote, contained
from das3d_aug.runs.output_folder import names_below

__all__ = [
    "MISREAD",
    "a_count",
    "a_text",
    "begin_part",
    "begun",
    "check_task",
    "damaged_part",
    "not_ended",
    "part_name",
    "part_path",
    "parts_in",
    "remove_parts",
    "said_task",
]

MISREAD = (LookupError, TypeError, ValueError, AttributeError)
"""What reading a foreign part raises."""


_PARTS, _REMOVED = "manifest", ".manifest.removed"
_BEGUN = "begun"  # in a store, which has no empty folders
_DIGITS = 6  # of the number of a task, at least
_MOST = 2**53  # tasks or samples
_LONGEST = 600  # characters of the numbers of tasks that have not ended


def check_task(task: int | None, tasks: int | None) -> None:
    """Refuse a task that is none of so many."""
    both = isinstance(task, int) and isinstance(tasks, int)
    if (task, tasks) != (None, None) and not (both and 0 <= task < tasks):  # type: ignore[operator]
        raise ParameterError(
            f"task must be one of 0 … tasks - 1, and both are given or neither, got task={task!r} and tasks={tasks!r}"
        )


def begin_part(out: Place, *, task: int, tasks: int) -> None:
    """Remove what an earlier run of a task said of its samples, which may be written again now."""
    path = part_path(out, task, tasks)
    try:
        if isinstance(path, Remote):  # from now on tasks have begun
            (path.parent / _BEGUN).put_first(b"1")
        else:
            path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror}") from error


def begun(out: Place) -> bool:
    """Return whether tasks have begun of which there was no merge."""
    return (out / _PARTS).exists()


def parts_in(out: Place) -> list[Place]:
    """Return the parts of tasks that ended, in order."""
    return [out / _PARTS / name for name in sorted(names_below(out / _PARTS, "*.jsonl"))]


def not_ended(out: Place, there: Collection[int], tasks: int) -> FileError:
    """Return the error that names the tasks of which there is no part."""
    missing = _numbers(_gaps(sorted(there), tasks))
    return FileError(out, f"tasks {missing} of {tasks} have not ended: run them, then merge again")


def remove_parts(out: Place) -> None:
    """Remove the parts of tasks: the manifest holds what they say."""
    parts = out / _PARTS
    if isinstance(parts, Remote):
        parts.remove_all()
        return
    try:
        removed = parts.with_name(_REMOVED)
        shutil.rmtree(removed, ignore_errors=True)  # of a merge that was killed
        if parts.is_dir():
            parts.rename(removed)
            shutil.rmtree(removed)
    except OSError as error:
        raise FileError(parts, f"cannot be removed: {error.strerror}") from error


def part_path(out: Place, task: int, tasks: int) -> Place:
    """Return where the part of a task is."""
    return contained(out, out / _PARTS / part_name(task, tasks))


def part_name(task: int, tasks: int) -> str:
    """Return the name of the part of a task."""
    digits = max(_DIGITS, len(str(tasks)))
    return f"{task:0{digits}d}-of-{tasks:0{digits}d}.jsonl"


def said_task(path: Place, head: Mapping[str, Any]) -> tuple[int, int]:
    """Return task and tasks that a part says, which must be those of its name."""
    task, tasks = a_count(head["task"]), a_count(head["tasks"])
    if path.name != part_name(task, tasks) or task >= tasks:
        raise ValueError(f"it is of task {task} of {tasks}")
    return task, tasks


def a_count(value: Any) -> int:
    """Return what a part has where a number of tasks, samples or sources is expected."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
        raise TypeError(f"got {quoted(value)} where a number is expected")
    return value


def a_text(value: Any) -> str:
    """Return text of a part that can be written as UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"got {quoted(value)} where text is expected")
    value.encode()
    return value


def damaged_part(path: Place, error: Exception) -> FileError:
    """Return the error of a part that is none."""
    return FileError(
        path, f"is no part of a manifest ({type(error).__name__} {brief(str(error))}); remove it and run its task again"
    )


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
