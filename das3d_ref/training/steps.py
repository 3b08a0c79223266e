"""Which examples each step of a training run sees."""

from __future__ import annotations

from collections.abc import Iterator

from das3d_aug.randomness import Stream

__all__ = ["Steps"]

_ORDER = 1  # a stream beside that of the synthesis


class Steps:
    """The (epoch, index) keys of this process's share of every step's batch, a list a step.

    Every epoch goes through all indices once, in an order of its own; a batch may reach into the next one.  All
    processes together see the batches that a single one would see.

    Parameters
    ----------
    length : int
        Indices, 0 … length - 1.
    batch : int
        Keys of a step, over all processes; a multiple of ``world``.
    seed : int
        Of the order.
    first, last : int
        The steps: first … last - 1.
    rank, world : int
        Which process of how many.
    """

    def __init__(
        self, length: int, *, batch: int, seed: int, first: int, last: int, rank: int = 0, world: int = 1
    ) -> None:
        self.length, self.seed = length, seed
        self.batch, self.first, self.last = batch, first, last
        self.share = range(rank * (batch // world), (rank + 1) * (batch // world))

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order: tuple[int, list[int]] = (-1, [])
        for step in range(self.first, self.last):
            keys = []
            for place in self.share:
                epoch, position = divmod(step * self.batch + place, self.length)
                if order[0] != epoch:
                    order = (epoch, _order(self.length, seed=self.seed, epoch=epoch))
                keys.append((epoch, order[1][position]))
            yield keys


def _order(length: int, *, seed: int, epoch: int) -> list[int]:
    """Return a random order of the indices below ``length``."""
    stream = Stream(seed, epoch=epoch).spawn(_ORDER)
    return sorted(range(length), key=[stream.bits() for _ in range(length)].__getitem__)
