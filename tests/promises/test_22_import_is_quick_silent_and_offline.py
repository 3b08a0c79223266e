"""Import is quick (< 1 s warm), silent, offline; `das3d-aug --help` < 0.5 s.

Seconds depend on the machine, so CPU time is compared with that of what das3d cannot do without.
"""

import resource
import subprocess

import pytest
from helpers.dumps import environment
from helpers.processes import program, python

NEEDED = "import numpy, scipy, numba, cv2, tifffile, yaml"


def cpu_seconds(command, *, runs=5):
    """Return the least CPU time of a few runs."""
    took = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment(), check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(took)


def test_quick(record_property):
    (python_, dash, _), rest = program("aug", ())[:3], ["--help"]
    needed, whole = (cpu_seconds([python_, dash, code]) for code in (NEEDED, "import das3d_aug"))
    usage = cpu_seconds(program("aug", rest))
    assert whole < 2 * needed
    assert usage < 0.5 * needed
    record_property(
        "figure",
        f"import {whole:.2f} s of CPU, its dependencies alone {needed:.2f} s; --help {usage:.2f} s (least of 5 runs)",
    )


@pytest.mark.parametrize("package", ["das3d_aug", "das3d_ref", "das3d_aug.transforms"])
def test_silent_and_offline(package):
    code = f"""
import sys
def refuse(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.")) and event != "socket.__new__":
        raise OSError(f"no network: {{event}} {{arguments}}")
sys.addaudithook(refuse)
import {package}
"""
    assert python(code) == ""
