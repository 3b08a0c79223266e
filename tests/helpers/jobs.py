"""Every command that writes a folder and completes it when it is run again, small enough to be killed many times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from helpers.dumps import write_folder
from helpers.runs import CONFIG, parts, workplace

_SETTINGS = [
    f"--set={section}.{name}={json.dumps(value)}"
    for section, values in CONFIG.to_dict().items()
    if section in ("network", "training", "score")
    for name, value in values.items()
]
SMALL = ("--preset", "smoke", "--set=preparation.size=48", "--set=synthesis.area=[0.05, 0.2]", *_SETTINGS)
FORMATS = ("mvtec3d", "eyecandies", "folder", "webdataset")


class Job(NamedTuple):
    """A program and its arguments; `into` adds the folder."""

    program: str
    before: tuple[object, ...]
    after: tuple[object, ...]

    def into(self, out: Path, *more: object) -> list[object]:
        return [*self.before, out, *self.after, *more]


def generation(source: Path, written_as: str) -> Job:
    recipe = source.parent / "recipe.toml"
    recipe.write_text("dropout = 0.0\narea = [0.1, 0.3]\n")  # of small images
    rest = ("--recipe", recipe, "--format", written_as, "--per-image", 4, "--seed", 3, "--unit", "m")
    shards = ("--shard-size", 5) if written_as == "webdataset" else ()
    return Job("aug", ("generate", source, "--out"), (*rest, *shards))


def folder_jobs(folder: Path) -> dict[str, Job]:
    """Return the jobs of das3d-aug on sources in ``folder``."""
    source = write_folder(folder / "parts", camera=True)
    jobs = {f"generate {name}": generation(source, name) for name in FORMATS}
    jobs["prepare"] = Job("aug", ("prepare", source, "--out"), ("--size", 40, "--unit", "m", "--foreground", "all"))
    counts = ("--train", 1, "--validation", 1, "--good", 1, "--per-defect", 0, "--size", 32)
    jobs["demo-data"] = Job("aug", ("demo-data",), counts)
    return jobs


def training(steps: int = 12) -> Job:
    data = ("--data", parts(), "--cache", workplace() / "prepared", *SMALL, f"--set=training.steps={steps}")
    return Job("ref", ("train", *data, "--resume", "--out"), ())


def benchmark() -> Job:
    data = ("--data", parts(), *SMALL, "--set=training.steps=6")
    return Job("ref", ("benchmark", *data, "--set=training.validate_every=2", "--mode", "rgb", "--out"), ())
