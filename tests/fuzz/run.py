"""Coverage-guided fuzzing of all readers: ``make fuzz``, or ``python -m tests.fuzz.run [--seconds N] [target …]``.

Each target starts from whole files and from what earlier runs kept in ``build/fuzz``.  A file
that a reader can neither read nor refuse, at the price of `tests.fuzz.targets`, is written to ``tests/fuzz/crashes``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import atheris

ROOT = Path(__file__).parents[2]
KEPT, CRASHES = ROOT / "build/fuzz", ROOT / "tests/fuzz/crashes"
INSTRUMENTED = ["das3d_aug", "das3d_ref", "tifffile", "yaml", "tomllib", "zipfile", "tarfile", "csv", "json"]
_LONGEST = 2**16
_HANGS = 600  # seconds of the clock; what a file costs is judged by the CPU


def compiled() -> list[str]:
    """Return the modules of kernels, which numba cannot compile with what counts their branches in them."""
    paths = [path for path in (ROOT / "das3d_aug").rglob("*.py") if "\n@kernel\n" in path.read_text()]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name for name in names if name != "das3d_aug.files.ply_pcd"]


def instrumented() -> ModuleType:
    """Load the targets, and all that counts the branches that are taken."""
    told = contextlib.redirect_stderr(io.StringIO())  # a line for each module
    with told, atheris.instrument_imports(include=INSTRUMENTED, exclude=compiled()):
        from das3d_aug.files import ply_pcd
        from tests.fuzz import targets
    ply_pcd._lzf = ply_pcd._lzf.py_func  # in Python, so that its branches count
    return targets


def fuzz(targets: ModuleType, name: str, seconds: int) -> str:
    """Fuzz one target in a copy of this process; return what became of it, in a line."""
    target, known, log = targets.TARGETS[name], KEPT / name, KEPT / f"{name}.log"
    known.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(targets.seeds(target)):
        (known / f"seed-{number}").write_bytes(data)
    root = Path(tempfile.mkdtemp(prefix="das3d-fuzz-")).resolve()
    path = targets.place(target, root)

    def once(data: bytes) -> None:
        path.write_bytes(data)
        targets.judge(target, path, root)

    options = [f"-max_total_time={seconds}", f"-artifact_prefix={CRASHES}/{name}-", f"-timeout={_HANGS}"]
    options += [f"-max_len={_LONGEST}", "-rss_limit_mb=4096", "-print_final_stats=1"]
    child = os.fork()
    if not child:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        targets.warm(target, path)
        atheris.Setup([__file__, *options, str(known)], once)
        atheris.Fuzz()  # libFuzzer ends the process
    os.waitpid(child, 0)
    shutil.rmtree(root)
    said = log.read_text(errors="replace")
    count = (re.findall(r"number_of_executed_units: (\d+)", said) or re.findall(r"^#(\d+)", said, re.M) or ["?"])[-1]
    features = (re.findall(r"ft: (\d+)", said) or ["?"])[-1]
    found = re.findall(r"Test unit written to (\S+)", said)
    if count in ("?", "0"):
        return f"{name}: NOT RUN: {' '.join(said.split())[-200:]}"
    return f"{name}: {count} runs, {features} features, {f'FOUND {found[0]}' if found else 'nothing'}"


def main() -> int:
    """Fuzz the targets that are named, or all; 1 if something was found, or one could not run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    asked = parser.parse_args()
    targets = instrumented()
    if unknown := set(asked.targets) - targets.TARGETS.keys():
        parser.error(f"no target is named {min(unknown)!r}; there are {', '.join(targets.TARGETS)}")
    CRASHES.mkdir(exist_ok=True)
    found = 0
    for name in asked.targets or targets.TARGETS:
        line = fuzz(targets, name, asked.seconds)
        print(line, flush=True)
        found += "FOUND" in line or "NOT RUN" in line
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
