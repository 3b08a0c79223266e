"""The blocks of the docs that need other projects' software, marked `py`: `make test-plug-in` runs them.

`make test` does not: the name of this file keeps it out.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.pages import PAGES, ROOT, all_blocks, blocks


@pytest.fixture(autouse=True, scope="session")
def _nothing_from_elsewhere_or_before(tmp_path_factory):
    os.environ |= {"HF_HOME": str(tmp_path_factory.mktemp("hf")), "HF_HUB_OFFLINE": "1"}


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "py")], ids=lambda page: str(page.relative_to(ROOT)))
def test_its_blocks_run_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    names = {"__name__": "__main__"}
    for language, block in all_blocks(page):
        if language in ("python", "py"):
            exec(compile(block, page.name, "exec"), names)
        elif language == "console":
            for command in block.splitlines():
                subprocess.run(shlex.split(command), check=True)
