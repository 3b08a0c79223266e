"""Which prepared images are the same bytes as others of their set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from das3d_aug.datasets import Entry

__all__ = ["repeats"]

_SEEN = ("rgb", "depth")
_LABEL = "is the same image as one that is labelled otherwise: remove the wrong one"
_SPLIT = "is the same image as one of another split, so thresholds and figures come out too good: remove one"
_AGAIN = "is the same image as another of its split, which teaches and measures nothing: photograph more parts"


def repeats(records: Mapping[Entry, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return (key, reason) for each sample whose colour and depth are those of an earlier one of its category.

    Parameters
    ----------
    records : mapping of Entry to dict
        Of the samples that are complete, with the digests of their files.
    """
    first: dict[tuple[str, ...], list[Entry]] = {}
    found = []
    for entry, record in records.items():
        seen = sorted(
            f"{role} {value}"
            for path, value in record["files"].items()
            if (role := PurePosixPath(path).parts[-2]) in _SEEN
        )
        same = first.setdefault((entry.category, *seen), [])
        if any({one.label, entry.label} == {0, 1} for one in same):
            found.append((entry.key, _LABEL))
        elif any(one.split != entry.split for one in same):
            found.append((entry.key, _SPLIT))
        elif same:
            found.append((entry.key, _AGAIN))
        if all((one.label, one.split) != (entry.label, entry.split) for one in same):
            same.append(entry)
    return found
