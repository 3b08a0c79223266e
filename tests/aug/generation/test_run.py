"""Generated folders: what they hold, completion after any interruption, refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.dumps import (
    RECIPE,
    environment,
    kill_and_complete,
    put,
    recipes,
    tree,
    write_folder,
    write_mvtec,
)

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import encode_png
from das3d_aug.generation import generate, replay
from das3d_aug.preparation import parse_size
from das3d_aug.runs.workers import unordered_map
from das3d_aug.synthesis import Recipe


@pytest.fixture(params=[write_mvtec, write_folder], ids=["mvtec3d", "folder"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write: Callable[[Path], Path] = request.param
    return write(tmp_path / "parts")


def test_the_output_reads_as_the_layout_of_the_input(parts: Path, tmp_path: Path) -> None:
    source = open_dataset(parts)
    summary = generate(parts, tmp_path / "out", recipe=RECIPE, per_image=2, seed=0)

    made = open_dataset(tmp_path / "out")
    assert made.layout == source.layout == summary.layout
    assert (summary.written, summary.kept, summary.failures) == (6, 0, ())
    assert summary.left_out == (1 if source.layout == "mvtec3d" else 0)
    normal = [source.open(entry) for entry in source.entries if entry.label != 1]
    assert len(made.entries) == 6
    for number, entry in enumerate(made.entries):
        before, after = normal[number // 2], made.open(entry)
        assert after.mask is not None
        assert after.mask.any()
        assert not after.mask.all()
        np.testing.assert_array_equal(after.rgb[~after.mask], before.rgb[~after.mask])
        np.testing.assert_array_equal(after.depth[~after.mask], before.depth[~after.mask])
        np.testing.assert_array_equal(after.valid, before.valid)
        assert (after.rgb != before.rgb).any()
        assert (after.depth != before.depth).any()


def test_manifest_lists_every_file_of_every_sample(parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(parts, out, recipe=RECIPE, seed=0)
    found = tree(out)
    manifest = json.loads((out / "manifest.json").read_text())
    for name in ("manifest.json", "das3d.json", "das3d.lock"):
        del found[name]
    assert manifest["sha256"] == found


def test_what_was_deleted_is_made_again(parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(parts, out, recipe=RECIPE, per_image=2, seed=0)
    whole = tree(out)
    found = recipes(out)
    record = json.loads(found[1].read_text())
    found[0].unlink()
    (out / next(iter(record["files"]))).unlink()
    found[3].write_bytes(b"{")
    (out / next(iter(json.loads(found[4].read_text())["files"]))).write_bytes(b"")  # by a power cut
    (out / ".stale.png.17.partial").write_bytes(b"half")

    summary = generate(parts, out, recipe=RECIPE, per_image=2, seed=0)
    assert (summary.written, summary.kept) == (4, 2)
    assert tree(out) == whole


@pytest.mark.parametrize("role", ["rgb", "depth"])
def test_a_source_that_lost_one_of_its_files_is_not_taken_for_one_of_the_other_modality_alone(
    tmp_path: Path, role: str
) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    generate(parts, out, recipe=RECIPE, limit=1)
    before = tree(out)
    next((parts / role).glob("p1.*")).unlink()
    with pytest.raises(FileError, match=r"other settings wrote this folder \(source\)"):
        generate(parts, out, recipe=RECIPE)
    assert tree(out) == before


def test_workers_and_limit_leave_no_trace(parts: Path, tmp_path: Path) -> None:
    for workers in (0, 1, 2):
        generate(parts, tmp_path / str(workers), recipe=RECIPE, per_image=2, seed=5, workers=workers)
    limited = tmp_path / "limited"
    assert generate(parts, limited, recipe=RECIPE, per_image=2, seed=5, limit=3).written == 3
    some = tree(limited)
    generate(parts, limited, recipe=RECIPE, per_image=2, seed=5)

    whole = tree(tmp_path / "0")
    assert tree(tmp_path / "1") == tree(tmp_path / "2") == tree(limited) == whole
    assert len(some) < len(whole)
    assert {name: whole[name] for name in some if name != "manifest.json"} == {
        name: value for name, value in some.items() if name != "manifest.json"
    }


def test_workers_die_with_a_killed_parent_even_in_the_middle_of_a_long_call(tmp_path: Path) -> None:
    """An orphan that went on would write into the folder that the next run completes."""
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from das3d_aug.runs.workers import unordered_map\n"
        "def work(path):\n"
        "    Path(path + '.partial').write_text(str(os.getpid()))\n"
        "    os.rename(path + '.partial', path)\n"
        "    return 3 ** 10**9 > 0  # minutes in one call that lets no other thread run\n"
        "if __name__ == '__main__':\n"
        "    list(unordered_map(work, [sys.argv[1]], workers=1))\n"
    )
    mark = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, str(script), str(mark)], env=environment())
    while not mark.exists() and process.poll() is None:
        time.sleep(0.01)
    worker = int(mark.read_text())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while _runs(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    alive = _runs(worker)
    if alive:
        os.kill(worker, signal.SIGKILL)
    assert not alive


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_waits_for_the_end_of_a_task() -> None:
    ended = []

    def work(task: int) -> int:
        signal.raise_signal(signal.SIGINT)
        ended.append(task)
        return task

    with pytest.raises(KeyboardInterrupt):
        list(unordered_map(work, range(3), workers=0))
    assert ended == [0]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_any_moment_then_completed(tmp_path: Path, workers: int) -> None:
    parts = write_mvtec(tmp_path / "parts", count=8)
    kills = [lambda out, wanted=wanted: len(recipes(out)) >= wanted for wanted in (1, 17)]
    kill_and_complete(tmp_path, source=parts, written_as="mvtec3d", workers=workers, kills=kills)


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"per_image": 2}, {"size": 32}, {"count": 4}, {"foreground": "all"}, {"recipe": Recipe(dropout=0.5)}],
    ids=str,
)
def test_other_settings_are_refused(tmp_path: Path, other: dict[str, object]) -> None:
    parts, out = write_folder(tmp_path / "parts", count=1), tmp_path / "out"
    settings = {"recipe": RECIPE, "seed": 0, **other}
    generate(parts, out, recipe=RECIPE, seed=0)
    before = tree(out)
    with pytest.raises(FileError, match=rf"other settings wrote this folder \({next(iter(other))}\)"):
        generate(parts, out, **settings)  # type: ignore[arg-type]
    assert tree(out) == before
    whole = tmp_path / "the other way round"
    generate(parts, whole, **settings)  # type: ignore[arg-type]
    with pytest.raises(FileError, match=rf"other settings wrote this folder \({next(iter(other))}\)"):
        generate(parts, whole, recipe=RECIPE, seed=0)


def test_a_bad_source_is_reported_and_the_others_go_on(parts: Path, tmp_path: Path) -> None:
    victim = sorted(path for path in parts.rglob("*") if path.is_file() and path.suffix == ".tiff")[-2]
    good = victim.read_bytes()
    victim.write_bytes(good[: len(good) // 2])
    out = tmp_path / "out"
    summary = generate(parts, out, recipe=RECIPE, per_image=2, seed=0)
    assert summary.written == 4
    ((path, reason),) = summary.failures
    assert path == str(victim)
    assert reason
    assert len(open_dataset(out).entries) == 4

    victim.write_bytes(good)
    assert generate(parts, out, recipe=RECIPE, per_image=2, seed=0).written == 2
    generate(parts, tmp_path / "undisturbed", recipe=RECIPE, per_image=2, seed=0)
    assert tree(out) == tree(tmp_path / "undisturbed")


def test_a_full_disk_is_an_error_and_leaves_whole_files(tmp_path: Path) -> None:
    parts, out = write_mvtec(tmp_path / "parts", count=1), tmp_path / "out"
    # The header fits under this limit on the size of a file, the points do not.
    limited = (
        "import resource, signal, sys; from das3d_aug.generation import generate;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (12000, 12000));"
        "generate(sys.argv[1], sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, str(parts), str(out)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "FileError" in done.stderr.splitlines()[-1]
    assert "cannot be written" in done.stderr.splitlines()[-1]
    assert not list(out.rglob("*.partial"))
    assert not recipes(out)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts", count=2), tmp_path / "out"

    def second_run(done: int, total: int) -> None:
        with pytest.raises(FileError, match="another run is writing here"):
            generate(parts, out, recipe=RECIPE)
        calls.append(done)

    calls: list[int] = []
    generate(parts, out, recipe=RECIPE, progress=second_run)
    assert calls == [1, 2, 2]


def test_refused_places(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts", count=1)
    before = tree(tmp_path)
    for out in (parts, parts / "out", tmp_path):
        with pytest.raises(FileError, match="must be separate folders"):
            generate(parts, out)
    assert tree(tmp_path) == before

    put(tmp_path / "mine/letter.txt", b"dear")
    with pytest.raises(FileError, match="is not empty and was not written by this command"):
        generate(parts, tmp_path / "mine")
    assert tree(tmp_path / "mine").keys() == {"letter.txt"}


def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts", count=1), tmp_path / "out"
    generate(parts, out, recipe=RECIPE)
    for path in out.glob("rgb/*"):
        path.unlink()
    (out / "rgb").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (out / "rgb").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError, match="leads outside"):
        generate(parts, out, recipe=RECIPE)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_size_resizes_without_inventing_depth(parts: Path, tmp_path: Path) -> None:
    generate(parts, tmp_path / "out", recipe=RECIPE, size="20x36", seed=0)
    source, made = open_dataset(parts), open_dataset(tmp_path / "out")
    before, after = source.open(source.entries[-1]), made.open(made.entries[-1])
    assert after.rgb.shape == (20, 36, 3)
    assert after.depth.shape == (20, 36)
    assert after.mask is not None
    untouched = after.valid & ~after.mask
    assert np.isin(after.depth[untouched], before.depth[before.valid]).all()


def test_textures_come_from_the_folder(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts", count=1)
    put(tmp_path / "textures/green.png", encode_png(np.full((16, 16, 3), (0, 255, 0), np.uint8)))
    out = tmp_path / "out"
    generate(parts, out, recipe=RECIPE, seed=0, textures=tmp_path / "textures")
    (recipe,) = out.glob("recipes/*.json")
    assert json.loads(recipe.read_text())["plan"]["texture"]["name"] == "green.png"
    assert replay(recipe).differences == ()
    put(tmp_path / "textures/red.png", encode_png(np.full((16, 16, 3), (255, 0, 0), np.uint8)))
    with pytest.raises(FileError, match=r"\(textures\)"):
        generate(parts, out, recipe=RECIPE, seed=0, textures=tmp_path / "textures")


@pytest.mark.parametrize(
    ("size", "parsed"),
    [(None, None), (7, (7, 7)), ("256", (256, 256)), ("20x36", (20, 36)), ((3, 4), (3, 4))],
)
def test_parse_size(size: object, parsed: object) -> None:
    assert parse_size(size) == parsed  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -3, "big", "3x", "1x2x3", 9000, 2.5, (1,) * 3])
def test_parse_size_refuses(size: object) -> None:
    with pytest.raises(ParameterError, match="size must"):
        parse_size(size)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["per_image", "shard_size", "workers", "limit", "count"])
def test_counts_are_checked(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=f"{name} must be"):
        generate(tmp_path, tmp_path / "out", **{name: -1})


def test_a_shard_has_no_more_samples_than_its_mark_can_name(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="shard_size must be an integer of at most 32768, got 32769"):
        generate(tmp_path, tmp_path / "out", shard_size=2**15 + 1)


def test_a_folder_without_normal_samples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Das3dError):
        generate(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_whose_images_lie_deeper_is_not_said_to_be_anomalous(parts: Path, tmp_path: Path) -> None:
    for role in ("rgb", "depth"):
        (tmp_path / "deep" / role / "camera0").mkdir(parents=True)
        (tmp_path / "deep" / role / "camera0/0.png").write_bytes(b"x")
    with pytest.raises(FileError, match=r"has no sample .*; what lies in folders below is not") as caught:
        generate(tmp_path / "deep", tmp_path / "out")
    assert "anomalous" not in str(caught.value)


def test_a_folder_of_which_nothing_can_be_read_is_refused(parts: Path, tmp_path: Path) -> None:
    for path in parts.rglob("rgb/*.png"):
        path.write_bytes(b"")
    with pytest.raises(FileError, match=r"\.png: is empty, it has no byte \(nor can any other normal sample be read\)"):
        generate(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
