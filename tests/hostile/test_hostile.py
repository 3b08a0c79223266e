"""Every reader is given every hostile file, of its own type or not; what is worth a try is found by ``make fuzz``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.dumps import environment

from das3d_aug.errors import Das3dError
from tests.fuzz.targets import TARGETS, place, seeds


def test_a_right_answer_or_an_error_of_ours_that_names_the_file_cheaply(record_property):
    """In one process, since what a reader leaves behind may hurt the next; decoders may warn on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.read_all"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=environment(),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *wrong, said = done.stdout.splitlines()
    assert wrong == []
    found = json.loads(said)
    (seconds, slowest), (grown, largest) = found["seconds"], found["grown"]
    assert found["readings"] > 9000
    record_property(
        "figure",
        f"{found['files']} hostile files, {found['readings']} readings by {len(TARGETS)} readers: at most "
        f"{seconds:.2f} s ({slowest}) and {grown / 2**20:.0f} MiB ({largest})",
    )


@pytest.mark.parametrize("name", TARGETS)
def test_the_files_to_begin_with_are_read(tmp_path, name):
    target = TARGETS[name]
    path = place(target, tmp_path / "root")
    for data in seeds(target):
        path.write_bytes(data)
        refused = []
        for read in target.reads:
            try:
                read(path)
            except Das3dError as error:
                refused.append(error)
        assert len(refused) < len(target.reads), refused[0]
