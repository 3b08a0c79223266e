"""Command lines of das3d: thin click commands over `das3d_aug` and `das3d_ref`.

Every mistake of the user is one line on stderr, ``<program>: error: <what and what to do>``, and exit code 2.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from .voice import Voice

__all__ = ["Program"]

_MEMORY = (  # as torch, OpenCV, the C library and the loader of libraries say it
    "out of memory",
    "can't allocate memory",
    "insufficient memory",
    "cannot allocate memory",
    "failed to map segment",
)
_SHARED = (
    click.Option(["--quiet"], is_flag=True, expose_value=False, help="Say nothing but warnings and errors."),
    click.Option(["--json"], is_flag=True, expose_value=False, help="Print the result as one JSON object instead."),
)


class Program(click.Group):
    """A click group that turns usage errors and das3d's own errors into one line and an exit code.

    The exit codes are 0 (done), 1 (done in part: the command said what failed), 2 (mistake in the call or
    in the input) and 130 (interrupted).  Every command takes ``--quiet`` and ``--json``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for command in self.commands.values():
            _share(command)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command and the options that all have."""
        super().add_command(cmd, name)
        _share(cmd)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and note that it is the one that speaks."""
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(ctx.obj, Voice):  # not while a shell completes
            ctx.obj.command = command
        return name, command, rest

    def main(self, args: Sequence[str] | None = None, *rest: Any, **kwargs: Any) -> NoReturn:
        """Run the command that the arguments name, then exit."""
        kwargs["standalone_mode"] = False
        given = list(sys.argv[1:] if args is None else args)
        asked = {"-h", "--help"}.isdisjoint(given)
        voice = Voice(self.name or "", quiet="--quiet" in given, as_json=asked and "--json" in given)
        for stream in (sys.stdout, sys.stderr):
            # An old terminal has no "…", and in the locale "C" Python would have surrogates only escaped.
            if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
                stream.reconfigure(errors="replace")
        try:
            # Of what libraries and plug-ins print, nothing may come between a program and its object.
            quiet = contextlib.redirect_stdout(sys.stderr) if voice.as_json else contextlib.nullcontext()
            with _noted_interrupts() as interrupts, _told_warnings(voice), quiet:
                code = self._run(voice, interrupts, given, *rest, **kwargs)
            if voice.as_json:
                click.echo(voice.as_object(code))
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of a pipe went away
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 1
        sys.exit(code)

    def _run(self, voice: Voice, interrupts: list[int], *args: Any, **kwargs: Any) -> int:
        """Return the exit code, having told what ended the run."""
        try:
            code = super().main(*args, obj=voice, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return 2
        except click.ClickException as error:
            voice.stop(error.format_message())
            return 2
        except BrokenPipeError:
            raise
        except BaseException as error:
            if interrupts or isinstance(error, (KeyboardInterrupt, click.Abort)):
                voice.error = "interrupted" + (f"; {voice.go_on}" if voice.go_on else "")
                click.echo(f"{voice.program}: {voice.error}", err=True)
                return 130
            told = _told(error)
            if told is None:
                raise
            voice.stop(told)
            return 2
        return code if isinstance(code, int) else 0


def _told(error: BaseException) -> str | None:
    """Return what to say of an error that the user or the system made; None of a bug."""
    # Not imported: where memory is short that fails, too, and what was not loaded has raised nothing.
    errors = sys.modules.get("das3d_aug.errors")
    if errors is not None and isinstance(error, errors.Das3dError):
        return str(error)
    if isinstance(error, MemoryError) or any(text in str(error).lower() for text in _MEMORY):
        return "out of memory: smaller images, smaller batches or fewer workers need less"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else f"the system refused: {error.strerror}"
    if isinstance(error, ModuleNotFoundError) and error.name is not None and not error.name.startswith("das3d"):
        package = error.name.partition(".")[0]
        return f"{package} is not installed: pip install '.[ref]' in the checkout of das3d"
    if isinstance(error, (ImportError, OSError)) and ".so" in str(error):
        named = next(line for line in str(error).splitlines() if ".so" in line)
        return f"a library cannot be loaded: {named}; das3d-aug doctor says more"
    return None


@contextlib.contextmanager
def _told_warnings(voice: Voice) -> Iterator[None]:
    """Tell what das3d's functions warn of in the voice of the command, without the place in its code."""
    with warnings.catch_warnings():
        before = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], filename: str, *rest: Any, **more: Any) -> None:
            own = f"{os.sep}das3d_" in filename or Path(__file__).parent in Path(filename).parents
            if category is UserWarning and own:
                voice.note(str(message))
            else:
                before(message, category, filename, *rest, **more)

        warnings.showwarning = tell
        yield


def _share(command: click.Command) -> None:
    command.params += [option for option in _SHARED if option not in command.params]


_AGAIN = 0.02  # seconds until an interrupted import is looked at again


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Yield a list that fills with Ctrl-C, which acts as soon as no package is being loaded and no kernel compiled.

    Raised in the middle of an import it may come out as some other error, or end the process from within C++; raised
    in a callback of the compiler it is printed as a traceback and lost.
    A process that was told to ignore Ctrl-C, as by nohup, still does.
    """
    noted: list[int] = []

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        if _inside(frame):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)  # its signal comes here too
        else:
            signal.default_int_handler(number, frame)

    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted
        return
    signal.signal(signal.SIGINT, note)
    before = signal.signal(signal.SIGALRM, note)
    try:
        yield noted
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _inside(frame: Any) -> bool:
    """Whether Python is in the middle of an import, or numba is compiling."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or any(f"{os.sep}{it}{os.sep}" in name for it in ("numba", "llvmlite")):
            return True
        frame = frame.f_back
    return False
