"""How the house is built: what may import what, room by room, and what importing it does."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers.dumps import environment

ROOT = Path(__file__).parent.parent
# From the ground up: a room may import itself and rooms of lower floors.  A new room needs a line, a new file none.
FLOORS = {
    "das3d_aug": (
        ("errors",),
        ("_jit",),
        ("_arguments", "randomness"),
        ("geometry", "colouring"),
        ("files",),
        ("textures", "datasets.demo"),
        ("datasets", "synthesis"),
        ("",),
        ("transforms", "adapters", "runs", "doctor", "pointclouds"),
        ("preparation",),
        ("generation",),
        ("preview", "fitting", "gallery", "labels"),
        ("playground",),
    ),
    "das3d_ref": (
        ("config_sections",),
        ("config", "metrics"),
        ("model",),
        ("training", "deployment"),
        ("evaluation",),
        ("studies",),
        ("",),
    ),
}
SOURCES = [
    (package, path.relative_to(ROOT / package)) for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))
]
FOLDERS = {"das3d_aug": "das3d_aug", "das3d_cli": "cli", "das3d_ref": "das3d_ref"}


def imports(path, *, lazy=True):
    """Modules that a file imports; without those inside functions if not ``lazy``."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def place(package, module):
    """Return the floor and the room of a module: the longest name on the list that it is or lies in."""
    found = [(k, room) for k, floor in enumerate(FLOORS[package]) for room in floor]
    lies_in = [(k, room) for k, room in found if module == room or module.startswith(f"{room}.")]
    assert lies_in, f"{package}.{module} is in no room of the list"
    return max(lies_in, key=lambda pair: len(pair[1]))


def name_of(path):
    return ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip(".")


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=lambda part: str(part))
def test_imports_point_downwards(package, path):
    here = place(package, name_of(path))
    lower = [name for name in ("das3d_aug", "das3d_ref", "das3d_cli") if name > package and name != "das3d_cli"]
    for module in imports(ROOT / package / path):
        top, _, rest = module.partition(".")
        assert top not in ("das3d_cli", "cli"), module
        assert top not in lower, module
        if top == package:
            there = place(package, rest)
            assert there == here or there[0] < here[0], f"{path} imports {module}"


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=lambda part: str(part))
def test_private_modules_are_the_ground_only(package, path):
    assert not path.stem.startswith("_") or path.stem == "__init__" or len(path.parts) == 1


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=lambda part: str(part))
def test_private_names_stay_in_their_module(package, path):
    nodes = ast.walk(ast.parse((ROOT / package / path).read_text()))
    taken = [alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert not [name for name in taken if name.startswith("_") and name not in ("_jit", "_arguments")]


@pytest.mark.parametrize("path", [path for package, path in SOURCES if package == "das3d_aug"], ids=str)
def test_messages_name_arguments_and_no_options(path):
    """A command makes options of them (`das3d_cli.language`); whole commands, as of pip, have their own."""
    nodes = ast.walk(ast.parse((ROOT / "das3d_aug" / path).read_text()))
    said = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [
        text
        for text in said
        if re.search(r"(?<![-`])--[a-z]", text) and not re.search("pip install|das3d-aug replay", text)
    ]


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_says_what_it_is_for(package):
    for path in (ROOT / package).rglob("__init__.py"):
        says = ast.get_docstring(ast.parse(path.read_text()))
        assert says, path
        assert path.parent.name == package or path.parent.name == "datasets" or len(says.splitlines()) <= 8, path


@pytest.mark.parametrize("package", FOLDERS)
def test_every_package_is_in_the_wheel(package):
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folder = ROOT / FOLDERS[package]
    there = {".".join((package, *path.parent.relative_to(folder).parts)) for path in folder.rglob("__init__.py")}
    assert there == {name for name in listed if name.split(".")[0] == package}


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=lambda part: str(part))
def test_heavy_packages_stay_out(package, path):
    eager = {module.split(".")[0] for module in imports(ROOT / package / path, lazy=False)}
    assert package == "das3d_ref" or not eager & (
        {"matplotlib"} if path.parts[0] == "adapters" else {"torch", "matplotlib"}
    )
    any_ = {module.split(".")[0] for module in imports(ROOT / package / path)}
    assert "open3d" not in any_  # a twin in the tests
    assert ("albumentations" in any_) <= ((package, str(path)) == ("das3d_aug", "transforms.py"))


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


REF = """
import random, sys, warnings
import numpy, torch
def state():
    numbers = numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), random.getstate()
    return numbers, torch.get_num_threads(), torch.get_default_dtype(), numpy.geterr()
before = state()
import das3d_ref
assert before == state()
print([name for name in ("sklearn", "tensorboard", "open3d", "matplotlib", "click") if name in sys.modules])
"""


def test_import_of_the_detector_is_silent_and_changes_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REF], capture_output=True, text=True, check=False, env=environment()
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_help_loads_no_kernel():
    code = "import sys; import das3d_cli.aug; print([m for m in ('numba', 'cv2', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "[]\n"
