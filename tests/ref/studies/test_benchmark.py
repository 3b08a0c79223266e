"""Benchmarks: which cells run, what is written when, how they fail, stop and go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.program import Program
from das3d_cli.ref.benchmark import benchmark as command
from helpers import trees
from helpers.cells import Fake, study, write_evaluation
from helpers.dumps import environment

from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.generation import write_demo_set
from das3d_ref.metrics import evaluate_maps
from das3d_ref.studies.benchmark import benchmark
from das3d_ref.studies.cells import Cell, Study, run_cell
from das3d_ref.studies.results import paper_results
from das3d_ref.training import open_source


@pytest.fixture
def data(tmp_path):
    return trees.mvtec(tmp_path / "data")


def run_command(*arguments):
    """Run the command as `das3d_cli.ref` will."""
    main = Program("das3d-ref")
    main.add_command(command)
    return CliRunner().invoke(main, ["benchmark", *map(str, arguments)])


def test_every_category_mode_and_seed_is_a_cell(data, tmp_path):
    run, seen, said = Fake(), [], []
    found = benchmark(
        study(data),
        tmp_path / "out",
        seeds=(0, 5),
        run=run,
        progress=lambda *what: seen.append(what),
        report=said.append,
    )
    wanted = [
        f"{category} {mode} seed {seed}"
        for seed in (0, 5)
        for category in ("bagel", "cable_gland")
        for mode in ("rgbd", "depth", "rgb")
    ]
    assert run.ran == wanted
    assert seen == [(k, 12, f"cell {k + 1}/12 {name}") for k, name in enumerate(wanted)]
    assert said == [f"{name}: I-AUROC 0.750, AUPRO@0.3 0.500" for name in wanted]
    assert {(r.category, r.mode, r.seed) for r in found.results} == {
        (category, mode, seed)
        for category in ("bagel", "cable_gland")
        for mode in ("rgbd", "depth", "rgb")
        for seed in (0, 5)
    }
    assert (tmp_path / "out/cells/cable_gland/rgb-5/evaluation/evaluation.json").is_file()


def test_finished_cells_are_not_run_again_and_further_ones_join(data, tmp_path):
    first, again, more = Fake(), Fake(), Fake()
    benchmark(study(data), tmp_path / "out", categories=("bagel",), modes=("rgb",), run=first)
    seen = []
    found = benchmark(study(data), tmp_path / "out", modes=("rgb",), run=again, progress=lambda *a: seen.append(a))
    assert first.ran == ["bagel rgb seed 0"]
    assert again.ran == ["cable_gland rgb seed 0"]
    assert seen == [(1, 2, "cell 2/2 cable_gland rgb seed 0")]
    assert len(found.results) == 2
    found = benchmark(study(data), tmp_path / "out", categories=("bagel",), modes=("depth",), seeds=(3,), run=more)
    assert more.ran == ["bagel depth seed 3"]
    assert len(found.results) == 3


def test_the_tables_are_of_all_cells_so_far(data, tmp_path):
    """Each cell waits until the one before it was told; then the files are of it, too."""
    turn, counts = threading.Semaphore(1), []

    def run(cell, stop):
        assert turn.acquire(timeout=60)
        write_evaluation(cell)

    def report(line):
        counts.append(len(json.loads((tmp_path / "out/results.json").read_text())["results"]))
        turn.release()

    benchmark(study(data), tmp_path / "out", modes=("rgb", "depth"), run=run, report=report)
    assert counts == [1, 2, 3, 4]
    text = (tmp_path / "out/tables.md").read_text()
    assert "## I-AUROC on data\n" in text
    assert "| RGB+3D | das3d-ref | measured here | not measured | not measured | not measured |" in text
    assert "| 3D only | das3d-ref | measured here | 0.750 | 0.750 | 0.750 |" in text


def test_a_cell_that_fails_is_told_and_the_others_go_on(data, tmp_path):
    run, said = Fake(broken=["bagel rgb seed 0"]), []
    found = benchmark(study(data), tmp_path / "out", modes=("rgb",), run=run, report=said.append)
    assert found.failures == (("bagel rgb seed 0", "the loss is nan"),)
    assert said[0] == "bagel rgb seed 0: failed"
    assert len(found.results) == 1
    again = Fake()
    assert benchmark(study(data), tmp_path / "out", modes=("rgb",), run=again).failures == ()
    assert again.ran == ["bagel rgb seed 0"]


def test_several_cells_run_at_once(data, tmp_path):
    together = threading.Barrier(2, timeout=60)  # breaks if one waits for the other
    threads = set()

    def run(cell, stop):
        threads.add(cell.threads)
        together.wait()
        write_evaluation(cell)

    found = benchmark(study(data), tmp_path / "out", modes=("rgb",), processes=2, run=run)
    assert len(found.results) == 2
    assert threads == {max(1, (os.cpu_count() or 1) // 2)}


def test_an_interrupt_stops_running_cells_and_starts_no_other(data, tmp_path):
    stopped, started = [], []

    def run(cell, stop):
        started.append(str(cell))
        if len(started) == 1:
            write_evaluation(cell)
        else:
            assert stop.wait(60)
            stopped.append(str(cell))
            raise Das3dError("stopped")

    def report(line):
        while len(started) < 2:
            time.sleep(0.001)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(study(data), tmp_path / "out", run=run, report=report)
    assert stopped == started[1:] == ["bagel depth seed 0"]
    assert len(json.loads((tmp_path / "out/results.json").read_text())["results"]) == 1


def test_another_configuration_or_other_data_are_refused(data, tmp_path):
    benchmark(study(data, "training.steps=3"), tmp_path / "out", run=Fake())
    for other, said in (
        (study(data, "training.steps=4", "network.width=16"), "other network.width, training.steps"),
        (study(trees.mvtec(tmp_path / "other"), "training.steps=3"), "other source"),
        (
            Study(data=data, options={"unit": "mm"}, preset="smoke", overrides=("training.steps=3",)),
            "other options.unit",
        ),
    ):
        with pytest.raises(FileError, match=f"holds a benchmark with {said}; use another folder"):
            benchmark(other, tmp_path / "out", run=Fake())
    with pytest.raises(FileError, match="is not empty and was not written by this command"):
        benchmark(study(data), tmp_path / "data" / ".." / "other", run=Fake())
    with pytest.raises(FileError, match="must be separate folders"):
        benchmark(study(data), data / "out", run=Fake())


def test_mistakes_are_found_before_anything_runs(data, tmp_path):
    run = Fake()
    for message, options in (
        (r"category 'leek' is not in .*; there are bagel, cable_gland", {"categories": ("bagel", "leek")}),
        ("mode must be one of", {"modes": ("rgb", "xyz")}),
        ("seed must be", {"seeds": (-1,)}),
        ("must not be empty", {"seeds": ()}),
        ("processes must be at least 1, got 0", {"processes": 0}),
    ):
        with pytest.raises(ParameterError, match=message):
            benchmark(study(data), tmp_path / "out", run=run, **options)
    with pytest.raises(ParameterError, match="'mode=rgb' would be of all cells; choose with mode="):
        study(data, "mode=rgb")
    shutil.rmtree(data / "cable_gland/test")
    with pytest.raises(ParameterError, match=r"category 'cable_gland' of .* has no test images"):
        benchmark(study(data), tmp_path / "out", run=run)
    assert not run.ran
    assert not (tmp_path / "out").exists()


def cell(data, folder, *, category="bagel", options=None, threads=None, overrides=()):
    shared = Study(data=data, options=options or {}, preset="smoke", overrides=overrides)
    return Cell(
        study=shared, category=category, mode="rgb", seed=3, folder=folder, cache=folder.parent / "p", threads=threads
    )


def test_a_cell_is_a_training_that_goes_on_and_an_evaluation(tmp_path):
    one = cell(tmp_path, tmp_path / "c", options={"depth_scale": 2.0}, overrides=("training.steps=3",))
    data = ["--data", str(tmp_path), "--cache", str(tmp_path / "p"), "--category", "bagel", "--depth-scale", "2.0"]
    model, out = str(tmp_path / "c/model"), str(tmp_path / "c/evaluation")
    settings = ["--preset", "smoke", "--mode", "rgb", "--seed", "3", "--set=training.steps=3"]
    assert one.commands() == (
        ["train", *data, "--out", model, *settings, "--resume"],
        ["evaluate", model, *data, "--out", out],
    )
    assert "--category" not in cell(tmp_path, tmp_path / "c", category="all").commands()[0]


def test_a_process_that_fails_is_told_by_its_last_line(data, tmp_path):
    with pytest.raises(Das3dError) as caught:
        run_cell(cell(data, tmp_path / "c", category="leek"), threading.Event())
    log = tmp_path / "c/log.txt"
    assert str(caught.value).startswith("exit code 2, category 'leek' is not in ")
    assert str(caught.value).endswith(f"(see {log})")
    assert log.read_text().startswith("das3d-ref: error: category 'leek'")


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_cells_die_with_the_benchmark(tmp_path, kill):
    parts, out = tmp_path / "parts", tmp_path / "out"
    write_demo_set(parts, families=("potato",), train=4, validation=2, good=1, per_defect=1, size=64)
    code = (
        "import sys; from das3d_cli.ref.benchmark import benchmark as b; from das3d_cli.program import Program; "
        "main = Program('das3d-ref'); main.add_command(b); main()"
    )
    arguments = ["benchmark", "--data", str(parts), "--out", str(out), "--preset", "smoke", "--mode", "rgb"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments, "--set=training.steps=1000000", "--set=training.validate_every=1"],
        env={**environment(), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    state = out / "cells/potato/rgb-0/model/training.safetensors"
    while not state.exists() and process.poll() is None:
        time.sleep(0.05)
    children = [int(pid) for pid in children_of(process.pid)]
    assert children
    process.send_signal(kill)
    _, said = process.communicate(timeout=120)
    if kill == signal.SIGINT:
        assert process.returncode == 130
        assert said.lstrip() == "das3d-ref: interrupted; what is finished is kept: run the same command again\n"
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in children)


def children_of(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.split()


def alive(pid):
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def score_by_brightness(one, stop):
    """Test a category with the map of its own colour or depth, through the real reader and the real figures."""
    options = {"category": one.category, "config": one.study.config(one.mode, one.seed), "cache": one.cache}
    source = open_source(one.study.data, **options)
    samples = [source.item(entry, None).sample for entry in source.test if entry.label is not None]
    maps = [np.float32(sample.depth if one.mode == "depth" else sample.rgb.mean(2)) for sample in samples]
    masks = [np.zeros(sample.depth.shape, bool) if sample.mask is None else sample.mask for sample in samples]
    scores, labels = [float(image.max()) for image in maps], [bool(sample.entry.label) for sample in samples]
    write_evaluation(one, figures=evaluate_maps(maps, masks, scores, labels))


LAYOUTS = {"MVTec 3D-AD": (trees.mvtec, "bagel", 3), "Eyecandies": (trees.eyecandies, "GummyBear", 2)}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_paper_s_tables_come_out_of_its_layouts(tmp_path, name):
    """Ten categories of a few pixels, laid out and named as the data set; the files say that they are not the set."""
    build, one, images = LAYOUTS[name]
    build(tmp_path / "seed")
    paper = paper_results()
    known = paper["data"][name]
    for category in known["categories"]:
        shutil.copytree(tmp_path / "seed" / one, tmp_path / "data" / category)
    small = study(tmp_path / "data", "preparation.distance=0", "preparation.size=[16, 16]")
    found = benchmark(small, tmp_path / "out", run=score_by_brightness)
    assert found.failures == ()
    assert len(found.results) == 30
    text = (tmp_path / "out/tables.md").read_text()
    called = f"data (named as {name})"
    assert f"- data: {called}, {10 * images} test images: NOT {name}, of which " in text
    for table in (table for table in paper["tables"] if table["data"] == name):
        part = text.split(f"## {table['figure']} on {called}, as Table {table['number']}\n")[1].split("\n## ")[0]
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line[:1] == "|"]
        assert lines[0] == ["Input", "Method", "Source", *table["columns"]]
        assert {len(line) for line in lines} == {14}
        sources = [line[2] for line in lines[2:]]
        assert sources.count(f"measured here, not on {name}") == 3
        assert sources.count(f"paper, Table {table['number']}") == len(table["rows"]) == len(lines) - 5
        assert all(0 <= float(cell) <= 1 for line in lines[2:] for cell in line[3:])


@pytest.mark.slow
def test_from_data_to_tables(tmp_path):
    """The command itself: two categories are prepared, trained, tested and tabulated, each in its own processes."""
    parts, out = tmp_path / "parts", tmp_path / "out"
    counts = {"train": 4, "validation": 2, "good": 1, "per_defect": 1, "size": 64}
    write_demo_set(parts, families=("biscuit", "potato"), **counts)
    arguments = ["--data", parts, "--out", out, "--preset", "smoke", "--mode", "rgbd", "--processes", 2]
    done = run_command(*arguments, "--set", "training.steps=2", "--set", "synthesis.area=[0.05, 0.2]")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert sorted(line.split(":")[0] for line in lines[:2]) == ["biscuit rgbd seed 0", "potato rgbd seed 0"]
    assert lines[2] == f"{out}: 2 cells; see tables.md, tables.tex, results.csv and results.json"
    saved = json.loads((out / "results.json").read_text())
    assert [(r["category"], r["mode"], r["seed"]) for r in saved["results"]] == [
        ("biscuit", "rgbd", 0),
        ("potato", "rgbd", 0),
    ]
    assert saved["config"]["training"]["steps"] == 2
    assert "torch" in saved["protocol"]["versions"]
    assert sorted(path.name.split("-")[0] for path in (out / "prepared").iterdir()) == ["biscuit", "potato"]
    text = (out / "tables.md").read_text()
    assert "paper" not in text  # its rows are of other data
    for category in ("biscuit", "potato"):
        folder = out / "cells" / category / "rgbd-0"
        figures = json.loads((folder / "evaluation/evaluation.json").read_text())["figures"]
        assert f"{figures['I-AUROC']:.3f}" in text
        assert "the detector of step 2" in (folder / "log.txt").read_text()


def test_the_command_tells_failures_and_mistakes_in_a_line_each(data, tmp_path, monkeypatch):
    fake = partial(benchmark, run=Fake(broken=["bagel rgb seed 0", "bagel rgb seed 1"]))
    monkeypatch.setattr("das3d_ref.studies.benchmark.benchmark", fake)
    arguments = ("--data", data, "--out", tmp_path / "out", "--mode", "rgb", "--seed", 0, "--seed", 1)
    done = run_command(*arguments)
    assert done.exit_code == 1, done.output
    assert done.stderr == "das3d-ref: failed: 2 cells, such as bagel rgb seed 0: the loss is nan\n"
    assert len(done.stdout.splitlines()) == 5
    done = run_command(*arguments, "--set", "training.stepps=3")
    assert done.exit_code == 2
    assert done.stderr.startswith("das3d-ref: error: 'training.stepps' is no setting")
    assert done.stderr.count("\n") == 1
