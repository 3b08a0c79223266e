"""Work spread over processes: a bounded number of tasks in flight, clean ends.

The processes are spawned, not forked, because neither numba's nor OpenCV's threads survive a fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from das3d_aug.errors import Das3dError

__all__ = ["interrupted", "unordered_map"]

Task = TypeVar("Task")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>: the signal that a process gets when its parent dies


def unordered_map(function: Callable[[Task], Result], tasks: Iterable[Task], *, workers: int) -> Generator[Result]:
    """Yield ``function(task)`` of every task as they become ready; 0 workers compute in this process.

    Raises
    ------
    Das3dError
        If a worker process died.  What ``function`` raises comes through and ends the work.
    """
    if workers == 0:
        for task in tasks:
            with _interrupt_postponed():
                result = function(task)
            yield result
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker)
    pending: set[Future[Result]] = set()
    try:
        for task in tasks:
            with _interrupts_held():
                pending.add(pool.submit(function, task))
            if len(pending) > 2 * workers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool:
        raise Das3dError(
            "a worker process died: out of memory (use fewer workers), or the calling script does not start "
            'under `if __name__ == "__main__":`'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def interrupted() -> bool:
    """Return whether Ctrl-C waits for the end of this task: a long one may then raise KeyboardInterrupt itself.

    A terminal sends it to the workers too, which hold it back.
    """
    return signal.SIGINT in signal.sigpending()


@contextlib.contextmanager
def _interrupt_postponed() -> Iterator[None]:
    """Let a task end before Ctrl-C acts: raised in a callback of the just-in-time compiler it would be lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hold(*_: object) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.raise_signal(signal.SIGINT)  # pending from here on

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    before = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # what is pending acts here


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: they inherit that, so only this process acts on it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # one core a worker
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # at once, also from within a long call in C
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    """End with the parent: if it is killed, nothing else tells its workers, or it was before they asked the system."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
