"""Whether the tests notice a fault: ``make mutants``, or ``python -m tests.mutation.run [--each N] [file …]``.

Faults are put into the syntax tree of a file, one at a time, a sample of ``--each`` of all that are possible, drawn by
a fixed seed.  The tests of `SAMPLE` run on a copy of the packages that has the fault; a fault that all of them pass
has survived, and is printed with its line.  Each fault is tried in a copy of this process, which has loaded what takes
long, and with the compiled kernels of other files at hand; what survives so is tried again with none, as numba does not
see that a kernel which a kept one calls has changed.

mutmut leaves decorated functions alone, as all kernels are, and cosmic-ray writes faults into the tree itself.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2  # noqa: F401 (as what follows: for the copies of this process)
import numba
import pytest
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import tifffile  # noqa: F401

ROOT = Path(__file__).parents[2]
_READING = "tests/aug/files/test_images.py tests/aug/files/test_damage.py"
SAMPLE = {
    "das3d_ref/metrics/auroc_aupro.py": "tests/ref/metrics/test_auroc_aupro.py",
    "das3d_ref/metrics/counting.py": "tests/ref/metrics",
    "das3d_aug/synthesis/noise.py": "tests/aug/synthesis/test_noise.py",
    "das3d_aug/synthesis/skew.py": "tests/aug/synthesis/test_skew.py",
    "das3d_aug/synthesis/masks.py": "tests/aug/synthesis/test_masks.py",
    "das3d_aug/synthesis/blend.py": "tests/aug/synthesis/test_blend.py tests/aug/synthesis/test_pair.py",
    "das3d_aug/synthesis/foreground.py": "tests/aug/synthesis/test_foreground.py",
    "das3d_aug/files/png.py": _READING,
    "das3d_aug/files/tiff.py": "tests/aug/files/test_tiff.py tests/aug/files/test_damage.py",
    "das3d_aug/files/tiff_pages.py": "tests/aug/files/test_tiff.py tests/aug/files/test_damage.py",
    "das3d_aug/files/numpy_files.py": _READING + " tests/aug/files/test_limits.py",
}
"""Kernels, metrics and readers, and the tests of each."""

_SLOWEST = 300  # seconds of the clock
_COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_COMPUTE = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand wrongly in the place of a node."""
    match node:
        case ast.Compare(ops=[one, *_]) if type(one) in _COMPARE:
            yield _with(node, ops=[_COMPARE[type(one)](), *node.ops[1:]])
        case ast.BinOp(op=one) if type(one) in _COMPUTE:
            yield _with(node, op=_COMPUTE[type(one)]())
        case ast.BoolOp(op=one):
            yield _with(node, op=ast.Or() if isinstance(one, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.If() | ast.While() | ast.IfExp():
            yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Raise():
            yield ast.Pass()
        case ast.Return() if node.value is not None:
            yield _with(node, value=ast.Constant(None))
        case ast.Break() | ast.Continue():
            yield ast.Pass()
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(not number if isinstance(number, bool) else number + 1)
        case ast.Assign(targets=[ast.Subscript()]) | ast.AugAssign():
            yield ast.Pass()


def _with(node: ast.AST, **values: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in values.items():
        setattr(changed, name, value)
    return changed


def mutants(source: str) -> list[tuple[int, str, str]]:
    """Return line, what was there and is there now, and the whole source, of all faults that are possible."""
    tree = ast.parse(source)
    skipped = {id(inner) for node in ast.walk(tree) for part in _notes(node) for inner in ast.walk(part)}
    found = []
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            holder = value if isinstance(value, list) else [value]
            for number, node in enumerate(holder):
                if not isinstance(node, ast.AST) or id(node) in skipped:
                    continue
                for change in changes(node):
                    before, now = ast.unparse(node), ast.unparse(change)
                    holder[number] = change
                    setattr(parent, name, value if isinstance(value, list) else change)
                    found.append((node.lineno, f"{_line(before)} -> {_line(now)}", ast.unparse(tree)))
                    holder[number] = node
                    setattr(parent, name, value if isinstance(value, list) else node)
    return sorted(found)


def _notes(node: ast.AST) -> list[ast.AST]:
    """Return the parts that say nothing to a program: annotations, decorators, and messages of what is raised."""
    if isinstance(node, ast.FunctionDef):
        return [*node.decorator_list, *filter(None, (node.returns, node.args))]
    if isinstance(node, ast.AnnAssign):
        return [node.annotation]
    return [node.exc] if isinstance(node, ast.Raise) and node.exc is not None else []


def _line(text: str) -> str:
    return text.splitlines()[0][:70]


def survives(copied: Path, tests: str, cache: Path) -> bool:
    """Return whether the tests pass on a copy of the packages, in a copy of this process."""
    child = os.fork()
    if not child:
        os.setsid()
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.chdir(copied)
        os.environ |= {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": f"{copied}:{copied / 'tests'}"}
        numba.core.config.reload_config()
        sys.dont_write_bytecode = True
        sys.path[:0] = [str(copied), str(copied / "tests")]
        os._exit(pytest.main(["-qx", "-p", "no:cacheprovider", f"--rootdir={copied}", *tests.split()]))
    end = time.monotonic() + _SLOWEST
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main() -> None:
    """Try the faults of some files, or of all; print the survivors, and how many of how many were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="file", default=list(SAMPLE))
    parser.add_argument("--each", type=int, default=20, help="faults of a file")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="das3d-mutants-") as folder:
        copied = Path(folder)
        for name in ("das3d_aug", "das3d_ref", "cli", "tests", "benchmarks"):
            shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__", "crashes"))
        shutil.copytree(ROOT / "cli", copied / "das3d_cli")
        shutil.copy(ROOT / "pyproject.toml", copied)
        killed = tried = 0
        for name in asked.files:
            kept, place = (ROOT / name).read_text(), copied / name
            if not survives(copied, SAMPLE[name], copied / "cache"):
                print(f"{name}: {SAMPLE[name]} does not pass, or takes more than {_SLOWEST} s", flush=True)
                continue
            all_of_them = mutants(kept)
            some = random.Random(0).sample(all_of_them, min(asked.each, len(all_of_them)))
            survivors = []
            for line, what, source in sorted(some):
                place.write_text(source)
                if survives(copied, SAMPLE[name], copied / "cache") and survives(
                    copied, SAMPLE[name], copied / f"cache-{name.replace('/', '-')}-{len(survivors)}"
                ):
                    survivors.append(f"  {name}:{line}: {what}")
                    print(survivors[-1], flush=True)
            place.write_text(kept)
            killed, tried = killed + len(some) - len(survivors), tried + len(some)
            print(
                f"{name}: {len(some) - len(survivors)} of {len(some)} noticed, {len(all_of_them)} possible", flush=True
            )
        print(f"in all: {killed} of {tried} noticed")


if __name__ == "__main__":
    main()
