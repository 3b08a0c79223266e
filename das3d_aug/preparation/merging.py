"""The end of a preparation that many tasks made: the listing and the manifest of what they left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, counted, quoted
from das3d_aug.files import Place, read_json, sweep_partials
from das3d_aug.preparation.repeats import repeats
from das3d_aug.preparation.run import PreparationSummary, records_of, write_listing
from das3d_aug.runs.output_folder import HEADER, joint_writer, recorded_settings
from das3d_aug.runs.tasks import MISREAD, a_count, a_text, damaged_part, not_ended, parts_in, remove_parts, said_task

__all__ = ["is_prepared", "merge_prepared"]


def is_prepared(out: str | Path) -> bool:
    """Return whether a folder is one that `prepare` began."""
    header = Path(out) / HEADER
    return header.is_file() and "normalise" in recorded_settings(header)


def merge_prepared(out: str | Path) -> PreparationSummary:
    """Write the listing and the manifest of a folder that many tasks prepared: those of a single run.

    Sources are listed, not read: that samples are of them is for the tasks to see.  Where sources failed, the parts
    stay: mend them, run the tasks again and merge again.

    Parameters
    ----------
    out : path
        The folder that `prepare` wrote with ``task`` and ``tasks``.

    Returns
    -------
    PreparationSummary
        Of all tasks: ``kept`` counts what is there, and ``written`` is 0.

    Raises
    ------
    FileError
        If tasks have not ended, which are named; if ``out`` has no part or a damaged one, a damaged header, or lacks a
        sample that a task made; if the source is not where it was; or if a task or another run writes there.
    """
    out = Path(out)
    if not is_prepared(out):
        raise FileError(out, f"is no folder that prepare wrote (no {HEADER} of it)")
    with joint_writer(out, last=True):
        common = recorded_settings(out / HEADER)
        parts = _whole(out)
        source = out / str(read_json(out / HEADER).get("source"))
        try:
            dataset = open_dataset(source, layout=common.get("layout"), **common.get("options", {}))
        except TypeError as error:
            raise FileError(
                out / HEADER, f"is not of prepare: its options are {quoted(common.get('options'))}"
            ) from error
        failures: dict[str, tuple[str, str]] = {}
        said: Counter[str] = Counter()
        for part in parts:
            failures |= part["failures"]
            said.update(part["said"])
        sweep_partials(out)
        records = records_of(out, (entry for entry in dataset.entries if entry.key not in failures))
        for entry in dataset.entries[: parts[0]["asked"]]:
            if entry not in records and entry.key not in failures:
                raise FileError(out, f"lacks sample {entry.key!r}; run the tasks again, then merge again")
        write_listing(out, records, common)
        if not failures:
            remove_parts(out)
    return PreparationSummary(
        out=out,
        layout=dataset.layout,
        how=dataset.how,
        written=0,
        kept=len(records),
        decision=parts[0]["decision"],
        failures=tuple((where, reason) for where, reason in failures.values()),
        warnings=(
            *((str(source), sentence) for sentence in dataset.warnings),
            *((entry.key, text) for entry, record in records.items() if (text := record["warning"])),
            *repeats(records),
            *((counted(count, "sample"), text) for text, count in sorted(said.items())),
        ),
        seconds={},
    )


def _whole(out: Path) -> list[dict[str, Any]]:
    """Return what the tasks of one division wrote, in order: of those that are whole the one of most samples."""
    found: dict[tuple[int, int], dict[int, dict[str, Any]]] = {}
    for path in parts_in(out):
        part = _part(path)
        found.setdefault((part["asked"], part["tasks"]), {})[part["task"]] = part
    if not found:
        raise FileError(out, "has no part of a task to merge: run prepare with a task and tasks first")
    for (_, tasks), parts in sorted(found.items(), reverse=True):
        if len(parts) == tasks:
            return [parts[task] for task in sorted(parts)]
    (_, tasks), parts = max(found.items(), key=lambda item: len(item[1]) / item[0][1])
    raise not_ended(out, parts, tasks)


def _part(path: Place) -> dict[str, Any]:
    """Read a part, which must be of the task that its name says."""
    head = read_json(Path(str(path)))
    try:
        task, tasks = said_task(path, head)
        return {
            "task": task,
            "tasks": tasks,
            "asked": a_count(head["asked"]),
            "failures": {
                a_text(key): (a_text(where), a_text(reason)) for key, (where, reason) in head["failures"].items()
            },
            "said": {a_text(sentence): a_count(count) for sentence, count in head["said"].items()},
            "decision": a_text(head["decision"]),
        }
    except MISREAD as error:
        raise damaged_part(path, error) from error
