"""Where training and test images come from: any layout of `das3d_aug.datasets`, prepared once and kept.

The prepared images lie in a folder of the cache that is named for the source and the settings, so runs of other modes
and seeds share them.  Their depth keeps its unit; it is normalised here, by the range of each image or of all normal
training images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from das3d_aug.datasets import Dataset, Entry, open_dataset
from das3d_aug.errors import FileError, ParameterError, quoted
from das3d_aug.preparation import Preparation, depth_range, prepare, resolve_foreground
from das3d_aug.preparation.background import Resolved
from das3d_aug.preparation.policy import recorded_policies
from das3d_aug.runs.causes import by_cause
from das3d_aug.runs.output_folder import HEADER, recorded_settings
from das3d_ref.config import Config
from das3d_ref.config_sections import Mode
from das3d_ref.model.inputs import DepthRange, Item, as_item, preparation_of

__all__ = ["Source", "in_turn", "open_source"]

_HELD_OUT = 10  # without a validation split, one normal training image in so many validates


@dataclass(frozen=True)
class Source:
    """The prepared images of one category.

    Attributes
    ----------
    dataset : Dataset
        Prepared images, depth in its unit.
    train, validation, test : tuple of Entry
        Normal images to learn from, normal images to validate with, and what is tested.
    anomalous : tuple of Entry
        All images that are anomalous by label or mask.
    warnings : tuple of (key, reason)
        Images of which the background was kept, because no plane was found (``preparation.fallback = "keep"``).
    data : pathlib.Path or None
        Where the images were before they were prepared.
    foreground : {"all", "plane"} or None
        How they were prepared; what "auto" is for them.
    decision : str
        Why "auto" is that, in a line; empty where it was not asked for.
    """

    dataset: Dataset
    train: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    test: tuple[Entry, ...]
    warnings: tuple[tuple[str, str], ...] = ()
    data: Path | None = None
    foreground: Resolved | None = None
    decision: str = ""
    anomalous: tuple[Entry, ...] = ()

    def depth_range(self, config: Config) -> DepthRange | None:
        """Return the range of all training images, or None if each image has its own."""
        if config.preparation.normalise != "dataset" or config.mode == "rgb":
            return None
        samples = map(self.dataset.open, self.train)
        found = [DepthRange(span.low, span.high, sample.unit) for sample in samples for span in [depth_range(sample)]]
        return DepthRange(min(span.low for span in found), max(span.high for span in found), found[0].unit)

    def narrowed(self, config: Config) -> Config:
        """Return the configuration as it is for these images.

        Its mode is narrowed to what the first normal image has, colour, depth or both, and ``preparation.foreground``
        to what "auto" is, so that what a detector judges is prepared as what it has learnt from.

        Raises
        ------
        ParameterError
            If the mode looks at one of them alone, and the image has only the other.
        """
        if self.foreground is not None:
            config = replace(config, preparation=replace(config.preparation, foreground=self.foreground))
        sample = self.dataset.open(self.train[0])
        if sample.rgb is not None and sample.depth is not None:
            return config
        there: Mode = "rgb" if sample.depth is None else "depth"
        if config.mode not in ("rgbd", there):
            raise ParameterError(f"mode {config.mode!r} looks at what {self.data or self.dataset.root} does not have")
        return replace(config, mode=there)

    def item(self, entry: Entry, span: DepthRange | None) -> Item:
        """Open an image as the networks take it."""
        return as_item(self.dataset.open(entry), span)


def open_source(
    data: str | Path,
    *,
    category: str | None = None,
    config: Config,
    cache: str | Path,
    good: int = 0,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Source:
    """Prepare one category of a data set, or find it prepared.

    Images of the split "train" are learnt from, or all where there are no splits, except those that are anomalous by
    label or mask.  Without a split "validation" every tenth of them validates.

    Parameters
    ----------
    data : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads; also one that `das3d_aug.preparation`
        wrote with the same settings and without normalisation.
    category : str, optional
        Which, where there are several.
    config : Config
        Its ``preparation`` says what is done.
    cache : path
        Where prepared images are kept.
    good : int
        How many good images are needed outside ``test/``, which is known before any is prepared.
    workers : int
        Processes that prepare.
    progress : callable, optional
        Called with (images prepared, images in all).
    **options
        As for `open_dataset`: ``layout``, ``depth_scale`` …

    Raises
    ------
    FileError
        If the data cannot be read, an image cannot be prepared, or it was prepared with other settings.
    ParameterError
        If there is no such category, none is named and there are several, or there are too few good images.
    """
    root = Path(data)
    dataset = open_dataset(root, **options)
    names = sorted({entry.category for entry in dataset.entries})
    if category is None and len(names) > 1:
        raise ParameterError(f"category must be named, {root} has {', '.join(names)}")
    if category is not None and category not in names:
        known = ", ".join(name for name in names if name) or "none by name"
        raise ParameterError(f"category {category!r} is not in {root}; there are {known}")
    marked = {entry.key for entry in dataset.entries if dataset.is_anomalous(entry)}  # before small masks shrink away
    chosen = [entry for entry in dataset.entries if category in (None, entry.category)]
    there = sum(entry.key not in marked and entry.split != "test" for entry in chosen)
    if there < good:
        raise ParameterError(
            f"{root}: {there or 'no'} good image{'s' * (there > 1)} to learn from, and "
            f"{good} {'is' if good == 1 else 'are'} needed ({dataset.how}); what a folder or a mask marks as anomalous "
            "does not count, nor does test/"
        )
    settings, decision = preparation_of(config), ""
    warnings: tuple[tuple[str, str], ...] = ()
    if dataset.layout == "prepared":
        policy: Resolved = next(iter(recorded_policies(root, [category or "".join(names)]).values()), "plane")
        if settings.foreground == "auto":
            settings, decision = replace(settings, foreground=policy), f"{policy}, as {root} was prepared"
        _check_settings(root, settings, policy)
    else:
        if settings.foreground == "auto":
            for found in resolve_foreground(dataset.select(category=category), settings).values():  # one
                settings, decision = replace(settings, foreground=found.policy), str(found)
        folder = root / category if category is not None and (root / category).is_dir() else root
        key = json.dumps([str(folder.resolve()), settings.recorded(), options], sort_keys=True, default=str)
        out = Path(cache) / f"{folder.resolve().name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        made = in_turn(lambda: _prepare(folder, out, settings, workers, progress, options))
        dataset, warnings = open_dataset(out, layout="prepared"), made or ()
    foreground: Resolved = "all" if settings.foreground == "all" else "plane"
    entries = [entry for entry in dataset.entries if category in (None, entry.category)]
    anomalous = tuple(entry for entry in entries if entry.label == 1 or entry.key in marked)
    marked |= {entry.key for entry in anomalous}
    normal = [entry for entry in entries if entry.key not in marked]
    train = [entry for entry in normal if entry.split == "train"] or [entry for entry in normal if not entry.split]
    validation = [entry for entry in normal if entry.split == "validation"]
    if not validation:
        validation = train[::_HELD_OUT]
        train = [entry for number, entry in enumerate(train) if number % _HELD_OUT]
    test = [entry for entry in entries if entry.split == "test"]
    return Source(
        dataset, tuple(train), tuple(validation), tuple(test), warnings, root, foreground, decision, anomalous
    )


def in_turn(work: Callable[[], Any]) -> Any:
    """Let one process of each machine do something that only one can do at a time; the others wait.

    Returns
    -------
    What ``work`` returned; None where others did it.
    """
    state = PartialState(cpu=not torch.accelerator.is_available())  # or processes on CPUs do not find each other
    result = None
    for turn in range(state.num_processes):
        if turn == state.process_index and state.is_local_main_process:
            result = work()
        state.wait_for_everyone()
    return result


def _prepare(
    folder: Path,
    out: Path,
    settings: Preparation,
    workers: int,
    progress: Callable[[int, int], None] | None,
    options: Mapping[str, Any],
) -> tuple[tuple[str, str], ...]:
    summary = prepare(folder, out, settings=settings, workers=workers, wait=True, progress=progress, **options)
    if summary.failures:
        first, *others = by_cause(summary.failures)
        odd = [
            text for about, text in summary.warnings if about != str(folder)
        ]  # a wrong unit is why no plane is found
        more = [*others[:2], *odd[:2]]
        raise ParameterError(f"{first}; mend or remove what fails" + "".join(f"; {other}" for other in more))
    return summary.warnings


def _check_settings(root: Path, settings: Preparation, policy: str) -> None:
    """Refuse a prepared folder that differs from what a detector would do to new images."""
    path = root / HEADER
    found = recorded_settings(path) | {"foreground": policy}
    wanted = json.loads(json.dumps(settings.to_dict()))
    other = [
        f"{name} {quoted(found.get(name))}, not {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value and not (name == "xyz" and found.get(name))
    ]
    if other:
        raise FileError(path, f"prepared with {'; '.join(other)}: change preparation.…, or give the source of {root}")
