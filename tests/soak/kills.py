"""Commands that are killed, run out of disk, meet each other, lose files: in random order, until one runs to its end.

After each step every file is whole; after the last command the folder has the bytes of an undisturbed run.  Not
a state machine of Hypothesis: a kill hits another place each time, so nothing that it finds would shrink.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2
from das3d_cli.aug import main
from helpers.dumps import put, tree
from helpers.jobs import Job, folder_jobs
from helpers.processes import Fork

from das3d_aug.datasets.prepared import LISTING

JOBS = (
    *(f"generate {name}" for name in ("mvtec3d", "eyecandies", "folder", "webdataset")),
    *(f"tasks {name}" for name in ("mvtec3d", "webdataset")),
    "prepare",
    "demo-data",
)
_TASKS = 3
_HEADERS = ("das3d.json", "demo.json", "das3d.lock")  # without one a folder is nobody's, and is refused
_KILLED = (-signal.SIGKILL, -signal.SIGXFSZ)


class Story:
    """One folder, what it goes through, and how often it was killed.

    Parameters
    ----------
    name : str
        Of a job.
    place : pathlib.Path
        A folder for the sources, the undisturbed run and the folder itself.
    seed : int
        Of what happens; not of where a kill hits.
    """

    def __init__(self, name: str, place: Path, seed: int) -> None:
        self.name, self.chance, self.log = name, random.Random(seed), [f"{name}, seed {seed}"]
        self.out, self.source = place / "out", place / "parts"
        job = folder_jobs(place)[name.replace("tasks", "generate")]
        self.commands: list[list[object]] = [job.into(self.out)]
        self.others: list[list[object]] = []  # that may come in between: a run of its own, another division
        if name.startswith("tasks"):
            parts = [job.into(self.out, "--task", task, "--tasks", _TASKS) for task in range(_TASKS)]
            self.others = [*self.commands, job.into(self.out, "--task", 1, "--tasks", 2)]
            self.commands = [*parts, ["merge", self.out]]
        self.cut: set[str] = set()
        self.lost = False
        self.counts: Counter[str] = Counter()
        warm(job)
        begin = time.monotonic()
        assert Fork("aug", job.into(place / "undisturbed")).end() == (0, "")
        self.took, self.whole = time.monotonic() - begin, tree(place / "undisturbed")
        self.sizes = sorted(
            path.stat().st_size for path in (place / "undisturbed").rglob("*.*") if path.stat().st_size > 1
        )

    def go(self, steps: int) -> None:
        """Take random steps, then run to the end; AssertionError, with all steps, if a promise does not hold."""
        rules = {self.kill: 8, self.die_writing: 4, self.full_disk: 2, self.meet: 3, self.lose_a_source: 2}
        rules |= {self.lose_a_file: 3, self.cut_a_file: 3, self.finish: 1}
        try:
            for _ in range(steps):
                (rule,) = self.chance.choices(list(rules), list(rules.values()))
                self.log.append(rule.__name__)
                rule()
                self.check()
            self.finish()
        except Exception as error:
            raise AssertionError("\n".join([*self.log, repr(error)])) from error

    def kill(self) -> None:
        self.end(self.begin(), after=self.chance.uniform(0, self.took))

    def die_writing(self) -> None:
        """Be killed by the system in the middle of a file."""
        self.end(self.begin((self.chance.choice(self.sizes) - 1, "die")))

    def full_disk(self) -> None:
        code, said = self.end(self.begin((self.chance.choice(self.sizes) - 1, "refuse")))
        assert code != 2 or "merge" in self.log[-1] or "cannot be written: File too large" in said, said

    def meet(self) -> None:
        """Two at once, of which one may be killed: at least one does its work, the other too or is refused."""
        first, second = self.begin(), self.begin()
        after = self.chance.choice((None, self.chance.uniform(0, self.took)))
        ends = [self.end(first, after=after), self.end(second)]
        for code, said in ends:
            assert code != 2 or "another run is writing here" in said or "merge" in "".join(self.log[-2:]), said
        assert after is not None or len(self.commands) > 1 or (0, "") in ends, ends

    def lose_a_source(self) -> None:
        """Run while a source is missing or cut short, and put it back; a first run would be one of other sources."""
        if not (self.out / "das3d.json").exists():
            return
        self.lost = True
        path = self.chance.choice(sorted(self.source.glob("*/*.*")))
        data = path.read_bytes()
        if self.chance.random() < 0.5:
            path.unlink()
        else:
            path.write_bytes(data[: len(data) // 2])
        self.log.append(f"  without {path.relative_to(self.source)}")
        self.end(self.begin(), after=self.chance.choice((None, self.chance.uniform(0, self.took))))
        put(path, data)

    def lose_a_file(self) -> None:
        if (path := self.some_file()) is not None:
            path.unlink()

    def cut_a_file(self) -> None:
        """Leave the half of a file, which only a manifest can tell, or nothing of it."""
        if (path := self.some_file()) is not None:
            left = 0 if self.name == "demo-data" else self.chance.choice((0, path.stat().st_size // 2))
            path.write_bytes(path.read_bytes()[:left])
            if left:
                self.cut.add(path.relative_to(self.out).as_posix())

    def finish(self) -> None:
        """Run every command to its end; what was cut in half is what the manifest tells, and is made again."""
        self.run_all()
        there = tree(self.out)
        if self.cut and there != self.whole:
            named = json.loads((self.out / "manifest.json").read_bytes())["sha256"]
            damaged = {path for path in named if there.get(path) != named[path]}
            assert damaged <= self.cut, f"the manifest is not of {damaged - self.cut}"
            for path in damaged:
                (self.out / path).unlink()
            self.run_all()
            there = tree(self.out)
        self.cut.clear()
        wrong = sorted(path for path in there.keys() | self.whole.keys() if there.get(path) != self.whole.get(path))
        assert not wrong, f"not as after an undisturbed run: {wrong}"
        self.counts["run to the end"] += 1

    def run_all(self) -> None:
        *some, last = self.commands
        for command in (*self.chance.sample(some, len(some)), last):
            end = Fork("aug", command).end()
            assert end == (0, ""), f"{command[-4:]}: {end}"

    def begin(self, most: tuple[int, str] | None = None) -> Fork:
        command = self.chance.choice(self.commands + self.others)
        self.log.append("  " + " ".join(map(str, command[:1] + command[-4:])) + ("" if most is None else f" {most}"))
        return Fork("aug", command, most=most)

    def end(self, process: Fork, *, after: float | None = None) -> tuple[int, str]:
        """Wait for its end, or kill it after so many seconds; what it says is one line, and no traceback."""
        before = self.partials()
        if after is not None:
            time.sleep(after)
            process.kill()
        code, said = process.end()
        self.log[-1] += f": {code} {said.strip()}"
        if code in _KILLED:
            self.counts["kills"] += 1
            self.counts["kills while writing a file"] += bool(self.partials() - before)
        assert code in (*_KILLED, 0, 1, 2), code
        assert "Traceback" not in said, said
        assert code != 2 or said.splitlines()[-1].startswith("das3d-aug: error: "), said
        return code, said

    def check(self) -> None:
        """Hold every file against an undisturbed run's; lists of what is there, of which all is changing, are whole."""
        empty = hashlib.sha256().hexdigest()
        there = {path: found for path, found in tree(self.out).items() if found != empty and path not in self.cut}
        for path, found in there.items():
            if path.endswith(".partial"):
                continue
            if path in ("manifest.json", LISTING):
                json.loads((self.out / path).read_bytes())
            elif path.startswith((".manifest.removed/", "manifest/")):
                for line in (self.out / path).read_bytes().splitlines():
                    json.loads(line)
            elif (
                path.startswith("shard-") and self.lost
            ):  # of fewer samples, until its mark tells a run to make it again
                for tar, told in (
                    json.loads((self.out / path).read_bytes())["files"].items() if path.endswith("json") else ()
                ):
                    assert there.get(tar, told) == told, f"{path} is not of its shard"
            else:
                assert self.whole.get(path) == found, f"{path} is not that of an undisturbed run"

    def partials(self) -> set[Path]:
        return set(self.out.rglob("*.partial"))

    def some_file(self) -> Path | None:
        files = sorted(path for path in self.out.rglob("*.*") if path.is_file() and path.name not in _HEADERS)
        path = self.chance.choice(files) if files else None
        self.log[-1] += f": {None if path is None else path.relative_to(self.out)}"
        return path


def warm(job: Job) -> None:
    """Load here what a command needs and compile its kernels, so that it can be killed within tenths of a second."""
    cv2.setNumThreads(1)  # OpenCV's threads do not survive a fork
    silent, ended = contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit)
    with tempfile.TemporaryDirectory() as folder, silent, ended:
        main([str(argument) for argument in job.into(Path(folder) / "out")])


def kill_often(folder: Path, kills: int, seed: int) -> Counter[str]:
    """Tell stories of all jobs in turns until there were so many kills; return what was counted."""
    counts: Counter[str] = Counter()
    number = 0
    while counts["kills"] < kills:
        story = Story(JOBS[number % len(JOBS)], folder / str(number), seed + number)
        story.go(steps=12)
        counts += story.counts
        number += 1
        print(f"kills: {counts['kills']} of {kills}, {story.name}", file=sys.stderr, flush=True)
    return counts
