"""Which other good part of its category a source takes patches from."""

from __future__ import annotations

from collections.abc import Sequence

from das3d_aug.datasets import Entry, Sample
from das3d_aug.generation.formats import colour_of
from das3d_aug.randomness import Stream
from das3d_aug.synthesis.donors import Donor

__all__ = ["choose_donors", "donor_of"]

_DONOR = 4  # a stream beside those of the synthesis


def donor_of(sample: Sample) -> Donor:
    """Return a sample as `das3d_aug.synthesize` takes a donor."""
    rgb = colour_of(sample)
    return (rgb, sample.depth) if sample.foreground is None else (rgb, sample.depth, sample.foreground)


def choose_donors(entries: Sequence[Entry], seed: int) -> list[Entry | None]:
    """Return for each source another one of its category, by the seed and its position; None if it is alone there."""
    groups: dict[str | None, list[int]] = {}
    for position, entry in enumerate(entries):
        groups.setdefault(entry.category, []).append(position)
    found: list[Entry | None] = [None] * len(entries)
    for group in groups.values():
        for rank, position in enumerate(group):
            if len(group) > 1:
                away = Stream(seed, index=position).spawn(_DONOR).integer(1, len(group) - 1)
                found[position] = entries[group[(rank + away) % len(group)]]
    return found
