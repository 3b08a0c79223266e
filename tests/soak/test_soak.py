"""`make soak`, short: the script runs, and what it is there to find it finds."""

import contextlib
import subprocess
import sys
import threading

import pytest
from helpers.dumps import environment, put

from tests.soak import kills
from tests.soak.watching import Watch


@pytest.mark.slow
def test_the_script_runs_to_its_end():
    """Of hundreds of samples most are warm-up: that memory is flat is for the whole run to say."""
    options = ["--share", "0.02", "--growth", "50", "--seed", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.run", *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment() | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, table, counts = (block for block in done.stdout.split("\n\n") if block.strip())
    assert [row.split(" | ")[3] for row in table.splitlines() if row.endswith("| yes |")] == [
        *("this", "1. below", "2. below"),  # a DataLoader
        "this",
        "this",
        *("this", "1. below", "2. below"),  # generate
    ]
    assert counts.startswith("kills: ")


@pytest.mark.slow
@pytest.mark.parametrize("name", kills.JOBS)
def test_a_short_story_of_every_command(tmp_path, name):
    kills.Story(name, tmp_path, seed=1).go(steps=5)


def test_files_that_are_written_in_place_are_found(tmp_path, monkeypatch):
    story = kills.Story("generate folder", tmp_path, seed=0)
    monkeypatch.setattr("das3d_aug.runs.output_folder.write_atomic", put)

    def die_often():
        for _ in range(50):
            story.die_writing()
            story.check()

    with pytest.raises(AssertionError, match="is not that of an undisturbed run"):
        die_often()


def keep_nothing(folder, kept):
    (folder / "file").write_bytes(b"x" * 2**18)


def keep_memory(folder, kept):
    kept.enter_context(contextlib.nullcontext(b"x" * 2**21))  # so large that it is memory of its own, not of the heap


def keep_a_descriptor(folder, kept):
    kept.enter_context((folder / "file").open("w"))


def keep_a_thread(folder, kept):
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    kept.callback(thread.join)
    kept.callback(done.set)


@pytest.mark.parametrize("step", [keep_nothing, keep_memory, keep_a_descriptor, keep_a_thread])
def test_what_is_kept_is_found(tmp_path, step):
    watch = Watch("steps", 60)
    with contextlib.ExitStack() as kept:
        for number in range(60):
            step(tmp_path, kept)
            watch.tick(number + 1)
    (gain,) = (gain for gain in watch.gains() if gain.process == "this")
    assert gain.flat(5.0) == (step is keep_nothing)
