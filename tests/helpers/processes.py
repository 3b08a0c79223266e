"""Fresh processes that find the tests and the packages under test."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.dumps import environment

LIMITED = (
    "import resource, signal, sys; size, ends = int(sys.argv.pop(1)), sys.argv.pop(1) == 'die'\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_DFL if ends else signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
)
"""No file may have more bytes: the process is killed in the middle of writing one, or the disk seems full."""


def python(code: str, *arguments: object, **variables: str) -> str:
    """Run Python and return what it printed; it must end well, without a word on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment() | variables,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def program(name: str, arguments: Sequence[object], *, most: tuple[int, str] | None = None) -> list[str]:
    """Return the command that is ``das3d-aug`` or ``das3d-ref`` ("aug", "ref") as it is installed.

    ``most`` is the limit on a file's bytes, and what it does: "die" or "refuse".
    """
    code = f"import sys; from das3d_cli.start import {name} as main; sys.argv[0] = 'das3d-{name}'"
    guarded = f"{LIMITED if most else ''}{code}\nif __name__ == '__main__': main()"
    return [sys.executable, "-c", guarded, *map(str, most or ()), *map(str, arguments)]


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start a command whose sums do not depend on the number of cores; stderr is kept."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    env = environment() | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=env, text=True, **streams | options)


class Fork:
    """A command in a copy of this process, which has all packages loaded and kernels compiled.

    Parameters as of `program`.
    """

    def __init__(self, name: str, arguments: Sequence[object], *, most: tuple[int, str] | None = None) -> None:
        handle, place = tempfile.mkstemp(prefix="das3d-")
        os.close(handle)
        self._said = Path(place)
        self._process = multiprocessing.get_context("fork").Process(target=self._run, args=(name, arguments, most))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of idle threads, from Python 3.12 on
            self._process.start()

    def _run(self, name: str, arguments: Sequence[object], most: tuple[int, str] | None) -> None:
        sys.stdout, sys.stderr = (path.open("w") for path in (Path(os.devnull), self._said))
        if most is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL if most[1] == "die" else signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (most[0], most[0]))
        importlib.import_module(f"das3d_cli.{name}").main([str(argument) for argument in arguments])

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> tuple[int, str]:
        """Wait; return the exit code, negative for a signal, and what was said on stderr."""
        self._process.join()
        said = self._said.read_text()
        self._said.unlink()
        assert self._process.exitcode is not None
        return self._process.exitcode, said
