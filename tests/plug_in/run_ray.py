"""A set made on a Ray cluster of two nodes has the bytes of one run, also when a node is lost: `make test-ray`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import ray
from helpers.dumps import RECIPE, recipes, tree, write_mvtec
from ray.cluster_utils import Cluster

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import generate, generate_on_ray

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


@pytest.fixture(scope="module")
def cluster():
    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.fixture
def parts(tmp_path):
    return write_mvtec(tmp_path / "parts")


def test_a_node_is_lost_and_its_tasks_are_made_again(cluster, parts, tmp_path):
    settings = {"recipe": RECIPE, "per_image": 40, "seed": 3}
    whole, out = generate(parts, tmp_path / "whole", **settings), tmp_path / "out"
    node = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    first, told = threading.Event(), []

    def progress(done: int, tasks: int) -> None:
        told.append((done, tasks))
        if done == 1:
            first.set()

    def lose() -> None:
        first.wait()
        cluster.remove_node(node, allow_graceful=False)  # while a task runs there
        told.append("lost")

    losing = threading.Thread(target=lose)
    losing.start()
    try:
        made = generate_on_ray(parts, out, tasks=8, address=cluster.address, progress=progress, **settings)
    finally:
        first.set()
        losing.join()
    assert told.index("lost") < told.index((8, 8))
    assert [one for one in told if one != "lost"] == [(done, 8) for done in range(9)]
    assert tree(out) == tree(tmp_path / "whole")
    assert (made.breakdown, made.kept, made.written) == (whole.breakdown, 120, 0)
    assert not ray.is_initialized()


def test_what_is_wrong_is_said_as_without_ray(cluster, parts, tmp_path):
    out = tmp_path / "out"
    generate(parts, out, recipe=RECIPE)
    with pytest.raises(FileError, match=r"other settings wrote this folder \(seed\)"):
        generate_on_ray(parts, out, tasks=2, address=cluster.address, recipe=RECIPE, seed=1)
    with pytest.raises(ParameterError, match=r"address must be that of a Ray cluster that runs, got '127\.0\.0\.1:1'"):
        generate_on_ray(parts, out, tasks=2, address="127.0.0.1:1")
    with pytest.raises(ParameterError, match="tasks"):
        generate_on_ray(parts, out, tasks=0)


def test_the_command_starts_a_cluster_and_stops_it(parts, tmp_path, monkeypatch):
    for name in ("RAY_ADDRESS", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, "-m", "das3d_cli.aug", "generate", parts, "--out"]
    subprocess.run([*command, tmp_path / "whole"], check=True)
    options = ["--tasks", "2", "--engine", "ray", "--address", "local", "--json"]
    done = subprocess.run([*command, tmp_path / "out", *options], check=True, capture_output=True)
    assert json.loads(done.stdout)["result"]["complete_before"] == 3
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_workers_and_relative_paths(cluster, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generate("parts", "whole", recipe=RECIPE)
    made = generate_on_ray("parts", "out", tasks=2, address=cluster.address, workers=1, recipe=RECIPE)
    assert (made.kept, tree(Path("out"))) == (3, tree(Path("whole")))
    assert len(recipes(Path("out"))) == 3
