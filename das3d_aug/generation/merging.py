"""The end of a run that many tasks made: one manifest of their parts.

`merge` takes the parts of one division, those of other numbers of tasks go.  It holds each mark against what the part
says of it: tasks of another division may have written it again.  It renames the folder of the parts before it removes
it, so a kill leaves all of them or none; without that folder `manifest.json` is of a merge, or a run, that has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from das3d_aug.errors import FileError, quoted
from das3d_aug.files import Place, contained, place, sweep_partials
from das3d_aug.generation.breakdown import Collected
from das3d_aug.generation.formats import FORMATS
from das3d_aug.generation.making import Tally
from das3d_aug.generation.summary import Summary
from das3d_aug.generation.tasks import Part, files_of, whole
from das3d_aug.runs.output_folder import (
    HEADER,
    completed,
    joint_writer,
    manifest_files,
    recorded_settings,
    write_manifest,
)
from das3d_aug.runs.tasks import begun, remove_parts
from das3d_aug.synthesis import Recipe

__all__ = ["merge"]


def merge(out: str | Place) -> Summary:
    """Write the manifest of a folder that many tasks made, which is that of a single run, and remove their parts.

    It is checked that every task ended and that no sample or shard was written again since, as their parts and the
    recipes or shards' marks say; images and shards are not read.  Where sources failed, the parts stay: mend the
    sources, run the tasks again and merge again.  In a folder that was merged before, what a kill left is removed.

    Parameters
    ----------
    out : path or URL
        The folder or place that `generate` wrote with ``task`` and ``tasks``.

    Returns
    -------
    Summary
        Of all tasks: ``kept`` counts what they made, and ``written`` is 0.  Of a folder that was merged before, or that
        a single run ended, ``left_out`` is None.

    Raises
    ------
    FileError
        If tasks have not ended, which are named; if ``out`` has no part, or one that is damaged or outdated; if the
        tasks were limited and its manifest lists more; if a task or another run writes there, or the manifest cannot be
        written.
    """
    out = place(out)
    if not (out / HEADER).is_file():
        raise FileError(out, f"is no folder that generate wrote (no {HEADER})")
    with joint_writer(out, last=True):
        settings = recorded_settings(out / HEADER)
        if settings.get("format") not in tuple(FORMATS):
            raise FileError(out / HEADER, f"is not of generate: its format is {quoted(settings.get('format'))}")
        if not begun(out) and (listed := manifest_files(out, settings)) is not None:
            return _merged_before(out, settings, listed)
        return _merge(out, settings)


def _merge(out: Place, settings: dict[str, Any]) -> Summary:
    parts = whole(out)
    _check_limit(out, settings, parts)
    sweep_partials(out)
    tally, collected = Tally(), Collected()
    for part in parts:
        tally.failures |= part.failures
        for text, positions in part.warnings.items():
            tally.warnings.setdefault(text, set()).update(positions)
    write_manifest(out, files_of(parts, collected), settings)
    tally.kept = collected.samples
    summary = _summary(out, settings, tally, collected, **parts[0].about)
    if not tally.failures:
        remove_parts(out)
    return summary


def _merged_before(out: Place, settings: Mapping[str, Any], listed: Iterable[str]) -> Summary:
    """Remove what a merge left that was killed after its manifest was written; sum up what that lists."""
    tally, collected = Tally(), Collected()
    for mark in _marks_in(out, settings, listed):
        found = completed(out, mark)
        if found is None:
            raise FileError(out / mark, "is in manifest.json and is gone or damaged; run generate again")
        collected.add(found.record)
    tally.kept = collected.samples
    summary = _summary(out, settings, tally, collected, how="merged before", left_out=None, source_warnings=())
    sweep_partials(out)
    remove_parts(out)
    return summary


def _summary(out: Place, settings: Mapping[str, Any], tally: Tally, collected: Collected, **about: Any) -> Summary:
    try:
        return Summary.of(
            tally,
            collected,
            out=out,
            layout=settings["layout"],
            format=settings["format"],
            probability=Recipe.from_dict(settings["recipe"]).probability,
            **about,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileError(out / HEADER, f"is not of generate: {type(error).__name__} {error}") from error


def _check_limit(out: Place, settings: Mapping[str, Any], parts: Sequence[Part]) -> None:
    """Refuse a manifest without what is there and in the one before: the tasks were limited, and that was not."""
    left = set(_marks_in(out, settings, manifest_files(out, settings) or ()))
    for path, _ in files_of(parts, Collected()) if left else ():
        left.discard(path)
    if beyond := next((mark for mark in sorted(left) if completed(out, mark) is not None), None):
        asked = parts[0].division.asked
        reason = f"is there beyond the first {asked} samples, of which these tasks are; run tasks without that limit"
        raise FileError(out / beyond, f"{reason}, then merge again")


def _marks_in(out: Place, settings: Mapping[str, Any], paths: Iterable[str]) -> Iterator[str]:
    start = FORMATS[settings["format"]].recipes or "shard-"
    for path in paths:
        if path.startswith(start) and path.endswith(".json"):
            contained(out, out / path)
            yield path
