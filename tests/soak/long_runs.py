"""The long runs: each calls ``tick`` with the steps that are done, of ``total``, in a folder of its own.

Each loads what it needs, and no more: memory of torch in a process without it would be shown as that process's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from helpers.dumps import write_folder

from das3d_aug.datasets import open_dataset
from das3d_aug.generation import generate

Tick: TypeAlias = Callable[[int], object]


def through_a_loader(folder: Path, total: int, tick: Tick) -> None:
    """Draw samples in 2 workers of a ``DataLoader`` that live as long as the run, a new epoch each pass."""
    import torch
    from torch.utils.data import DataLoader

    from das3d_aug.adapters import AnomalyDataset

    dataset = AnomalyDataset(write_folder(folder / "parts", count=20))
    loader = DataLoader(dataset, batch_size=4, num_workers=2, persistent_workers=True)
    for epoch in range(-(-total // len(dataset))):
        dataset.set_epoch(epoch)
        for number, batch in enumerate(loader, 1):
            assert torch.isfinite(batch["image"]).all()
            tick(epoch * len(dataset) + number * 4)


def through_a_detector(folder: Path, total: int, tick: Tick) -> None:
    """Judge images one by one."""
    from helpers.runs import detector, parts

    from das3d_ref import Detector

    judge = Detector.load(detector())
    samples = list(open_dataset(parts()))
    for number in range(total):
        sample = samples[number % len(samples)]
        judge.predict(sample.rgb, sample.depth, xyz=sample.xyz, unit="m")
        tick(number + 1)


def through_many_names(folder: Path, total: int, tick: Tick) -> None:
    """List a folder of so many file names again and again, and read some of its samples."""
    source = write_folder(folder / "few", count=3)
    for path in sorted(source.rglob("*.*")):
        target = folder / "many" / path.relative_to(source).parent
        target.mkdir(parents=True, exist_ok=True)
        for number in range(int(path.stem[1:]), total // 2, 3):
            os.link(path, target / f"{number:06d}{path.suffix}")
    turns = 24
    for turn in range(turns):
        dataset = open_dataset(folder / "many")
        assert len(dataset) == total // 2
        for position in range(turn, len(dataset), len(dataset) // 50):
            assert dataset[position].rgb is not None
        tick((turn + 1) * total // turns)


def through_generate(folder: Path, total: int, tick: Tick) -> None:
    """Write samples in 2 workers."""
    out = folder / "out"
    made = generate(
        write_folder(folder / "parts", count=20), out, count=total, workers=2, progress=lambda done, _: tick(done)
    )
    assert (made.written, made.failures) == (total, ())


RUNS = {
    "a DataLoader with 2 workers": (through_a_loader, 20_000),
    "Detector.predict": (through_a_detector, 2_000),
    "listing and part-reading a folder": (through_many_names, 20_000),
    "generate --count with 2 workers": (through_generate, 10_000),
}
"""By what it is: the function, and how many samples, images, file names, samples."""
