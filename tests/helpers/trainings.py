"""What a training left."""

from __future__ import annotations

import csv

from helpers.dumps import tree


def log(out):
    with (out / "training.csv").open() as file:
        return list(csv.DictReader(file))


def files(out):
    """Return what a run wrote and how, without the log's time or the lock."""
    return {name: digest for name, digest in tree(out).items() if name != "das3d.lock"}
