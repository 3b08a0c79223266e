"""How das3d compiles its kernels: one thread, no GIL, strict floating point, and a cache that cannot hurt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba
from numba.core.caching import FunctionCache

from das3d_aug.errors import Das3dError

__all__ = ["kernel"]


class _HarmlessCache(FunctionCache):
    """Numba's on-disk cache, in which a damaged or unwritable file is a miss: the kernel is compiled anew."""

    def load_overload(self, *args: Any) -> Any:
        try:
            return super().load_overload(*args)  # type: ignore[no-untyped-call]
        except Exception:
            return None

    def save_overload(self, *args: Any) -> None:
        with contextlib.suppress(Exception):
            super().save_overload(*args)  # type: ignore[no-untyped-call]
            return
        with contextlib.suppress(Exception):  # the index is damaged: start a new one
            self.flush()  # type: ignore[no-untyped-call]
            super().save_overload(*args)  # type: ignore[no-untyped-call]


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call.

    No ``fastmath``: the same bytes on every CPU, and NaN means NaN.  No ``parallel``: a parallel kernel in the
    parent kills forked children, and its sums differ between thread counts.
    """
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return _refused
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):  # there is no writable place for a cache
        compiled._cache = _HarmlessCache(compiled.py_func)  # type: ignore[no-untyped-call]
    return compiled


def _refused(*_: Any) -> None:
    raise Das3dError(
        "NUMBA_DISABLE_JIT is set, and the kernels count in integers that wrap around, as Python's do not: unset it"
    )
