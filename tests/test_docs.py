"""Every Python block of the documentation runs, as do the README's commands; a file's blocks share their names."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.pages import PAGES, ROOT, blocks

import das3d_aug


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


def test_readme_commands_run(tmp_path):
    (commands,) = blocks(ROOT / "README.md", "console")
    scripts = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    for command in commands.splitlines():
        done = subprocess.run(command.split(), cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_docstring_examples_run():
    assert doctest.testmod(das3d_aug).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
