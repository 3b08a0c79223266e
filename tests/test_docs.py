"""The documentation is true: its code runs, links and names lead somewhere, and every public name has its page."""

import doctest
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from helpers.pages import PAGES, ROOT, all_blocks, blocks

import das3d_aug
from examples import make_pictures
from tests.promises.breaks import BREAKS
from tests.promises.prove import MODULES, PAGE, promise

REFERENCE = sorted((ROOT / "docs/reference").glob("*.md"))
NAME = re.compile(r"\bdas3d_(?:aug|ref|cli)(?:\.[A-Za-z_]\w*)+")
ROOMS = [
    ".".join(path.parent.relative_to(ROOT).parts)
    for package in ("das3d_aug", "das3d_ref")
    for path in sorted((ROOT / package).rglob("__init__.py"))
]


def shown(page):
    return str(page.relative_to(ROOT))


def resolve(name):
    """Return what a dotted name stands for; AttributeError or ImportError if it stands for nothing."""
    place, *rest = name.split(".")
    found = importlib.import_module(place)
    for part in rest:
        place = f"{place}.{part}"
        if hasattr(found, part):
            found = getattr(found, part)
        elif part in getattr(found, "__dataclass_fields__", {}):
            found = found.__dataclass_fields__[part]
        else:
            found = importlib.import_module(place)
    return found


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python") and not blocks(p, "console")], ids=shown)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")], ids=shown)
def test_commands_run_and_print_what_the_page_says(page, tmp_path, monkeypatch):
    """From top to bottom: Python, commands, and after these the lines that they print, … standing for what differs."""
    monkeypatch.chdir(tmp_path)
    names, printed = {"__name__": "__main__"}, []
    for language, block in all_blocks(page):
        if language == "python":
            exec(compile(block, page.name, "exec"), names)
        elif language == "console":
            printed = [line for command in block.splitlines() for line in run(command)]
        elif language == "text":
            rest = iter(printed)
            for line in block.splitlines():
                wanted = re.compile(r"\S.*".join(map(re.escape, " ".join(line.split()).split("…"))))
                assert any(wanted.fullmatch(found) for found in rest), f"{line!r} is not printed, or not there"
    for picture in tmp_path.glob("*.png"):
        assert picture.stat().st_size > 10_000


def run(command):
    """Run a command of a page; return the lines that it prints, without their indentation."""
    scripts = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "160"}
    done = subprocess.run(shlex.split(command), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_docstring_examples_run():
    assert doctest.testmod(das3d_aug).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.filterwarnings("ignore:.* has moved:DeprecationWarning")
@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_names_stand_for_something(page):
    for name in sorted(set(NAME.findall(page.read_text()))):
        try:
            resolve(name)
        except (AttributeError, ImportError) as error:
            pytest.fail(f"{name}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_tests_that_are_named_are_there(page):
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"\btest_\w+\.py", page.read_text())) <= there


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_its_page(room):
    documented = [resolve(name) for page in REFERENCE for name in re.findall(r"^::: (\S+)$", page.read_text(), re.M)]
    module = importlib.import_module(room)
    missing = [
        name for name in getattr(module, "__all__", ()) if not any(getattr(module, name) is one for one in documented)
    ]
    assert not missing, f"{room}: a page of docs/reference/ needs '::: {room}.{missing[0]}'"


def test_every_page_is_in_the_menu():
    def places(menu):
        for entry in menu:
            (value,) = entry.values()
            yield from [value] if isinstance(value, str) else places(value)

    menu = list(places(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(menu) == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))


def test_deprecated_modules_say_where_to_go():
    rows = re.findall(r"^\| `(das3d_\S+)` \| `(\S+)` \|", (ROOT / "docs/stability.md").read_text(), re.M)
    assert rows
    for old, new in rows:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", f"import {old}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert f"DeprecationWarning: {old} has moved: import from {new}" in done.stderr


@pytest.mark.parametrize("number", range(1, 24))
def test_every_promise_has_its_module_its_row_and_its_break(number):
    rows = re.findall(rf"^\| {number} \| (.*) \| `(\S+)` \| (.*) \| (.*) \|$", PAGE.read_text(), re.M)
    assert len(rows) == 1, f"write the row: make prove-promises, or python -m tests.promises.prove {number}"
    said, name, figure, broken = rows[0]
    assert (said, name) == (promise(number), MODULES[number].name)
    assert re.fullmatch(r"\S.* \(20\d\d-\d\d-\d\d\)", figure)
    change = BREAKS[number]
    assert (ROOT / change.file).read_text().count(change.old) == 1, "this break applies no more"
    what, test = re.fullmatch(r"(.*): `(\w+)(?:\[.*\])?` fails", broken).groups()
    assert what == change.what
    assert f"def {test}(" in MODULES[number].read_text()


def test_pictures_are_those_that_the_script_makes(tmp_path):
    make_pictures.main(tmp_path)
    folder = ROOT / "docs/images/reference"
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in tmp_path.iterdir())
    for path in folder.iterdir():
        assert path.stat().st_size < 60_000
        shown, made = (cv2.imread(str(place / path.name)).astype(int) for place in (folder, tmp_path))
        assert np.abs(shown - made).mean() < 2, path.name
