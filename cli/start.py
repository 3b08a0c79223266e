"""Where the installed programs begin: Ctrl-C while the command line itself loads is one line, too."""

from __future__ import annotations

import os
import signal
from typing import Any

__all__ = ["aug", "ref"]


def _leave(*_: Any) -> None:
    """Leave at once: nothing has begun, and a half-loaded package has nothing to clean up."""
    os.write(2, b"interrupted\n")
    os._exit(130)


heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # nohup and the like let it be ignored
if heeded:
    signal.signal(signal.SIGINT, _leave)


def aug() -> None:
    """Run ``das3d-aug``."""
    from .aug import main

    _run(main)


def ref() -> None:
    """Run ``das3d-ref``."""
    from .ref import main

    _run(main)


def _run(main: Any) -> None:
    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    finally:
        if heeded:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said and done
