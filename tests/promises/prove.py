"""Prove that the tests of the promises can fail: ``python -m tests.promises.prove [number …]``.

The tests of each promise run on a copy of the packages, then again on that copy with one thing broken (`breaks`): a
test must fail.  Prints a row a promise, writes it into docs/promises.md, and exits with 1 if a test failed on the whole
build or none failed on a broken one.
"""

from __future__ import annotations

import ast
import datetime
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.promises.breaks import BREAKS, Break

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/promises.md"
MODULES = {int(path.name.split("_")[1]): path for path in sorted(Path(__file__).parent.glob("test_*.py"))}
COPIED = ("das3d_aug", "das3d_ref", "cli", "tests", "benchmarks", "examples", "pyproject.toml")
_LIMIT = 3600  # seconds, on a busy machine; a test that hangs is no proof


def promise(number: int) -> str:
    """Return what a module says that it proves: the first paragraph of its docstring."""
    said = ast.get_docstring(ast.parse(MODULES[number].read_text())) or ""
    return " ".join(said.split("\n\n")[0].split())


def copy(place: Path) -> Path:
    """Copy what the tests need; what numba compiled for an earlier copy stays beside it."""
    place.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = ROOT / name, place / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    if not (place / "das3d_cli").is_symlink():
        (place / "das3d_cli").symlink_to("cli")
    return place


def run(place: Path, number: int) -> tuple[list[str], str, int]:
    """Run the tests of a promise in a copy; return those that failed, the figure, and how many passed."""
    report = place / "report.xml"
    report.unlink(missing_ok=True)
    test = MODULES[number].relative_to(ROOT)
    command = [sys.executable, "-m", "pytest", "-q", "-x", str(test), "--junitxml", str(report)]
    options = ["-o", "junit_family=xunit1", "-p", "no:cacheprovider"]  # which knows properties
    env = {**os.environ, "PYTHONPATH": str(place), "NUMBA_CACHE_DIR": str(place / "jit"), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run([*command, *options], cwd=place, env=env, capture_output=True, text=True, timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        sys.exit(f"{test} did not end in {_LIMIT} s")
    if not report.exists() or done.returncode not in (0, 1):
        sys.exit(f"{test} could not run ({done.returncode}): {done.stdout[-2000:]}{done.stderr[-2000:]}")
    cases = ElementTree.parse(report).getroot().findall(".//testcase")
    failed = [str(case.get("name")) for case in cases if case.find("failure") is not None]
    figures = [str(item.get("value")) for case in cases for item in case.findall(".//property")]
    return failed, figures[-1] if figures else "", len(cases) - len(failed)


def broken(place: Path, number: int, change: Break) -> list[str]:
    """Run the tests of a promise while one thing is broken; return those that failed."""
    path = place / change.file
    text, times = path.read_text(), path.stat()
    if text.count(change.old) != 1:
        sys.exit(f"break {number}: {change.old!r} stands {text.count(change.old)} times in {change.file}")
    path.write_text(text.replace(change.old, change.new))
    try:
        return run(place, number)[0]
    finally:
        path.write_text(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # what numba has cached of it is right again


def row(number: int, figure: str, failed: str) -> str:
    """Return a promise's row of the page."""
    name = MODULES[number].name
    today = datetime.date.today().isoformat()
    return f"| {number} | {promise(number)} | `{name}` | {figure} ({today}) | {BREAKS[number].what}: `{failed}` fails |"


def main(numbers: list[int]) -> int:
    """Prove some promises, or all."""
    wrong = 0
    place = copy(ROOT / "build/broken")
    for number in numbers or sorted(MODULES):
        failed, figure, passed = run(place, number)
        if failed:
            print(f"{number:2}  FAILS ON THE WHOLE BUILD: {failed[0]}", flush=True)
            wrong += 1
            continue
        failed = broken(place, number, BREAKS[number])
        if not failed:
            print(f"{number:2}  {BREAKS[number].what}: ALL {passed} TESTS STILL PASS", flush=True)
            wrong += 1
            continue
        print(f"{number:2}  {BREAKS[number].what}: {failed[0]} fails; whole: {passed} pass, {figure}", flush=True)
        line = row(number, figure, failed[0])
        page = PAGE.read_text()
        PAGE.write_text(re.sub(rf"^\| {number} \|.*$", lambda _, line=line: line, page, flags=re.M))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main([int(number) for number in sys.argv[1:]]))
