"""How the house is built: what may import what, and what importing it does."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "das3d_aug"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a module may import modules of its own floor or of floors below it.
FLOORS = [
    {"errors", "_jit", "randomness"},
    {
        "_arguments",
        "_clouds",
        "_cluster",
        "_decode",
        "files",
        "geometry",
        "_plane",
        "pointclouds",
        "_surface",
        "_nonzero",
        "_procedural",
        "datasets._flaws",
        "datasets._parts",
        "datasets._render",
    },
    {"noise", "masks", "skew", "blend", "_texture_plan", "textures", "datasets.base", "datasets.demo"},
    {
        "datasets.adam3d",
        "datasets.eyecandies",
        "datasets.folder",
        "datasets.mvtec3d",
        "datasets.prepared",
        "datasets.realiad3d",
        "datasets.webdataset",
        "datasets",
        "plan",
        "recipe",
    },
    {"synthesis"},
    {""},
    {"transforms", "_output", "_formats", "_pool", "_resize", "preprocessing", "severity", "doctor"},
    {"_making", "generation", "preparation", "replay", "demo_set"},
    {"preview"},
]
SYNTHESIS = {
    "noise",
    "masks",
    "skew",
    "blend",
    "_texture_plan",
    "textures",
    "plan",
    "recipe",
    "synthesis",
    "_procedural",
}


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path, *, lazy=True):
    """Modules that a file imports; without those inside functions if not ``lazy``."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if lazy else tree.body
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def floor(module):
    return next(k for k, floor in enumerate(FLOORS) if module in floor)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_downwards(path):
    for module in imports(path):
        assert not module.startswith(("das3d_ref", "das3d_cli")), module
        if module.split(".")[0] == "das3d_aug":
            target = module.removeprefix("das3d_aug").lstrip(".")
            assert floor(target) <= floor(name_of(path)), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_heavy_packages_stay_out(path):
    eager = {module.split(".")[0] for module in imports(path, lazy=False)}
    assert not eager & {"torch", "open3d", "matplotlib"}
    assert ("albumentations" in {module.split(".")[0] for module in imports(path)}) <= (name_of(path) == "transforms")


def test_the_demo_set_knows_nothing_of_the_synthesis():
    for name in ("demo", "_parts", "_flaws", "_render"):
        for module in imports(PACKAGE / "datasets" / f"{name}.py"):
            assert module.removeprefix("das3d_aug.") not in SYNTHESIS


CODE = """
import os, socket, sys, warnings
import numpy
def refuse(*args, **kwargs):
    raise OSError("no network")
socket.socket.connect = socket.create_connection = refuse
before = (numpy.geterr(), numpy.get_printoptions(), list(warnings.filters), dict(os.environ))
import das3d_aug
assert before == (numpy.geterr(), numpy.get_printoptions(), list(warnings.filters), dict(os.environ))
print([name for name in ("torch", "albumentations", "open3d", "matplotlib", "click") if name in sys.modules])
"""


def test_import_is_silent_offline_light_and_changes_nothing():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_help_loads_no_kernel():
    code = "import sys; import das3d_cli.aug; print([m for m in ('numba', 'cv2', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "[]\n"
