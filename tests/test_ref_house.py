"""How das3d_ref is built: what may import what, and what importing it does."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from dumps import environment

PACKAGE = Path(__file__).parent.parent / "das3d_ref"
# From the ground up: a module may import those before it.
ORDER = (
    "networks",
    "losses",
    "config",
    "data",
    "counting",
    "metrics",
    "checkpoint",
    "log",
    "sources",
    "detector",
    "evaluation",
    "training",
    "pictures",
    "figures",
    "report",
    "results",
    "cells",
    "benchmark",
    "ablation",
    "export",
    "back_ends",
    "cost",
    "__init__",
)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def test_every_module_has_a_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_point_downwards(name):
    for module in imports(PACKAGE / f"{name}.py"):
        top, _, rest = module.partition(".")
        assert top not in ("das3d_cli", "cli", "albumentations"), module
        if top == "das3d_ref":
            assert ORDER.index(rest) < ORDER.index(name), module


CODE = """
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


def test_import_is_silent_and_changes_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, check=False, env=environment()
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
