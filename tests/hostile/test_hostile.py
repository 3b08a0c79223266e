"""Every reader is given every hostile file, of its own type or not; what is worth a try is found by ``make fuzz``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.dumps import environment

from das3d_aug.errors import Das3dError, FileError
from tests.fuzz.targets import TARGETS, place, seeds
from tests.hostile import documents, graphs, images


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
    refused = []
    for data in seeds(target):
        path.write_bytes(data)
        for read in target.reads:
            try:
                read(path)
            except Das3dError as error:
                refused.append(error)
            else:
                return
    pytest.fail(str(refused))


@pytest.mark.parametrize(
    ("reader", "which", "reason"),
    [
        ("png", "png-of-few-bytes", "12 packed bytes cannot hold the 536739848 that are declared"),
        ("jpeg", "jpeg-of-few-bytes", "bytes are no 8191 x 8191 pixels that are declared"),
        ("tiff", "tiff-deflate-of-few-bytes", "8 packed bytes cannot hold"),
        ("tiff", "tiff-lzw-of-few-bytes", "8 packed bytes cannot hold"),
        ("tiff", "tiff-packbits-of-few-bytes", "8 packed bytes cannot hold"),
        ("shard", "tar-texture-of-no-name", "000000.json: cannot be rendered: texture must be procedural"),
        ("npz", "npz-two-directories", "has a second directory"),
        ("npy", "npy-minus-signs", "its header spells 9001 bytes"),
        ("bmp", "bmp-palette-of-2-gib", "a palette of 2147483647 colours is declared"),
        ("camera-yaml", "yaml-20000-keys", "holds too much; at most 24576 values are read"),
        ("camera-mat", "mat-name-of-100-mb", "a camera needs the numbers"),
        ("camera-mat", "mat-of-version-4", "is not MATLAB's .mat of version 5"),
        ("camera-mat", "mat-of-version-4-of-4-gib", "is not MATLAB's .mat of version 5"),
        ("camera-mat", "mat-5000-variables", "a variable is there twice"),
        ("task", "jsonl-tasks-of-99-digits", "is no part of a manifest .* where a number is expected"),
        ("task", "jsonl-without-an-end", "it is cut short"),
        ("task", "jsonl-end-is-a-lie", "is no part of a manifest"),
        ("task", "jsonl-no-tasks", "it is of task 0 of 0"),
        ("task", "jsonl-of-another-task", "it is of task 1 of 9"),
        ("task", "jsonl-path-no-text", "is no part of a manifest .UnicodeEncodeError"),
        ("onnx", "onnx-metadata-no-utf-8", "is not a detector of das3d"),
        ("onnx", "onnx-expands", "computes large constants"),
        ("onnx", "onnx-expands-an-input", "computes large constants"),
        ("onnx", "onnx-expands-by-a-cast", "computes large constants"),
        ("onnx", "onnx-resizes", "computes a tensor of shape"),
        ("onnx", "onnx-tensor-of-few-bytes", "has 108 bytes where a tensor of shape"),
    ],
)
def test_what_is_said_of_it(tmp_path, reader, which, reason):
    target = TARGETS[reader]
    path = place(target, tmp_path / "root")
    path.write_bytes({**images.files(), **documents.files(), **graphs.files()}[which])
    with pytest.raises(FileError, match=reason):
        target.reads[-1](path)
